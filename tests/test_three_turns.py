"""A data set with three turns of other names, by YAML alone: from a download to answers, scores, a table and the gallery."""

import json
import shutil
from pathlib import Path

import pytest
import yaml
from conftest import ROOT
from PIL import Image

from gcl.cli.main import main
from gcl.deployment.loaded_member import load_member
from gcl.experiment.execution import execution_spec
from gcl.experiment.load import load_experiment
from gcl.experiment.places import places, results_at
from gcl.files import read_json, read_jsonl
from gcl.operations.gpu_hours import _samples
from gcl.reporting.build import build
from gcl.reporting.figures.gallery import gallery
from gcl.tasks import jobs
from gcl.tasks.instructions.unseen import write_unseen
from gcl.tasks.instructions.write import InstructionDrawing
from gcl.workflow.plan import Plan
from gcl.workflow.targets import TARGETS

TURNS = {
    "scene": {"question": "What is there?", "metrics": ["cos"]},
    "next_move": {"question": "Where to?", "metrics": ["f1", "accuracy"]},
    "because": {"question": "Why?", "metrics": []},
}
COUNTS = {"train": 8, "test": 4}
PAIR = {"learner": "qwen2.5-vl-3b", "guide": "qwen3-vl-4b"}
SCORES = ["next_move_f1", "scene_cos", "next_move_accuracy"]


def write_project(root: Path) -> None:
    """The project's configuration with three turns, few runs, and no drawn data."""
    config = yaml.safe_load((ROOT / "config.yaml").read_text())
    test = {"assumed": "test"}
    config["datasets"]["snei"] |= {
        "turns": {"value": TURNS, **test},
        "actions": {"value": ["Go On", "Stop"], **test},
    }
    config["datasets"]["muson"] |= {"turns": {"value": TURNS, **test}}
    config["components"]["rows"] = {"value": ["full"], **test}
    (root / "config.yaml").write_text(yaml.safe_dump(config, sort_keys=False))
    shutil.copytree(ROOT / "workflow/scales", root / "workflow/scales")
    scale = yaml.safe_load((root / "workflow/scales/miniature.yaml").read_text())
    scale["data"]["value"] = "data"
    scale["seeds"]["value"] = [0]
    for model in PAIR.values():  # small ones of the fixture
        del scale["models"][model]["backbone"]["value"]["sha256"]
    scale["drawing"]["datasets"]["value"] = False
    scale["datasets"]["snei"]["scenarios"]["value"] = COUNTS
    scale["training"] |= {"epochs": {"value": 1, **test}}
    scale["evaluation"] |= {"max_new_tokens": {"value": 4, **test}}
    (root / "workflow/scales/miniature.yaml").write_text(yaml.safe_dump(scale, sort_keys=False))


def write_download(folder: Path) -> None:
    """Dialogues of three rounds, a file for each split."""
    (folder / "images").mkdir(parents=True)
    number = 0
    for split, count in COUNTS.items():
        records = []
        for _ in range(count):
            picture = Image.effect_noise((60, 60), 80).convert("RGB")
            picture.paste((number * 20, 90, 200 - number * 15), (number * 4, 5, number * 4 + 12, 40))
            picture.save(folder / f"images/{number}.png")
            answers = (
                f"Someone walks at place {number}.",
                ("Go On", "Stop")[number % 2],
                f"It is right, says {number}.",
            )
            said = zip((turn["question"] for turn in TURNS.values()), answers, strict=True)
            messages = [
                {"from": who, "value": text} for pair in said for who, text in zip(("human", "gpt"), pair, strict=True)
            ]
            records.append({"id": f"s{number:02d}", "image": f"images/{number}.png", "conversations": messages})
            number += 1
        (folder / f"{split}.json").write_text(json.dumps(records))


@pytest.fixture(scope="module")
def project(tmp_path_factory, backbones):
    root = tmp_path_factory.mktemp("three")
    write_project(root)
    write_download(root / "download")
    write_unseen(
        root / "data/miniature/unseen",
        6,
        InstructionDrawing(
            scenes=20, states={"frozenlake": 20}, words=20, held_out=0.2, seed=3,
            levels={"frozenlake": [3]}, excluded=(), pixels_of_cell=32,
        ),
    )  # fmt: skip
    for model, family in ((PAIR["learner"], "qwen2_5_vl"), (PAIR["guide"], "qwen3_vl")):
        shutil.copytree(backbones[family], root / "base_models" / model)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(root)
        yield root


def run_all(root: Path) -> None:
    """Train, answer and score all that the headline asks for, as the rules do."""
    experiment = load_experiment()
    here, headline = places(experiment), TARGETS["headline"]
    exchanged = {run.id for run in headline.exchanged(experiment)}
    for run in headline.runs(experiment):
        if run.feed is not None:  # a base model is asked as it is
            jobs.train(experiment, run, execution_spec(experiment.execution), here.checkpoints(run.id))
        for pictures in ("own", "exchanged")[: 1 + (run.id in exchanged)]:
            name = run.evaluation(pictures)
            jobs.generate(experiment, run, here.predictions(name), pictures)
            jobs.score(experiment, run, here.metrics(name), here.summary(name), pictures)


def test_three_turns_work_as_five_do(project, capsys):
    assert main(["data", "inspect", "download", "--for", "snei", "--to", "mapping.yaml"]) == 0
    mapping = yaml.safe_load(Path("mapping.yaml").read_text())
    assert (mapping["format"], mapping["turns"]) == ("conversations", "by order")
    assert main(["data", "import", "snei", "download", "--mapping", "mapping.yaml", "--to", "data/raw/snei"]) == 0
    assert main(["data", "validate", "snei", "--html", "report.html"]) == 0
    assert all(turn in Path("report.html").read_text() for turn in TURNS)
    assert main(["data", "manifest", "snei"]) == 0
    lines = read_jsonl("data/raw/snei/scenarios.jsonl")
    assert all(list(line["turns"]) == list(TURNS) for line in lines)

    run_all(project)
    experiment = load_experiment()
    sft, gcl = Plan(experiment).gallery_runs("snei")
    assert _samples(sft, COUNTS["train"]) == COUNTS["train"] * len(TURNS)
    answers = read_jsonl(results_at(gcl.scale, "results").predictions(gcl.id))
    assert [sum("held_out" in one and one["role"] == role for one in answers) for role in ("learner", "guide")] == [
        6,
        6,
    ]
    assert [record["turn"] for record in answers[:12]] == [turn for turn in TURNS for _ in range(COUNTS["test"])]
    assert {record["turn"] for record in answers if "label" in record} == {"next_move"}
    member = read_json(results_at("miniature", "results").metrics(gcl.id))["members"][0]
    assert list(member["summary"]) == list(member["items"][0])[1:] == SCORES
    assert list(member["empty"]) == list(TURNS) and member["confusion"]["rows"] == ["Go On", "Stop"]

    build(experiment, "headline", Path("results"), Path("headline"))
    table = Path("headline.md").read_text()
    assert "| Next move-F1 | Scene-cos | Next move accuracy | Held-out accuracy | Held-out cross-entropy |" in table
    assert len(member["held_out"]["items"]) == 6
    assert "The most frequent next_move" in table and "has Next move-F1" in table
    (shown, *_) = gallery(experiment, "snei", Path("results"))
    assert shown.score == "Next move-F1" and [turn for turn, *_ in shown.turns] == list(TURNS)
    assert set(shown.actions) == {"ground truth", "SFT", "GCL"} and shown.correct is not None

    member = load_member(f"results/miniature/checkpoints/{sft.id}/solo")
    said = member.ask_all("download/images/0.png", max_new_tokens=4)
    assert list(said.answers) == list(TURNS) and said.action is not None
    assert f"[{said.action}]" in next(line for line in str(said).splitlines() if line.strip().startswith("next_move"))
