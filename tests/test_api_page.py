"""docs/api.md: every example runs as it stands there, on small models."""

import re
import shutil

import torch
from conftest import ROOT
from group_case import make_run, train_scenes
from transformers import AutoModelForImageTextToText

import gcl
from gcl.experiment.execution import ExecutionSpec
from gcl.reporting.tables.frame import COLUMNS
from gcl.training.member_file import Questions

PAGE = (ROOT / "docs/api.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```python\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
WORDS = ("competitive_head(", "group_loss(", "PairTrainer(", "load_member(", "read_frame(")


def run(word: str, **given: object) -> dict:
    """Run the one example that calls a name, with what the page leaves to the reader; returns its variables."""
    torch.manual_seed(0)
    (block,) = (block for block in BLOCKS if word in block)
    exec(compile(block, f"docs/api.md, {word})", "exec"), variables := {"__name__": "example", **given})
    return variables


def test_every_example_is_run_here():
    assert len(BLOCKS) == len(WORDS) and all(sum(word in block for block in BLOCKS) == 1 for word in WORDS)
    assert all(len(block.splitlines()) <= 25 for block in BLOCKS)
    assert all(f"gcl.{name}`" in PAGE for name in gcl.__all__)


def test_a_loop_of_torch():
    found = run("competitive_head(")
    assert {*found["parts"]} == {"sft_0", "sft_1", "drl"} and 0 < found["parts"]["sft_0"] < 0.3, "it learns to count"


def test_the_whole_objective():
    found = run("group_loss(")
    parts = found["parts"]
    total = parts["sft_0"] + parts["sft_1"] + 0.4 * parts["drl"] + 0.5 * parts["gsl"]
    torch.testing.assert_close(found["loss"].detach(), total)
    assert found["head"].grad is not None and found["states"].grad is not None


def test_a_pair_in_trainer(backbones, scenarios, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    photo = str(scenarios[0].pictures[0].path)
    found = run("PairTrainer(", MODEL=str(backbones["qwen3_vl"]), GUIDE=str(backbones["qwen3_vl"]), PHOTO=photo)
    assert found["trainer"].state.global_step == 4
    for folder in ("trained/learner", "trained/guide", "trained/checkpoint-4/learner"):
        AutoModelForImageTextToText.from_pretrained(folder)


def test_a_trained_member(backbones, scenarios, tmp_path, capsys):
    spec, questions = make_run(backbones, members=1), {name: turn.question for name, turn in scenarios[0].turns.items()}
    asked = Questions(about="scenes", questions=questions, batch_size=1, max_new_tokens=4)
    output = tmp_path / "out"
    train_scenes(spec, scenarios[:1], "data", ExecutionSpec(), output, tmp_path / "scratch", {"learner": asked})
    found = run("load_member(", MEMBER=output, PHOTO=scenarios[0].pictures[0].path)
    assert list(found["scene"].answers) == list(questions)
    assert capsys.readouterr().out.startswith(f"{list(questions)}\n")


def test_tables_as_frames(tmp_path):
    shutil.copytree(ROOT / "results/reference/miniature", tmp_path / "miniature/tables")
    found = run("read_frame(", RESULTS=tmp_path)
    assert {"SFT", "GCL: DRL", "base model"} <= {*found["scores"].method} and found["scores"].method.is_unique
    assert found["wide"].loc[("SFT", "learner"), "action_f1"] == found["scores"].set_index("method")["mean"]["SFT"]
    assert all(f"`{name}`" in PAGE for name in COLUMNS)
