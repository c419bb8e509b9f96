"""Real DVC around real Snakemake: what each change of the data runs again, and that nothing else does.

One small project at rehearsal scale (imported data, miniature models) is run once, and once more with another test scene.
Each test has a copy of one of these to itself.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import pytest
from conftest import ROOT
from raw_case import draw_raw
from workflow_project import Project, copy_project

from gcl.experiment.data_spec import data_spec

pytestmark = pytest.mark.dvc

PAIR = {"learner": "qwen2.5-vl-3b", "guide": "qwen3-vl-4b"}
RUNS = {"snei": 3, "muson": 3}  # two baselines and the pair, which is also the only point of every figure
BASES = 2  # base models, asked about each data set
BUSY = "is busy, it is being blocked by"


def shrink_experiment(config: dict) -> None:
    """Two models, one pair, one point a sweep."""
    config["models"] = {name: config["models"][name] for name in PAIR.values()}
    for dataset in config["datasets"].values():
        scores = dataset["sft_action_f1"]
        scores["value"] = {name: scores["value"][name] for name in PAIR.values()}
    for groups in config["groups"].values():
        groups["value"] = [PAIR | {"regime": "A", "tau": [2.0, 2.0]}]
    config["components"]["rows"]["value"] = ["full"]
    config["planning"]["models"]["value"] = [PAIR["guide"]]
    arms = {"SFT": f"sft/{PAIR['learner']}/default", "full": f"gcl/{PAIR['learner']}+{PAIR['guide']}/full"}
    config["controls"]["arms"]["value"] = [{"name": name, "run": run} for name, run in arms.items()]
    arms = {"SFT": f"exchange/{PAIR['guide']}/references", "full": f"exchange/{PAIR['guide']}+{PAIR['guide']}/full"}
    config["exchange"]["states"]["arms"]["value"] = [{"name": name, "run": run} for name, run in arms.items()]
    points = {"gsl_weight": [0.5], "drl_weight": [0.4], "lr_ratio": [2.0], "tau": [2.0]}
    for sweep in config["sweeps"].values():
        sweep["pair"]["value"], sweep["values"]["value"] = PAIR, points[sweep["vary"]]
        sweep["base"] = "full"


def shrink_models(scale: dict) -> None:
    scale["models"] = {name: scale["models"][name] for name in PAIR.values()}
    scale["controls"]["best"]["value"] = {}  # it names arms that are no more
    for name in ("arms", "best"):
        del scale["exchange"]["states"][name]
    for sweep in scale["sweeps"].values():
        del sweep["values"]
    scale["scaling"]["dataset"]["value"] = None
    scale["families"]["groups"]["value"] = []
    scale["seeds"]["value"] = [0]
    scale["training"]["epochs"] = {"value": 1, "assumed": "test"}
    scale["evaluation"]["max_new_tokens"]["value"] = 8


def expect(test_scenes: int):
    """A change of the scale file: how many scenes there are."""

    def change(scale: dict) -> None:
        for dataset in scale["datasets"].values():
            dataset["scenarios"]["value"] = {"train": 12, "test": 4}
        scale["datasets"]["snei"]["scenarios"]["value"]["test"] = test_scenes

    return change


class Versioned(Project):
    """A project under Git and DVC."""

    def do(self, command: str, check: bool = True) -> str:
        """Run a command line as a user types it; returns what it said."""
        done = subprocess.run(command, shell=True, cwd=self.root, env=self.environment, text=True, capture_output=True)
        assert not check or done.returncode == 0, f"{command}\n{(done.stdout + done.stderr)[-5000:]}"
        return done.stdout + done.stderr

    @property
    def environment(self) -> dict[str, str]:
        ours = {
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "PYTHONPATH": str(self.root),
            "PYTHONDONTWRITEBYTECODE": "1",
            "SNAKEMAKE_PROFILE": "local",
            "DVC_NO_ANALYTICS": "1",
            **{f"GIT_{who}_{what}": "tests@localhost" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")},
        }
        return os.environ | ours

    def repro(self, check: bool = True) -> tuple[Counter[str], str]:
        """`dvc repro paper`: jobs that ran, by rule, and the output."""
        output = self.do("dvc repro paper", check)
        return finished(output), output

    def commit(self, message: str) -> None:
        self.do(f"git add --all && git commit --quiet --message '{message}'")

    def correct(self, dataset: str, id: str, turn: str, answer: str) -> None:
        """What an editor does to one line of the annotations."""
        path = self.root / f"data/raw/{dataset}/scenarios.jsonl"
        lines = [json.loads(line) for line in path.read_text().splitlines()]
        next(line for line in lines if line["id"] == id)["turns"][turn]["answer"] = answer
        path.write_text("".join(json.dumps(line) + "\n" for line in lines))


def finished(output: str) -> Counter[str]:
    """Jobs that Snakemake finished, by rule."""
    return Counter(re.findall(r"^Finished jobid: \d+ \(Rule: (\w+)\)", output, re.M))


@dataclass(frozen=True)
class Stage:
    """A project as some change of its data has left it, the jobs that this took, and what DVC said."""

    project: Versioned
    jobs: Counter[str]
    output: str

    def copied(self, to: Path) -> Versioned:
        """With times, since Snakemake goes by them."""
        subprocess.run(["cp", "--archive", "--reflink=auto", self.project.root, to], check=True)
        return Versioned(to)


@pytest.fixture(scope="module")
def first(started) -> Stage:
    """Everything was run from scratch, committed, pushed and tagged."""
    jobs, output = started.repro()
    started.commit("Run everything")
    started.do("dvc push --quiet && git tag first")
    return Stage(started, jobs, output)


@pytest.fixture(scope="module")
def second(first, tmp_path_factory) -> Stage:
    """Later a test scene was added, with a picture of its own, and everything brought up to date."""
    project = first.copied(tmp_path_factory.mktemp("second") / "project")
    project.do("snakemake --touch all --config scale=rehearsal")
    raw = project.root / "data/raw/snei"
    lines = (raw / "scenarios.jsonl").read_text().splitlines()
    scene = json.loads(lines[-1]) | {"id": "new", "image": "images/new.png"}
    picture = next(json.loads(line)["image"] for line in lines)
    shutil.copy(raw / picture, raw / "images/new.png")
    with (raw / "images/new.png").open("ab") as stream:
        stream.write(b"another picture, if only by its bytes")
    (raw / "scenarios.jsonl").write_text("\n".join([*lines, json.dumps(scene)]) + "\n")
    project.edit("workflow/scales/rehearsal.yaml", expect(test_scenes=5))
    jobs, output = project.repro()
    project.do("dvc add --quiet data/raw/snei")
    project.commit("Add a test scene")
    project.do("git tag second")
    return Stage(project, jobs, output)


@pytest.fixture
def project(first, tmp_path) -> Versioned:
    """The finished project, for one test alone."""
    return first.copied(tmp_path / "project")


@pytest.fixture(scope="module")
def started(experiment, tmp_path_factory) -> Versioned:
    root = copy_project(tmp_path_factory.mktemp("project")).root
    for name in ("dvc.yaml", ".dvcignore", ".gitignore"):
        shutil.copy2(ROOT / name, root / name)
    shutil.copytree(ROOT / "local", root / "local")
    project = Versioned(root)
    project.edit("config.yaml", shrink_experiment)
    project.edit("workflow/scales/miniature.yaml", shrink_models)
    project.edit("workflow/scales/rehearsal.yaml", expect(test_scenes=4))
    stages = root / "dvc.yaml"
    stages.write_text(stages.read_text().replace("- scale: paper ", "- scale: rehearsal "))
    for dataset in RUNS:
        draw_raw(data_spec(experiment, dataset), {"train": 12, "test": 4}, 3, root / "data/raw" / dataset)
        shutil.rmtree(root / f"data/raw/{dataset}-source")
    project.do("git init --quiet && dvc init --quiet && dvc config core.autostage true")
    project.do(f"dvc add --quiet data/raw/snei data/raw/muson && dvc remote add --default store {root}-store")
    project.commit("Add the data")
    return project


def test_from_scratch_everything_runs_once(first):
    runs = sum(RUNS.values())
    asked = runs + len(RUNS) * BASES
    assert first.jobs == {
        "train": runs, "generate": asked, "score": asked, "generate_exchanged": 3, "score_exchanged": 3,
        "table": 6, "encoders": 1, "figure": 6, "gallery": 1, "costs": 1, "report_page": 1, "paragraph": 1,
        "all": 1,
    }  # fmt: skip
    tracked = first.project.do("git ls-files").splitlines()
    assert "results/rehearsal/tables/headline.md" in tracked
    assert sum(name.startswith("results/rehearsal/metrics/") for name in tracked) == asked + 3, (
        "3 with exchanged pictures"
    )
    assert not any("/checkpoints/" in name or "/predictions/" in name or "/images/" in name for name in tracked)
    table = first.project.root / "results/rehearsal/tables/headline.md"
    assert "Rehearsal: real data and tiny models" in table.read_text()


def test_nothing_changed_or_all_touched_runs_nothing(project):
    assert "Data and pipelines are up to date." in project.repro()[1]
    for path in [*project.root.glob("data/**/*"), *project.root.glob("results/**/*")]:
        path.touch()
    jobs, output = project.repro()
    assert not jobs and "Data and pipelines are up to date." in output


def test_a_new_test_scene_costs_evaluations_and_no_training(second):
    jobs = second.jobs
    assert jobs["train"] == 0
    assert jobs["generate"] == jobs["score"] == RUNS["snei"] + BASES
    assert (jobs["table"], jobs["encoders"]) == (5, 1), "all but MUSON's"
    assert "Running stage 'manifest@muson'" in second.output, "its bytes came out the same, so nothing followed"


def test_going_back_to_the_first_data_retrains_nothing(second, tmp_path):
    project = second.copied(tmp_path / "project")
    project.do("git checkout --quiet first && dvc checkout")
    jobs, output = project.repro()
    assert not jobs and "Data and pipelines are up to date." in output
    project.do("snakemake --touch all --config scale=rehearsal")
    assert "Nothing to be done" in project.do("snakemake --dry-run all --config scale=rehearsal")


def test_a_fresh_clone_with_pulled_results_has_nothing_to_do(project, tmp_path):
    project.do(f"git clone --quiet --branch first . {tmp_path}/clone")
    clone = Versioned(tmp_path / "clone")
    clone.do("dvc pull && snakemake --touch all --config scale=rehearsal")
    assert "Nothing to be done" in clone.do("snakemake --dry-run all --config scale=rehearsal")
    jobs, output = clone.repro()
    assert not jobs and "Data and pipelines are up to date." in output


def test_editing_raw_data_without_dvc_stops_snakemake_with_the_command_to_type(project):
    project.correct("muson", "00003", "perception", "A corrected answer.")
    output = project.do("snakemake all --config scale=rehearsal", check=False)
    assert re.search(r"^gcl: error: data/manifests/muson/train.tsv does not match data/raw/muson", output, re.M)
    assert "dvc repro manifest@muson" in output and "'00003': text_sha256" in output
    assert "Traceback" not in output and not finished(output)


def test_a_corrected_training_label_that_fails_half_way_runs_only_what_is_missing(project):
    """Also: meanwhile a second `dvc repro` is told who is at work."""
    project.correct("muson", "00003", "perception", "A corrected answer.")
    weights = project.root / "base_models/qwen3-vl-4b/model.safetensors"
    whole = weights.read_bytes()
    weights.write_bytes(whole[:1000])
    # Which two of the three trainings start first is Snakemake's choice.
    project.edit("local/profile.yaml", lambda profile: profile.update({"keep-going": True}))
    said = project.root / "first.log"
    with said.open("w") as log:
        command = ["dvc", "repro", "paper"]
        first = subprocess.Popen(command, cwd=project.root, env=project.environment, stdout=log, stderr=log)
        while "Running stage 'paper'" not in said.read_text():
            assert first.poll() is None, said.read_text()
            time.sleep(0.1)
        second = project.do("dvc repro paper", check=False)
        assert BUSY in second and "dvc repro paper" in second and "Traceback" not in second
        assert first.wait(600) != 0
    output = said.read_text()
    assert "failed to reproduce 'paper'" in output
    assert [finished(output)[rule] for rule in ("train", "generate", "score")] == [1, 1, 1 + BASES], (
        "the baseline of the other model, and scores of base models, which name the training data"
    )
    weights.write_bytes(whole)
    jobs, _ = project.repro()
    assert [jobs[rule] for rule in ("train", "generate", "score")] == [RUNS["muson"] - 1] * 3
    assert jobs["table"] == 3, "Table 2, Table 3, and models before and after SFT"


def test_dvc_shows_and_compares_results(second, tmp_path):
    project = second.copied(tmp_path / "project")
    shown = project.do("dvc metrics show --md")
    assert "| Path" in shown and "learner.action_f1" in shown and "muson/gcl/qwen2.5-vl-3b+qwen3-vl-4b/full" in shown
    changed = json.loads(project.do("dvc metrics diff first second --json"))
    assert changed and all("/snei/" in path for path in changed), "the second has another test scene of SNEI"
    project.edit("config.yaml", lambda config: config["objective"]["drl_weight"].update(value=0.3))
    difference = project.do("dvc params diff")
    assert "objective.drl_weight.value" in difference and "0.3" in difference
    # DVC shows no PDFs, and says so after the page's place.
    shown = project.do("dvc plots show").splitlines()
    page = Path(next(line for line in shown if line.startswith("file://")).removeprefix("file://"))
    assert "components_png" in page.read_text()


def test_a_cache_of_symbolic_links_is_refused(project):
    project.do("dvc config --local cache.type symlink,copy")
    output = project.do("snakemake --dry-run all --config scale=rehearsal", check=False)
    assert "gcl: error: DVC's cache.type has symlink" in output and "dvc checkout --relink" in output


def test_retaining_nothing_removes_checkpoints_once_they_are_scored(project):
    project.edit("config.yaml", lambda config: config["execution"]["retain"].update(value="none"))
    run = "snei/gcl/qwen2.5-vl-3b+qwen3-vl-4b/full-ratio3/seed0"
    target = f"results/rehearsal/metrics/{run}.json"
    jobs = finished(project.do(f"snakemake {target} --config scale=rehearsal"))
    assert jobs == {"train": 1, "generate": 1, "score": 1}
    assert (project.root / target).exists()
    assert not (project.root / f"results/rehearsal/checkpoints/{run}").exists()
    assert "Nothing to be done" in project.do(f"snakemake {target} --config scale=rehearsal")
    assert "retain: none): about 0 GB will stay" in project.do("gcl plan --disk --scale rehearsal")


def test_the_drawn_data_has_a_stage_of_its_own(project):
    project.edit("workflow/scales/miniature.yaml", expect(test_scenes=4))
    assert finished(project.do("dvc repro draw")) == {"draw": 4, "import_data": 4, "manifest": 4}
    assert "Data and pipelines are up to date." in project.do("dvc repro draw")
    planned = project.jobs("headline", "--config", "scale=miniature")
    assert planned["train"] and not {"draw", "import_data", "manifest"} & set(planned)
