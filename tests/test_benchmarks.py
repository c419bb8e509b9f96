"""The benchmarks run at tiny sizes: their arguments, their JSON, and code that otherwise only a GPU runs."""

import argparse
import json
import subprocess
import sys

import pytest
import torch
from conftest import ROOT

# Parameters of the published checkpoints.
PUBLISHED = {"qwen3-vl-2b": 2_127_532_032, "qwen2.5-vl-3b": 3_754_622_976, "qwen3-vl-4b": 4_437_815_808}


@pytest.fixture
def step(monkeypatch):
    """benchmarks/step.py as a module."""
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    import step

    return step


def _run(name: str, *arguments: str) -> str:
    command = [sys.executable, str(ROOT / "benchmarks" / name), *arguments]
    process = subprocess.run(command, capture_output=True, text=True, check=False)
    assert process.returncode == 0, process.stderr
    return process.stdout


def _options(**changes) -> argparse.Namespace:
    """As the parser gives them for tiny models of paper scale, on a CPU."""
    values = {
        "device": "cpu", "scale": "paper", "pair": "qwen2.5-vl-3b+qwen3-vl-4b", "variant": "full", "engine": "plain",
        "global_batch": 2, "micro_batch": 1, "precision": "float32", "lora": None, "set": ["head_chunk=64"],
        "quantization": None, "optimizer": None, "layers": None, "warmup": 0, "tiny": True,
    }  # fmt: skip
    return argparse.Namespace(**{**values, **changes})


@pytest.mark.parametrize("name", ["head.py", "head_events.py", "step.py"])
def test_help_shows_how_to_call(name):
    text = _run(name, "--help")
    assert f"python benchmarks/{name} --device cuda" in text and "--repeats" in text


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="warm jobs are for Linux")
def test_starts_are_measured(tmp_path):
    _run("start.py", "--rounds", "2", "--to", str(tmp_path / "start.json"))
    found = json.loads((tmp_path / "start.json").read_text())
    assert found["cold_seconds"] > 0 and found["warm_seconds"] > 0 and found["rounds"] == 2


@pytest.mark.slow
def test_the_head_is_measured(tmp_path):
    arguments = "--rows 64 --vocabulary 512 --hidden 16 24 --repeats 1 --accuracy-rows 8 --to"
    _run("head.py", *arguments.split(), str(tmp_path / "head.json"))
    found = json.loads((tmp_path / "head.json").read_text())
    assert {"cpu", "gpu", "threads", "torch"} <= set(found["hardware"]) and found["settings"]["rows"] == 64
    measured = {result["candidate"]: result for result in found["results"] if "skipped" not in result}
    assert {"head, bf16", "head, fp32", "torch, fp32 logits"} <= set(measured)
    for result in measured.values():
        assert result["seconds"] > 0 and result["peak_bytes"] >= 0 and 0 <= result["gradient_error"] < 1
    beside = {ratio["candidate"]: ratio for ratio in found["ratios"]}
    assert beside.keys() >= {"torch, bf16 logits", "torch, fp32 logits"} and beside.keys() <= measured.keys()
    for ratio in beside.values():
        assert 0 < ratio["least"] <= ratio["ratio"] <= ratio["most"] and ratio["beside"] in measured


@pytest.mark.slow
def test_an_index_is_measured_beside_a_slice(tmp_path):
    arguments = "--rows 32 --vocabulary 512 --hidden 16 24 --repeats 2 --to"
    _run("head_events.py", *arguments.split(), str(tmp_path / "events.json"))
    found = json.loads((tmp_path / "events.json").read_text())
    assert found["settings"]["rows"] == 32 and found["settings"]["chunk"] >= 64
    first, *others = found["results"]
    assert first["candidate"] == "slice" and first["time_ratio"] == 1.0 and len(others) == 2
    for result in others:
        assert 0 < result["least"] <= result["time_ratio"] <= result["most"] and 0 < result["shared"] < 1


@pytest.mark.slow
def test_the_script_for_a_gpu_runs_at_tiny_shapes(tmp_path):
    sections = ["head", "gradients", "adapters-4", "full", "zero-3"]  # others differ from these by options of step.py
    options = ["--device", "cpu", "--minutes", "30", "--sections", *sections]
    text = _run("gpu.py", *options, "--to", str(tmp_path / "gpu.json"))
    found = json.loads((tmp_path / "gpu.json").read_text())["sections"]
    assert not {name for name, section in found.items() if "failed" in section}, text
    assert all(0 < error < 0.1 for error in found["gradients"]["relative_errors"].values())
    assert found["head"]["ratios"]
    for name in sections[2:]:
        assert found[name]["results"]["pair"]["peak_bytes"] > 0 and found[name]["planned_bytes"] > 0
    # At these shapes libraries and pictures count more than weights, so estimates are compared with each other.
    assert found["adapters-4"]["planned_bytes"] < found["full"]["planned_bytes"]
    assert text.count("\n") == 1 + len(found)


def test_without_a_gpu_the_script_says_so(tmp_path):
    if torch.cuda.is_available():
        pytest.skip("there is one")
    command = [sys.executable, str(ROOT / "benchmarks/gpu.py"), "--to", str(tmp_path / "gpu.json")]
    process = subprocess.run(command, capture_output=True, text=True, check=False)
    assert process.returncode == 1 and "no GPU can be used here" in process.stderr


@pytest.mark.slow
@pytest.mark.parametrize("order", [[], ["--sequential"]], ids=["taking turns", "sequential"])
def test_a_step_is_measured(tmp_path, order):
    arguments = "--global-batch 4 --micro-batch 2 --repeats 2 --warmup 1 --threads 1 --to"
    text = _run("step.py", *order, *arguments.split(), str(tmp_path / "step.json"))
    found = json.loads((tmp_path / "step.json").read_text())
    assert {"cpu", "gpu", "threads", "torch", "transformers", "load"} <= set(found["hardware"])
    assert found["settings"]["run"]["training"]["micro_batch"] == 2
    assert found["settings"]["execution"]["engine"] == "plain"
    assert found["settings"]["options"]["sequential"] == bool(order)
    for name in ("learner", "guide", "pair"):
        assert len(found["results"][name]["seconds"]) == 2 and found["results"][name]["peak_bytes"] > 0
    low, high = found["ratio"]["interval"]
    assert 0 < low <= found["ratio"]["median"] <= high and found["ratio"]["fastest"] > 0
    assert f"pair / (learner + guide): {found['ratio']['median']:.3f}" in text


def test_ratios_are_those_of_rounds(step):
    seconds = {"learner": [1.0, 2.0, 4.0], "guide": [1.0, 2.0, 4.0], "pair": [2.2, 4.0, 16.0]}
    found = step.ratio(seconds)
    assert found["median"] == pytest.approx(1.1) and found["fastest"] == pytest.approx(1.1)
    assert found["quartiles"] == pytest.approx([1.05, 1.55]) and found["interval"] == pytest.approx([1.0, 2.0])


@pytest.mark.parametrize("model", PUBLISHED)
def test_models_have_their_published_shapes(step, model):
    config = step.published_config(model)
    with torch.device("meta"):
        built = step.AutoModelForImageTextToText.from_config(config)
    assert sum(parameter.numel() for parameter in built.parameters()) == PUBLISHED[model]
    assert config.vision_config.depth == len(built.model.visual.blocks)


def test_inputs_of_paper_scale_are_what_an_encoder_makes(step):
    case = step.make_case(_options(micro_batch=2))
    (local,) = case.steps[0]
    visual = {"learner": 256, "guide": 196}  # 448 pixels in patches of 14 and 16, four patches a token
    answers = []
    for (role, tokens), batch in zip(visual.items(), local.members, strict=True):
        assert (batch["input_ids"] == 151655).sum(1).tolist() == [tokens] * 2, role
        assert batch["mm_token_type_ids"].sum() == 2 * tokens and len(batch["pixel_values"]) == 2 * 4 * tokens
        answers.append(batch["labels"][batch["labels"] != step.IGNORED])
    assert torch.equal(*answers) and 80 <= len(answers[0]) <= 160
    assert not torch.equal(case.steps[1][0].members[0]["input_ids"][:, -1], local.members[0]["input_ids"][:, -1])


@pytest.mark.slow
@pytest.mark.parametrize("changes", [{"precision": "bfloat16"}, {"lora": 2}], ids=["all weights", "LoRA"])
def test_the_path_of_a_gpu_works_with_tiny_models(step, changes):
    """Real vocabulary and special ids, gradient checkpointing, two passes a step; only widths and depths are tiny."""
    found = step.measure(_options(**changes), ["pair"], 1)
    assert len(found["seconds"]["pair"]) == 1 and found["seconds"]["pair"][0] > 0
    assert found["settings"]["execution"]["gradient_checkpointing"] and found["peak_bytes"] > 0
