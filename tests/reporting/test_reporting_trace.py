"""A number leads to every file behind it. Everything changed or lost on the way is named."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from fake_metrics import exchanged, experiment_with, fake_file, fake_metrics, fake_planning, write_metrics
from raw_case import raw_record

from gcl.cli.main import main
from gcl.data.manifest import write_manifests
from gcl.data.raw import read_raw
from gcl.errors import ConfigError, DataError
from gcl.experiment.closure import evaluation_code, run_code
from gcl.experiment.data_spec import data_spec
from gcl.experiment.methods.registry import find_run
from gcl.experiment.places import places
from gcl.experiment.provenance import starts, weights_sha256
from gcl.experiment.runs import RunSpec
from gcl.files import read_json, sha256_file, write_json, write_jsonl, write_text
from gcl.reporting.build import build, table_of
from gcl.reporting.metrics_file import MetricsFile
from gcl.reporting.tables.result_table import read_table
from gcl.reporting.trace.links import run_links
from gcl.reporting.trace.trace import Trace, rows, show_rows, trace
from gcl.tasks.instructions.read import instructions_sha256
from gcl.workflow.targets import TABLES, TARGETS

EXPERIMENT = experiment_with()
RESULTS = Path("results")
CELL = "headline:learner/full:action_f1"
FULL = "snei/gcl/qwen2.5-vl-3b+qwen3-vl-4b/full/seed0"
MADE = RESULTS / "miniature"
UNSEEN = places(EXPERIMENT).unseen
LAST = "AGO,qwen2.5-vl-3b,learner"
ATTEMPT = {
    "started": 0.0, "seconds": 58.3, "node": "n1", "job": None, "gpus": 0, "command": ["gcl", "train", "a/run"],
    "git": {"commit": "c" * 40, "dirty": True},
    "hardware": {"system": "Linux", "cpu": "A CPU", "cores": 2, "memory_mib": 4096, "gpus": []},
}  # fmt: skip


@pytest.fixture
def project(tmp_path, monkeypatch, scenarios) -> Path:
    """A project in which the headline's runs have left every file, with invented scores and weights."""
    monkeypatch.chdir(tmp_path)
    data, manifests = data_spec(EXPERIMENT, "snei"), places(EXPERIMENT).manifests("snei")
    root = Path(data.root)
    (root / "images").mkdir(parents=True)
    for scenario in scenarios[:4]:
        shutil.copy(scenario.pictures[0].path, root / "images" / f"{scenario.id}.png")
    lines = [raw_record(scenario, "train" if k < 2 else "test") for k, scenario in enumerate(scenarios[:4])]
    write_jsonl(root / "scenarios.jsonl", lines)
    write_text(root / "import.yaml", "sources: {annotations.json: abcdefabcdefabcdef}\n")
    write_manifests(read_raw(root, data), root, manifests)
    for model in EXPERIMENT.models:
        write_text(Path(f"base_models/{model}/model.safetensors"), f"start of {model}")
    write_text(UNSEEN / "test.jsonl", "{}\n")
    runs = TARGETS["headline"].runs(EXPERIMENT)
    own = {run.id: left_by(run, manifests) for run in runs}
    others = exchanged(own, EXPERIMENT, loss=0.2)
    for name, content in others.items():
        predictions = MADE / f"predictions/{name}.jsonl"
        write_jsonl(predictions, [{"answers of": name}])
        content["provenance"] |= {
            "training": name.removesuffix("/exchanged"),
            "predictions_sha256": sha256_file(predictions),
        }
    write_metrics(RESULTS, own | others)
    build(EXPERIMENT, "headline", RESULTS, MADE / "tables/headline")
    return tmp_path


def left_by(run: RunSpec, manifests: Path) -> dict:
    """Write what a run leaves besides its metrics file; return that file's content."""
    checkpoints, predictions = MADE / "checkpoints" / run.id, MADE / f"predictions/{run.id}.jsonl"
    for member in run.members:
        write_text(checkpoints / member.role / "model.safetensors", f"{member.role} of {run.id}")
    write_jsonl(predictions, [{"answers of": run.id}])
    content = fake_file(run, EXPERIMENT)
    made = content["provenance"]
    made |= {
        "spec": run.model_dump(),
        "code_sha256": {"training": run_code("training", run), "evaluation": evaluation_code(run)},
        "manifests": {split: sha256_file(manifests / f"{split}.tsv") for split in ("train", "test")}
        | {"held_out": instructions_sha256(UNSEEN)},
        "predictions_sha256": sha256_file(predictions),
        "checkpoints": {member.role: weights_sha256(checkpoints / member.role) for member in run.members},
        "start": starts(run),
    }
    record = {
        "run": run.id,
        "spec": run.model_dump(),
        "data": made["manifests"]["train"],
        "execution": {"retain": "final"},
        "weights": made["checkpoints"],
        "code_sha256": made["code_sha256"]["training"],
        "costs": {"seconds": 58.3, "attempts": [ATTEMPT]},
    }
    write_json(MADE / f"records/{run.id}.json", record)
    return content


def followed(cell: str = CELL) -> Trace:
    return trace(EXPERIMENT, cell, RESULTS)


def edited(name: str, change: Callable[[dict], None]) -> None:
    content = read_json(MADE / name)
    change(content)
    write_json(MADE / name, content)


def replaced(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


def test_a_number_leads_to_every_file_behind_it(project):
    found = followed()
    assert not found.broken
    assert (found.cell, found.value) == ("headline:11:action_f1", "0.8")
    assert set(found.links) == {
        "the table", FULL, "snei/sft/qwen2.5-vl-3b/default/seed0", "behind all of them",
    }  # fmt: skip
    named = {link.name for links in found.links.values() for link in links}
    files = {
        f"results/miniature/metrics/{FULL}.json", f"results/miniature/predictions/{FULL}.jsonl",
        f"results/miniature/records/{FULL}.json", f"results/miniature/checkpoints/{FULL}/learner",
        "base_models/qwen3-vl-4b", "data/miniature/manifests/snei/train.tsv",
        "data/miniature/manifests/snei/test.tsv", "data/miniature/raw/snei", "data/miniature/raw/snei/import.yaml",
        "data/miniature/unseen",
    }  # fmt: skip
    assert files <= named and all(Path(file).exists() for file in files)
    text = str(found)
    assert "58.3 s in 1 attempt on n1; A CPU, 2 cores, 4 GiB, no GPU; commit cccccccccccc, changed; gcl train" in text
    assert "seed 0; learner qwen2.5-vl-3b lr" in text and "annotations.json abcdefabcdef" in text
    assert f"snakemake --cores 2 results/miniature/metrics/{FULL}.json " in text
    assert text.endswith("results/miniature/tables/headline.csv --config scale=miniature")
    assert json.loads(json.dumps(found.to_dict()))["ok"] is True


# Table encoders rests on answers, too, which these runs do not have.
@pytest.mark.parametrize("table", [name for name in TABLES if name != "encoders"])
def test_numbers_of_every_table_are_computed_again(tmp_path, monkeypatch, table):
    monkeypatch.chdir(tmp_path)
    write_metrics(RESULTS, fake_metrics(EXPERIMENT) | fake_planning(EXPERIMENT))
    build(EXPERIMENT, table, RESULTS, MADE / "tables" / table)
    assert read_table(RESULTS, "miniature", table) == table_of(EXPERIMENT, table, RESULTS)
    found = rows(EXPERIMENT, table, RESULTS)
    for column in found["columns"][:2]:
        cell = followed(f"{table}:{len(found['rows'])}:{column}")
        assert cell.links["the table"][0].state == "ok" and cell.value
        assert len(cell.links) > (2 if table.endswith("rates") else 3), "the table, its runs, and what they share"


def changed_score(content: dict) -> None:
    content["members"][0]["summary"]["action_f1"]["mean"] = 0.9


@pytest.mark.parametrize(
    ("breaking", "what", "state"),
    [
        (lambda: edited(f"metrics/{FULL}.json", changed_score), {"value", "metrics"}, "CHANGED"),
        (lambda: edited(f"metrics/{FULL}.json", lambda c: c.update(note="")), {"metrics"}, "CHANGED"),
        (lambda: Path(MADE / f"metrics/{FULL}.json").unlink(), {"value", "metrics"}, "MISSING"),
        (lambda: replaced(MADE / "tables/headline.csv", f"{LAST},0.8,", f"{LAST},0.9,"), {"value"}, "CHANGED"),
        (lambda: replaced(MADE / "tables/headline.csv", f",{FULL} ", ",other "), {"value"}, "CHANGED"),
        (lambda: replaced(MADE / f"predictions/{FULL}.jsonl", "gcl", "sft"), {"predictions"}, "CHANGED"),
        (lambda: Path(MADE / f"predictions/{FULL}.jsonl").unlink(), {"predictions"}, "MISSING"),
        (lambda: write_text(MADE / f"checkpoints/{FULL}/guide/model.safetensors", "x"), {"checkpoint"}, "CHANGED"),
        (lambda: shutil.rmtree(MADE / f"checkpoints/{FULL}/guide"), {"checkpoint"}, "MISSING"),
        (lambda: edited(f"records/{FULL}.json", lambda c: c.update(data="x")), {"record"}, "CHANGED"),
        (lambda: write_text(MADE / f"records/{FULL}.json", "{"), {"record"}, "CHANGED"),
        (lambda: Path(MADE / f"records/{FULL}.json").unlink(), {"record"}, "MISSING"),
        (lambda: write_text(Path("base_models/qwen3-vl-4b/model.safetensors"), "x"), {"start"}, "CHANGED"),
        (lambda: shutil.rmtree("base_models/qwen3-vl-4b"), {"start"}, "MISSING"),
        (lambda: Path("data/miniature/manifests/snei/test.tsv").unlink(), {"manifest", "raw data"}, "MISSING"),
        (lambda: replaced(Path("data/miniature/raw/snei/scenarios.jsonl"), "Why", "How"), {"raw data"}, "CHANGED"),
        (lambda: shutil.rmtree("data/miniature/raw"), {"raw data"}, "MISSING"),
        (lambda: write_text("data/miniature/raw/snei/import.yaml", "{"), {"imported from"}, "CHANGED"),
        (lambda: write_text(UNSEEN / "test.jsonl", ""), {"held-out"}, "CHANGED"),
        (lambda: shutil.rmtree(UNSEEN), {"held-out"}, "MISSING"),
    ],
)  # fmt: skip
def test_every_broken_link_is_named(project, breaking, what, state):
    breaking()
    broken = followed().broken
    assert {link.what for link in broken} == what
    assert state in {link.state for link in broken}


def test_a_changed_manifest_is_named(project):
    path = Path("data/miniature/manifests/snei/train.tsv")
    write_text(path, "".join(path.read_text().splitlines(keepends=True)[:-1]))
    assert {link.what for link in followed().broken} == {"manifest", "raw data"}


def test_other_code_than_made_the_numbers_is_named(project, monkeypatch):
    for name in ("run_code", "evaluation_code"):
        monkeypatch.setattr(f"gcl.reporting.trace.links.{name}", lambda *parts: f"new {parts}")
    assert {(link.what, link.name) for link in followed().broken} == {("code", "training"), ("code", "evaluation")}


def test_settings_that_changed_since_are_named(project):
    pair = {"learner": "qwen2.5-vl-3b", "guide": "qwen3-vl-4b"}
    others = [g.model_copy(update={"tau": [9.0, 2.0]}) for g in EXPERIMENT.groups["snei"].value]
    assert any(group.model_dump() | pair == group.model_dump() for group in others)
    groups = EXPERIMENT.groups | {"snei": EXPERIMENT.groups["snei"].model_copy(update={"value": others})}
    broken = trace(EXPERIMENT.model_copy(update={"groups": groups}), CELL, RESULTS).broken
    assert {link.what for link in broken} == {"value", "settings"}
    assert "tau 3" in next(link.detail for link in broken if link.what == "settings")


def test_checkpoints_that_are_not_to_stay_break_nothing(project):
    edited(f"records/{FULL}.json", lambda record: record["execution"].update(retain="none"))
    shutil.rmtree(MADE / f"checkpoints/{FULL}")
    found = followed()
    assert not found.broken
    assert [link.state for link in found.links[FULL] if link.what == "checkpoint"] == ["removed", "removed"]


def test_records_of_older_versions_are_read(project):
    def older(record: dict) -> None:
        for name in ("command", "git", "hardware"):
            del record["costs"]["attempts"][0][name]

    edited(f"records/{FULL}.json", older)
    assert not followed().broken


def test_the_command_fails_and_lists_what_is_broken(project, monkeypatch, capsys):
    monkeypatch.setattr("gcl.experiment.load.experiment_here", lambda scale: EXPERIMENT)
    assert main(["trace", CELL]) == 0
    assert "CHANGED" not in capsys.readouterr().out
    edited(f"metrics/{FULL}.json", changed_score)
    assert main(["trace", CELL, "--json"]) == 2
    out, err = capsys.readouterr()
    assert json.loads(out)["ok"] is False
    assert err.startswith("gcl: error: headline:11:action_f1 cannot be relied on: 2 problems\n  CHANGED  value")
    assert "0.8 there, 0.9 computed from the metrics files" in err
    assert main(["trace", "headline"]) == 0
    assert "columns:" in capsys.readouterr().out


def test_rows_are_listed_with_the_columns_to_ask_for(project):
    found = rows(EXPERIMENT, "headline", RESULTS)
    assert len(found["rows"]) == 16 and found["rows"][1]["role"] == "learner"
    assert "action_f1_gain" in found["columns"] and "runs" not in found["columns"]
    assert " 11  snei, GCL: GSL + DRL + AGO, qwen2.5-vl-3b, learner" in show_rows(found)


@pytest.mark.parametrize("row", ["11", "full/learner", "GCL: GSL + DRL + AGO/qwen2.5-vl-3b", "snei/FULL/Learner"])
def test_a_row_goes_by_number_or_by_words(project, row):
    assert followed(f"headline:{row}:action_f1").cell == "headline:11:action_f1"


@pytest.mark.parametrize(
    ("cell", "message"),
    [
        ("headline:full:action_f1", "2 rows of headline are 'full'; .*\n *11  snei, .*learner\n *12 .*guide$"),
        ("headline:ful:action_f1", "no row of headline is 'ful'; (.*\n){16}.*guide$"),
        ("headline:17:action_f1", "has rows 1 to 16, not 17"),
        ("headline:1:action", "no column 'action'; it has scale, .*action_f1"),
        ("headline:1", "names no number; write TABLE, or TABLE:ROW:COLUMN"),
        ("table9:1:action_f1", "no table 'table9'; use one of headline"),
    ],
)
def test_what_cannot_be_asked_is_explained(project, cell, message):
    with pytest.raises(ConfigError, match=message):
        followed(cell)


def test_a_table_that_is_not_there_says_how_to_make_it(project):
    with pytest.raises(DataError, match=r"table1.csv: no such file; make it with: snakemake --cores 2 results/"):
        followed("table1:1:gcl_learner")
    (MADE / "tables/headline.csv").write_text("scale\n")
    with pytest.raises(DataError, match=r"headline.csv has 0 rows, headline.provenance.json 16; make both again"):
        followed()


def test_a_teacher_leads_to_its_own_training(project):
    manifests = places(EXPERIMENT).manifests("snei")
    run = find_run(EXPERIMENT, FULL.replace("full", "teacher_forward"))
    [before] = run.trained_before

    def teacher() -> dict[str, str]:
        content = left_by(run, manifests)
        return {
            link.state: link.name
            for link in run_links(EXPERIMENT, RESULTS, MetricsFile.model_validate(content))
            if link.what == "teacher"
        }

    assert teacher() == {"ok": f"results/miniature/records/{before}.json"}
    edited(f"records/{before}.json", lambda record: record["weights"].update(solo="other ones"))
    assert list(teacher()) == ["CHANGED"]
    (MADE / f"records/{before}.json").unlink()
    assert list(teacher()) == ["MISSING"]


def test_a_score_with_exchanged_pictures_leads_to_its_own_answers_and_the_same_training(project):
    found = followed("headline:learner/full-exchanged:action_f1")
    assert not found.broken
    names = {link.name for link in found.links[f"{FULL}/exchanged"]}
    assert f"results/miniature/predictions/{FULL}/exchanged.jsonl" in names
    assert f"results/miniature/checkpoints/{FULL}/learner" in names
