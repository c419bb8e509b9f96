"""The recipes of docs/adding.md, each carried out on a copy of the project; the files that it touches are counted."""

import json
import shutil
from pathlib import Path

import pytest
from conftest import ROOT
from warm_python import run_module
from workflow_project import NEW_BYTECODE

PARTS = ("gcl", "workflow", "Snakefile", "config.yaml")
PAIR = "qwen2.5-vl-3b+qwen3-vl-4b"
METHOD = '''"""Relay: a model goes on where SFT of another seed ended, at half the rate."""

from gcl.experiment.methods.fine_tuning import all_turns, sft_run
from gcl.experiment.methods.parts import Method, member, only_default, run_spec
from gcl.experiment.runs import RunId, RunSpec, Trained
from gcl.experiment.schema import Experiment


def _make(experiment: Experiment, ref: RunId) -> RunSpec:
    only_default(ref)
    before = sft_run(experiment, ref.dataset, ref.models[0], ref.seed + 1)
    start = Trained(run=before.id, role="solo")
    solo = member(experiment, "solo", ref.models[0], lr=experiment.training.lr_sft.value / 2, start=start)
    return run_spec(experiment, ref, [solo], all_turns(experiment, ref.dataset))


METHODS = [Method("relay", _make)]
'''
METRIC = '''"""Brevity: 1 for no words, less for more."""

from gcl.evaluation.scorer import Scorer


class Brevity(Scorer):
    """Scores the number of words."""

    suffix, place = " brevity", 9

    @classmethod
    def of(cls, score):
        return cls()

    def __call__(self, texts, references):
        return [1 / (1 + len(text.split())) for text in texts]


SCORER = Brevity
'''
DATASET = """
  mine:
    scenarios: {value: {train: 8, test: 4}, assumed: "our own data"}
    turns:
      value:
        scene: {question: "What is there?", metrics: [cos]}
        move: {question: "Where to?", metrics: [f1, accuracy]}
        because: {question: "Why?", metrics: []}
      assumed: "our own data"
    actions: {value: [Go, Stop], assumed: "our own data"}
    sft_action_f1: {value: {}, assumed: "no roles are assigned on it"}
"""


class Copy:
    """A copy of the project that counts which files a recipe touches."""

    def __init__(self, root: Path) -> None:
        self.root = root
        for part in PARTS:
            source = ROOT / part
            copy = shutil.copytree if source.is_dir() else shutil.copy
            copy(source, root / part, **({"ignore": NEW_BYTECODE} if source.is_dir() else {}))
        self.before = self._contents()

    def _contents(self) -> dict[str, bytes]:
        kept = [path for path in self.root.rglob("*") if path.is_file() and "__pycache__" not in path.parts]
        parts = {path: path.relative_to(self.root).as_posix() for path in kept}
        return {name: path.read_bytes() for path, name in parts.items() if name.partition("/")[0] in PARTS}

    @property
    def touched(self) -> list[str]:
        return sorted(name for name, content in self._contents().items() if self.before.get(name) != content)

    def write(self, name: str, text: str) -> None:
        (self.root / name).write_text(text)

    def edit(self, name: str, old: str, new: str) -> None:
        text = (self.root / name).read_text()
        assert old in text, f"{name} has no {old!r}"
        self.write(name, text.replace(old, new, 1))

    def run(self, module: str, *words: str) -> str:
        done = run_module(module, words, self.root)
        assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
        return done.stdout

    def spec(self, run: str) -> dict:
        return json.loads(self.run("gcl", "runs", run))

    def jobs(self, target: str, scale: str = "miniature") -> dict[str, int]:
        """What Snakemake would run for a target, by rule."""
        command = ("snakemake", "-n", "--quiet", "rules", "--cores", "1", target, "--config", f"scale={scale}")
        lines = [line.split() for line in self.run(*command).splitlines()]
        return {words[0]: int(words[1]) for words in lines if len(words) == 2 and words[1].isdigit()}


@pytest.fixture
def project(tmp_path) -> Copy:
    return Copy(tmp_path)


def test_a_data_set_with_three_turns_is_yaml_alone(project):
    project.edit("config.yaml", "\nprompt:\n", f"{DATASET}\nprompt:\n")
    jobs = project.jobs("results/paper/metrics/mine/sft/qwen3-vl-2b/default/seed0.json", "paper")
    assert jobs.keys() >= {"manifest", "train", "generate", "score"}
    shown = project.spec("mine/sft/qwen3-vl-2b/default/seed0")["feed"]["shown"]
    assert shown == [{"questions": ["scene", "move", "because"], "count": None}]
    assert project.touched == ["config.yaml"]


def test_a_metric_is_one_file_and_its_name(project):
    project.write("gcl/evaluation/scorers/brevity.py", METRIC)
    project.edit("config.yaml", "metrics: [f1, accuracy]", "metrics: [f1, accuracy, brevity]")
    names = (
        "from gcl.evaluation.metric_registry import scores_of, header; from gcl.experiment.load import load_experiment"
    )
    project.write("shown.py", f"{names}; print([header(n) for n in scores_of(load_experiment(), 'snei')])")
    found = project.run("shown")
    assert "Action brevity" in found
    assert project.touched == ["config.yaml", "gcl/evaluation/scorers/brevity.py"]


def test_a_divergence_is_one_file_and_its_name(project):
    last = '    "reverse-kl": partial(_from_each_other, forward=False),\n'
    project.edit("gcl/objective/drl.py", last, f'{last}    "mine": partial(_from_each_other, forward=True),\n')
    variant = '  mine: {value: {gsl_weight: 0.0, divergence: mine}, assumed: "test"}\n'
    project.edit("config.yaml", "variants:\n  gco:", f"variants:\n{variant}  gco:")
    assert project.spec(f"snei/gcl/{PAIR}/mine/seed0")["objective"]["divergence"] == "mine"
    assert project.touched == ["config.yaml", "gcl/objective/drl.py"]


def test_a_method_is_one_file_of_at_most_60_lines(project):
    assert len(METHOD.splitlines()) <= 60
    project.write("gcl/experiment/methods/relay.py", METHOD)
    run = "snei/relay/qwen3-vl-4b/default/seed0"
    assert project.spec(run)["members"][0]["start"] == {"run": "snei/sft/qwen3-vl-4b/default/seed1", "role": "solo"}
    (project.root / "base_models/qwen3-vl-4b").mkdir(parents=True)  # published with the project
    jobs = project.jobs(f"results/miniature/metrics/{run}.json")
    assert (jobs["train"], jobs["generate"], jobs["score"]) == (2, 1, 1), "it starts from another training"
    assert project.touched == ["gcl/experiment/methods/relay.py"]


def test_a_logger_is_one_word(project):
    project.edit("config.yaml", "[tensorboard]", "[tensorboard, trackio]")
    assert "trackio" in project.run("gcl", "settings")
    assert project.touched == ["config.yaml"]
