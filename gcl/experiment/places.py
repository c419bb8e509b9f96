"""Every path below results/, data/, logs/ and scratch/: `places(experiment)`.

The workflow, jobs and reports use it.

    results/<scale>/experiment.json                   the resolved configuration
    results/<scale>/checkpoints/<run>/<role>/         one member
    results/<scale>/records/<run>.json                costs and environment of its training
    results/<scale>/scenes/<dataset>/<scene>.html     one scene through the pipeline
    results/<scale>/predictions/<run>.jsonl           answers; with exchanged pictures <run>/exchanged.jsonl
    results/<scale>/metrics/<run>.json                scores, and summary/<run>.json, their means
    results/<scale>/tables|figures/<name>.*
    results/<scale>/deployment/<run>/<role>/<format>/ one member for robots, agreement.json beside it, measured.json above
    <data>/raw|manifests/<dataset>/                   social scenes
    <data>/planning/states.jsonl, pictures/           planning tasks
    scratch/<run>/<hash>/                             an unfinished training
    scratch/teachers/<hash>/                          hidden states of a teacher
"""

from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from gcl.experiment.runs import MemberSpec, RunSpec, Start, Trained, Untrained
from gcl.experiment.schema import Experiment
from gcl.experiment.weights import Weights

RESULTS, DATA, LOGS, SCRATCH = Path("results"), Path("data"), Path("logs"), Path("scratch")
TEACHERS = "teachers"  # in the scratch folder
PLANNING = "planning"  # the data set of planning tasks
PLANNING_TUNING = "planning_tuning"  # the same, tested on its validation states: for choosing settings
INSTRUCTIONS = "instructions"  # the data set that miniature base models learn from
SCENES = "scenes"  # the kind of all data sets of config.yaml
KINDS = {PLANNING: PLANNING, PLANNING_TUNING: PLANNING, INSTRUCTIONS: INSTRUCTIONS}  # of all other data sets


def kind_of(dataset: str) -> str:
    """The kind of a data set: `PLANNING`, `INSTRUCTIONS`, or `SCENES` for those of config.yaml."""
    return KINDS.get(dataset, SCENES)


@dataclass(frozen=True)
class Places:
    """Where the files of one scale are.

    Attributes:
        scale: of the experiment; the workflow has the wildcard "{scale}" here.
        data: folder of data.
        results: folder of all results.
    """

    scale: str
    data: Path
    results: Path = RESULTS

    @property
    def root(self) -> Path:
        """Folder of this scale's results."""
        return self.results / self.scale

    @property
    def experiment(self) -> Path:
        """The resolved configuration."""
        return self.root / "experiment.json"

    def checkpoints(self, run: str) -> Path:
        """Folder that a training leaves."""
        return self.root / "checkpoints" / run

    @property
    def records(self) -> Path:
        """Folder of the records of trainings."""
        return self.root / "records"

    def record(self, run: str) -> Path:
        """A training's record: costs, environment."""
        return self.records / f"{run}.json"

    def predictions(self, name: str) -> Path:
        """Answers; of `RunSpec.evaluation`."""
        return self.root / "predictions" / f"{name}.jsonl"

    def metrics(self, name: str) -> Path:
        """Scores; of `RunSpec.evaluation`."""
        return self.root / "metrics" / f"{name}.json"

    def summary(self, name: str) -> Path:
        """The means of a metrics file."""
        return self.root / "summary" / f"{name}.json"

    @property
    def tables(self) -> Path:
        """Folder of tables."""
        return self.root / "tables"

    def table(self, name: str, suffix: str = "") -> Path:
        """One file of a table; without suffix the common beginning of their paths."""
        return self.tables / f"{name}{suffix}"

    def deployed(self, run: str, role: str, format_name: str) -> Path:
        """One member in one format."""
        return self.root / "deployment" / run / role / format_name

    def agreement(self, run: str, role: str) -> Path:
        """The report about a member's answers in all formats."""
        return self.root / "deployment" / run / role / "agreement.json"

    @property
    def measured(self) -> Path:
        """Times, memory and energy of all deployed members."""
        return self.root / "deployment" / "measured.json"

    @property
    def reference(self) -> Path:
        """Folder of the results that come with the project."""
        return self.results / "reference" / self.scale

    def figure(self, name: str, suffix: str = "") -> Path:
        """One file of a figure."""
        return self.root / "figures" / f"{name}{suffix}"

    @property
    def report(self) -> Path:
        """The page of all results."""
        return self.root / "report.html"

    def scene(self, dataset: str, scene: str) -> Path:
        """The page of one test scene, whose id may have signs that no file name has."""
        return self.root / "scenes" / dataset / f"{quote(scene, safe='')}.html"

    def untrained(self, model: str) -> Path:
        """Random weights of a miniature model."""
        return self.results / "miniature" / "untrained" / model

    @property
    def vocabulary(self) -> Path:
        """Vocabulary of the miniature models."""
        return self.untrained("vocabulary.json")

    def log(self, step: str, name: str) -> Path:
        """The output of a job."""
        return LOGS / self.scale / step / f"{name}.log"

    def source(self, dataset: str) -> Path:
        """A drawn data set in the shape of a download."""
        return self.data / "source" / dataset

    @property
    def instructions(self) -> Path:
        """The instruction set, which all scales with miniature models share."""
        return DATA / "miniature" / INSTRUCTIONS

    @property
    def unseen(self) -> Path:
        """Questions that miniature base models were not trained on."""
        return DATA / "miniature" / "unseen"

    def raw(self, dataset: str) -> Path:
        """Imported scenes of a data set."""
        return self.data / "raw" / dataset

    def manifests(self, dataset: str) -> Path:
        """Folder of a data set's manifests."""
        return self.data / "manifests" / dataset

    def manifest(self, dataset: str, split: str) -> Path:
        """The scenes of one split, with hashes of their pictures and texts."""
        return self.manifests(dataset) / f"{split}.tsv"

    def some_states(self, task: str, level: str) -> Path:
        """States of one planning task and level; the level of a public test set is "public"."""
        return self.data / PLANNING / "states" / f"{task}-{level}.jsonl"

    @property
    def states(self) -> Path:
        """All states of planning tasks."""
        return self.data / PLANNING / "states.jsonl"

    @property
    def state_pictures(self) -> Path:
        """Folder with a picture of each state."""
        return self.data / PLANNING / "pictures"

    def inputs(self, dataset: str, split: str) -> list[Path]:
        """Files that one split of a data set is read from; the manifest binds raw data."""
        if kind_of(dataset) == PLANNING:
            return [self.states, self.state_pictures]
        if kind_of(dataset) == INSTRUCTIONS:
            return [self.instructions]
        return [self.manifest(dataset, split)]

    def weights(self, start: Start) -> Weights:
        """The place of a member's starting weights."""
        if isinstance(start, Trained):
            return Weights(path=str(self.checkpoints(start.run) / start.role))
        return Weights(path=str(self.untrained(start.model))) if isinstance(start, Untrained) else start

    def answering(self, run: RunSpec, role: str) -> Weights:
        """Weights of a member who answers: those that its training leaves; without a training its start."""
        if run.feed is not None:
            return Weights(path=str(self.checkpoints(run.id) / role))
        return self.weights(next(member.start for member in run.members if member.role == role))


def start_weights(run: RunSpec, member: MemberSpec) -> Weights:
    """The place of a member's starting weights, seen from the project's folder."""
    return Places(run.scale, Path()).weights(member.start)


def results_at(scale: str, results: Path | str = RESULTS) -> Places:
    """Where the results of a scale are, whatever its data."""
    return Places(scale, DATA, Path(results))


def places(experiment: Experiment, results: Path = RESULTS) -> Places:
    """Where the files of an experiment are."""
    return Places(experiment.scale, Path(experiment.data.value), results)
