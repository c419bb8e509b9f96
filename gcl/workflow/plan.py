"""The experiment for the Snakefile: specifications of jobs, paths that they read, targets and their runs.

`PLAN = open_plan(workflow)` stands at the top of the workflow. Rules use its methods as input and parameter functions.
Nothing here imports torch, since every job parses the Snakefile again.
"""

import os
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

from gcl.data.manifest import check_current
from gcl.data.scenario import SPLITS
from gcl.errors import ConfigError, GCLError
from gcl.experiment.asked import evaluation, score_spec
from gcl.experiment.checks import warnings
from gcl.experiment.closure import code_sha256, run_code
from gcl.experiment.data_spec import DataSpec, data_spec
from gcl.experiment.grid import all_runs
from gcl.experiment.load import load_experiment, overrides_of, replaced, write_resolved
from gcl.experiment.methods.competition import group_run
from gcl.experiment.methods.fine_tuning import sft_run
from gcl.experiment.methods.registry import find_run
from gcl.experiment.notes import notes_of_changes
from gcl.experiment.places import INSTRUCTIONS, places
from gcl.experiment.runs import RunId, RunSpec, Trained
from gcl.experiment.schema import Experiment
from gcl.files import canonical_json
from gcl.operations.versioning import check_link_types, disk_plan
from gcl.workflow.targets import TARGETS, Target

TABLE_SUFFIXES = (".csv", ".md", ".tex", ".provenance.json")
FIGURE_SUFFIXES = (".png", ".svg", ".pdf")
T = TypeVar("T")


def open_plan(workflow: Any) -> "Plan":
    """Check the configuration and prepare the environment of jobs. A mistake ends the program with its message alone.

    Args:
        workflow: Snakemake's. Its `config` is not used: Snakemake has merged and typed it by rules of its own.
    """
    told = workflow.config_settings
    try:
        overrides = overrides_of(told.configfiles, told.config_args or [])
        experiment = load_experiment(overrides=overrides)
    except GCLError as error:
        stop(error)
    if workflow.is_main_process:
        for line in warnings(experiment):
            print(f"warning: {line}", file=sys.stderr)
        for line in notes_of_changes(replaced(overrides)):
            print(f"note: {line}", file=sys.stderr)
    # Jobs use the environment that runs Snakemake, activated or not.
    os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    if experiment.drawing:
        os.environ["HF_HUB_OFFLINE"] = "1"
    return Plan(experiment)


class Plan:
    """The experiment as the workflow sees it."""

    def __init__(self, experiment: Experiment) -> None:
        self.experiment = experiment
        self.scale = experiment.scale
        self.here = places(experiment)
        self.at = replace(self.here, scale="{scale}")  # in rules, where the scale is a wildcard
        self.drawn = experiment.drawing is not None
        self.makes_base_models = experiment.base_models is not None and self.scale == "miniature"
        self.draws_data = self.drawn and experiment.drawing.datasets.value
        # Jobs read the whole experiment here. It is no input, or every change of any setting would rerun them. Instead each
        # rule names its settings.
        self.resolved = str(self.here.experiment)
        self.gpus = 0 if self.drawn else experiment.execution.processes.value  # of one training
        self._runs: dict[str, RunSpec] = {}  # of paths, since every rule of a path asks for its run several times

    # Specifications: inputs of a job. Changes of them run it again.

    def code(self, step: str) -> str:
        """Hash of the code behind a step; a change that is more than comments runs it again."""
        return code_sha256(step)

    def run_code(self, step: str) -> Callable[[Any], str]:
        """The same of a step of the wildcards' run."""
        return lambda wildcards: run_code(step, self.run(wildcards))

    def run(self, wildcards: Any) -> RunSpec:
        """The run that a path names, whether or not a table asks for it."""
        try:
            if wildcards.run not in self._runs:
                self._runs[wildcards.run] = find_run(self.experiment, wildcards.run)
        except GCLError as error:
            stop(error)
        return self._runs[wildcards.run]

    def run_json(self, wildcards: Any) -> str:
        """The run's specification."""
        return self.run(wildcards).json

    def training_json(self, wildcards: Any) -> str:
        """The same of a run that is trained."""
        run = self.run(wildcards)
        if run.feed is None:
            stop(ConfigError(f"{run.id}: nothing is trained for a base model; ask for its metrics"))
        return run.json

    def evaluation_json(self, wildcards: Any) -> str:
        """The questions to the run's members, and the limits of their answers."""
        return evaluation(self.experiment, self.run(wildcards)).json

    def read_json(self, wildcards: Any) -> str | None:
        """How the raw folder of the run's data set is read; None for tasks that are no data set of config.yaml."""
        return self.data_json(wildcards) if self.run(wildcards).dataset in self.experiment.datasets else None

    def data_json(self, wildcards: Any) -> str:
        """How the data set of a rule's wildcards is read."""
        return self._data_spec(wildcards).json

    def base_models_json(self, *names: str) -> str:
        """Settings of base models by name, and the system message, which is among their words."""
        chosen = {name: getattr(self.experiment.base_models, name).model_dump()["value"] for name in names}
        return canonical_json(chosen | {"system": self.experiment.prompt.system.value})

    def architecture(self, wildcards: Any) -> str:
        """The shape of a miniature model."""
        return self.experiment.base_models.models.value[wildcards.model].model_dump_json()

    def base_model_scores(self) -> list[str]:
        """Metrics files of all base models."""
        settings = self.experiment.base_models
        seed = settings.seed.value
        runs = [RunId(INSTRUCTIONS, "pretraining", (model,), "default", seed) for model in settings.models.value]
        return [str(self.here.metrics(str(run))) for run in runs]

    def score_json(self, wildcards: Any) -> str:
        """Encoders and intervals, and the closed list of the run's data set."""
        return score_spec(self.experiment, self.run(wildcards)).json

    def manifest_json(self, wildcards: Any) -> str | None:
        """The specification of drawn data; None for real data, whose manifests DVC keeps up to date."""
        return canonical_json([self.data_json(wildcards), self.scenarios(wildcards)]) if self.draws_data else None

    def scenarios(self, wildcards: Any) -> dict[str, int]:
        """Scenes per split."""
        return self.experiment.datasets[wildcards.dataset].scenarios.value.model_dump()

    def training_resources(self) -> dict[str, int | str]:
        """GPUs of one training; of several nodes, as the SLURM plugin wants them for a rule that calls srun itself."""
        nodes = self.experiment.execution.nodes.value
        if nodes == 1:
            return {"gpu": self.gpus}
        # With "gpu" they could lie on the nodes in any way; without tasks_per_gpu there would be a task for each.
        each = {"gres": f"gpu:{self.gpus // nodes}", "tasks_per_gpu": 0} if self.gpus else {}
        return {"nodes": nodes, "tasks": nodes, "mpi": "srun", **each}

    def kind_of_data(self, wildcards: Any) -> str:
        """The arguments of `gcl data generate`."""
        dataset, experiment = wildcards.dataset, self.experiment
        like = experiment.datasets[dataset].like
        chosen_on = {experiment.controls.tuning.value, experiment.exchange.scenes.tuning.value}
        apart = " --tuning" if dataset in chosen_on else ""
        return f"{like.value} --stream {dataset}{apart}" if like else dataset

    # Paths.

    def mapping(self, wildcards: Any) -> str:
        """How a drawn data set is imported."""
        like = self.experiment.datasets[wildcards.dataset].like
        return f"workflow/mappings/{like.value if like else wildcards.dataset}.yaml"

    def raw_folder(self, wildcards: Any) -> list[str]:
        """The raw folder, if it is drawn. Real data is no file of the workflow: its manifest's job looks at it."""
        return [self._data_spec(wildcards).root] if self.draws_data else []

    def retained(self, output: T, temporary: Callable[[T], T]) -> T:
        """A checkpoint folder as the rule declares it. If nothing is to stay, Snakemake removes it once it is scored."""
        return temporary(output) if self.experiment.execution.retain.value == "none" else output

    def inputs(self, split: str) -> Callable[[Any], list[str]]:
        """Files that a split of the run's data set is read from."""
        return lambda wildcards: [str(path) for path in self.here.inputs(self.run(wildcards).dataset, split)]

    def held_out(self, wildcards: Any) -> list[str]:
        """The questions that show how much was forgotten: a folder that is drawn here, or the user's file."""
        asked = evaluation(self.experiment, self.run(wildcards)).held_out
        if asked is None:
            return []
        drawn = self.makes_base_models and Path(asked.folder) == self.here.unseen
        return [asked.folder if drawn else str(Path(asked.folder) / "test.jsonl")]

    def held_out_questions(self) -> int:
        """How many of them are drawn."""
        asked = self.experiment.evaluation.forgetting.value
        return asked.questions if asked else 0

    def starts(self, wildcards: Any) -> list[str]:
        """Folders that the run starts from, of other runs or of backbones. A commit on the hub is none."""
        run = self.run(wildcards)
        folders = {str(self.here.checkpoints(before)) for before in run.trained_before}
        others = [self.here.weights(m.start) for m in run.members if not isinstance(m.start, Trained)]
        return sorted(folders | {weights.path for weights in others if weights.revision is None})

    def answering(self, wildcards: Any) -> list[str]:
        """The folder of the members that answer: the run's, or those that it starts from where nothing is trained."""
        run = self.run(wildcards)
        return [str(self.here.checkpoints(run.id))] if run.feed is not None else self.starts(wildcards)

    # Before any job.

    def check(self) -> None:
        """Stop where raw data was edited without `dvc repro`, or DVC's cache would mislead Snakemake."""
        if self.draws_data:
            return
        try:
            check_link_types(Path())
            for dataset in self.experiment.datasets:
                data, folder = data_spec(self.experiment, dataset), self.here.manifests(dataset)
                if all((folder / f"{split}.tsv").is_file() for split in SPLITS):
                    check_current(Path(data.root), folder, data)
        except GCLError as error:
            stop(error)

    def write(self) -> None:
        """Write the experiment where jobs read it, beside the results."""
        write_resolved(self.experiment, Path(self.resolved))

    def disk(self) -> str:
        """The disk space that checkpoints will take."""
        return str(disk_plan(self.experiment, all_runs(self.experiment).values(), Path()))

    # Tables and figures.

    @property
    def tables(self) -> list[str]:
        """All that can be built, without those that `all` leaves out."""
        return self._built("table")

    @property
    def figures(self) -> list[str]:
        """All that can be drawn, likewise."""
        return self._built("figure")

    def _built(self, kind: str) -> list[str]:
        possible = [t for t in TARGETS.values() if t.kind == kind and t.possible(self.experiment)]
        return [target.name for target in possible if not self._left_out(target)]

    def _left_out(self, target: Target) -> bool:
        """At miniature scale `all` does not build a target with an `apart` of its own, unless that is there already."""
        table = self.here.table(str(target.apart), ".provenance.json")
        return self.drawn and target.apart is not None and not table.is_file()

    def metrics(self, wildcards: Any) -> list[str]:
        """Metrics files behind a table or figure."""
        target = TARGETS[wildcards.name]
        target.check(self.experiment)
        names = target.metrics(self.experiment)
        return [str(self.here.metrics(name)) for name in sorted(names)]

    def predictions(self, wildcards: Any) -> list[str]:
        """Answers that a table scores again: those behind table encoders."""
        runs = TARGETS["encoders"].runs(self.experiment) if wildcards.name == "encoders" else []
        return sorted({str(self.here.predictions(run.id)) for run in runs})

    def all_metrics(self) -> list[str]:
        """Metrics files of all runs behind the tables and figures of `all`."""
        names = [*self.tables, *self.figures]
        ids = dict.fromkeys(run.id for name in names for run in TARGETS[name].runs(self.experiment))
        return [str(self.here.metrics(run_id)) for run_id in ids]

    def report_json(self, wildcards: Any) -> str:
        """The contents of a table or figure besides metrics; a change rebuilds it without running anything."""
        target, experiment = TARGETS[wildcards.name], self.experiment
        runs = [run.json for run in target.runs(experiment)]
        report = [setting.value for setting in (experiment.report.paper_values, experiment.report.margin)]
        shown = [runs, report, experiment.evaluation.bootstrap.value]
        return canonical_json(shown + target.settings(experiment))

    def gallery_runs(self, dataset: str) -> tuple[RunSpec, RunSpec]:
        """The runs whose learners the gallery compares: SFT, and GCL with everything; of several seeds the first."""
        pair, seed = self.experiment.components.pair.value, self.experiment.seeds.value[0]
        full = group_run(self.experiment, dataset, pair.models, "full", seed)
        return sft_run(self.experiment, dataset, pair.learner, seed), full

    def gallery_files(self) -> list[str]:
        """The gallery's files of all data sets: scores and answers."""
        runs = [run.id for dataset in self.experiment.groups for run in self.gallery_runs(dataset)]
        return [str(path) for run in runs for path in (self.here.metrics(run), self.here.predictions(run))]

    def page_json(self) -> str:
        """All settings, which the page lists. A change rebuilds the page, and nothing else."""
        return canonical_json(self.experiment.model_dump())

    def table(self, name: str) -> list[str]:
        """Files of one table."""
        return [str(self.here.table(name, suffix)) for suffix in TABLE_SUFFIXES]

    def figure(self, name: str) -> list[str]:
        """Files of one figure."""
        return [str(self.here.figure(name, suffix)) for suffix in FIGURE_SUFFIXES]

    def _data_spec(self, wildcards: Any) -> DataSpec:
        dataset = wildcards.dataset if "dataset" in wildcards.keys() else self.run(wildcards).dataset  # noqa: SIM118
        return data_spec(self.experiment, dataset)


def stop(error: GCLError) -> None:
    """End with the message alone: a traceback through Snakemake would bury it."""
    sys.exit("\n".join(f"gcl: error: {line}" for line in str(error).splitlines()))
