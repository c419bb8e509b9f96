"""A published folder: it is whole or not there. Its card is valid for the hub, and its claims are those of the metrics."""

import hashlib
import importlib.util
import json
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from conftest import ROOT
from fake_metrics import experiment_with, fake_metrics, write_metrics
from huggingface_hub import ModelCard
from PIL import Image
from publication_case import GCL, MGSD, RESULTS, SFT, TAUGHT, trained_project
from rocrate.rocrate import ROCrate

from gcl.errors import CheckpointError, ConfigError, DataError
from gcl.experiment.places import results_at
from gcl.files import read_json, write_json
from gcl.publication import folder as folder_module
from gcl.publication.folder import SUMS, check_whole, make_folder
from gcl.publication.trained import open_trained
from gcl.reporting.build import build

MINIATURE, PAPER = experiment_with(), experiment_with("paper")
TO = Path("out/learner")


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def made(
    run: str = GCL, role: str | None = "learner", experiment=MINIATURE, to: Path = TO, **options: object
) -> ModelCard:
    """Train, so to speak, and publish; the card."""
    trained_project(Path(), experiment, run, **options)
    make_folder(experiment, RESULTS, open_trained(experiment, RESULTS, run, role), to, "somebody/learner")
    return ModelCard.load(to / "README.md")


@pytest.mark.parametrize(("run", "role", "others"), [(GCL, "learner", 1), (SFT, None, 0), (MGSD, "student", 1)])
def test_members_of_every_method_become_whole_folders(run, role, others):
    card = made(run, role)
    listed = check_whole(TO)
    assert {"model.safetensors", "tokenizer.json", "processor_config.json", "README.md", ".zenodo.json", SUMS} <= {
        *listed
    }
    assert {"metrics.json", "training.json", "losses.jsonl", "ro-crate.zip", "gcl.json"} <= {*listed}
    for line in (TO / SUMS).read_text().splitlines():
        digest, name = line.split("  ")
        assert hashlib.sha256((TO / name).read_bytes()).hexdigest() == digest
    assert card.content.count("together with") == others and f"| run | `{run}` |" in card.content
    assert "# as exported" not in card.content


def test_the_head_of_the_card_is_what_the_hub_expects():
    data = made().data
    assert (data.license, data.pipeline_tag, data.library_name) == ("apache-2.0", "image-text-to-text", "transformers")
    assert data.datasets == ["snei"] and "miniature" in data.tags and data.base_model is None
    found = {result.metric_type: result for result in data.eval_results}
    assert list(found) == data.metrics and found["action_f1"].metric_value == 0.8
    assert found["action_f1"].dataset_name == "snei, miniature scale" and found["action_f1"].dataset_split == "test"


def test_at_paper_scale_the_base_model_is_named_and_nothing_is_called_miniature():
    card = made(experiment=PAPER)
    assert card.data.base_model == PAPER.models["qwen2.5-vl-3b"].backbone.value.path
    assert "miniature" not in (card.content + (TO / ".zenodo.json").read_text()).lower()
    related = read_json(TO / ".zenodo.json")["related_identifiers"]
    assert [one["relation"] for one in related] == ["isSupplementTo", "isDerivedFrom"]
    assert related[1]["identifier"].startswith(f"https://huggingface.co/{card.data.base_model}/tree/")


def test_the_text_says_how_it_was_trained_and_how_it_scores_and_what_it_is_not():
    text = made().content
    assert "| Action-F1 | 0.800 | 0.780 to 0.820 | 2 |" in text and "Miniature results" in text
    assert "| loss | 2.9290 | 0.2836 |" in text and "norm_learner" not in text
    assert "| epochs, steps | 10, 40 |" in text and "| seed | 0 |" in text and "learner 0.008, guide 0.004" in text
    assert "not on a robot" in text and "**A miniature model" in text
    assert "author = {Zhang, Xinyu and Konno, Atsushi" in text and "author = {The GCL developers}" in text
    assert "Against its control" not in text, "there is no table"


def test_where_there_is_a_table_the_card_says_whether_the_method_beats_its_control():
    write_metrics(RESULTS, fake_metrics(MINIATURE))
    build(MINIATURE, "headline", RESULTS, results_at("miniature", RESULTS).table("headline"))
    assert "## Against its control" in made().content


@pytest.mark.parametrize(
    ("name", "head", "zenodo"),
    [
        ("mit", {"license": "mit"}, "mit"),
        ("gemma", {"license": "gemma"}, "other-closed"),
        ("qwen-research", {"license": "other", "license_name": "qwen-research"}, "other-closed"),
        (None, {}, "other-closed"),
    ],
)
def test_the_licence_is_that_of_the_base_model_and_never_a_guess(name, head, zenodo):
    card = made(licence=name)
    found = card.data.to_dict()
    assert {key: value for key, value in found.items() if key.startswith("license")} == head
    assert read_json(TO / ".zenodo.json")["license"] == zenodo
    assert f"Licence of the weights: {name or 'not stated'}" in card.content


def test_the_deposit_names_the_authors_of_the_citation_alone():
    made()
    found = read_json(TO / ".zenodo.json")
    assert found["creators"] == [{"name": "The GCL developers"}] and "miniature" in found["description"].lower()
    Path("CITATION.cff").write_text("title: T\nauthors: [{family-names: Doe, given-names: Jo}]\n")
    make_folder(MINIATURE, RESULTS, open_trained(MINIATURE, RESULTS, GCL, "learner"), TO, None)
    assert read_json(TO / ".zenodo.json")["creators"] == [{"name": "Doe, Jo"}]
    for broken in ("title: T\n", "- [\n", "a"):
        Path("CITATION.cff").write_text(broken)
        with pytest.raises(DataError, match=r"CITATION.cff: not as the Citation File Format wants it"):
            make_folder(MINIATURE, RESULTS, open_trained(MINIATURE, RESULTS, GCL, "learner"), TO, None)
    Path("CITATION.cff").unlink()
    with pytest.raises(DataError, match=r"CITATION.cff: no such file; call this in the project's folder"):
        make_folder(MINIATURE, RESULTS, open_trained(MINIATURE, RESULTS, GCL, "learner"), TO, None)
    assert check_whole(TO), "the earlier one is still there"


def test_the_crate_is_of_this_run_and_holds_no_answers():
    predictions = results_at("miniature", RESULTS).predictions(GCL)
    predictions.parent.mkdir(parents=True)
    predictions.write_text("{}\n")
    made()
    zipfile.ZipFile(TO / "ro-crate.zip").extractall("crate")
    names = [entity["name"] for entity in ROCrate("crate").data_entities if entity.type == "File"]
    assert f"results/miniature/metrics/{GCL}.json" in names and f"results/miniature/records/{GCL}.json" in names
    assert "config.yaml" in names and not [name for name in names if "predictions" in name]


def test_nothing_tells_of_the_machine_but_the_record_in_the_crate():
    made()
    texts = [path.read_text() for path in TO.iterdir() if path.suffix in (".md", ".json", ".jsonl", "")]
    assert not any("workstation" in text or str(Path.cwd()) in text for text in texts)


def test_the_same_run_gives_the_same_bytes():
    made()
    first = (TO / SUMS).read_text()
    make_folder(MINIATURE, RESULTS, open_trained(MINIATURE, RESULTS, GCL, "learner"), TO, "somebody/learner")
    assert (TO / SUMS).read_text() == first


def test_a_folder_is_whole_or_not_there(monkeypatch):
    trained_project(Path(), MINIATURE, GCL)
    with monkeypatch.context() as patch:
        patch.setattr(folder_module, "write_run_crate", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            make_folder(MINIATURE, RESULTS, open_trained(MINIATURE, RESULTS, GCL, "learner"), TO, None)
    assert list(TO.parent.iterdir()) == []
    make_folder(MINIATURE, RESULTS, open_trained(MINIATURE, RESULTS, GCL, "learner"), TO, None)
    (TO / "tokenizer.json").unlink()
    (TO / "README.md").write_text("better")
    (TO / "notes.txt").write_text("mine")
    with pytest.raises(DataError, match="3 problems") as caught:
        check_whole(TO)
    assert all(
        line in str(caught.value) for line in ("tokenizer.json: missing", "notes.txt: not listed", "README.md: changed")
    )
    (TO / SUMS).unlink()
    with pytest.raises(ConfigError, match="so it is not whole"):
        check_whole(TO)


def test_a_folder_of_something_else_is_never_replaced():
    trained_project(Path(), MINIATURE, GCL)
    TO.mkdir(parents=True)
    (TO / "thesis.tex").write_text("years of work")
    with pytest.raises(ConfigError, match="there is something else; choose a new folder with --to"):
        make_folder(MINIATURE, RESULTS, open_trained(MINIATURE, RESULTS, GCL, "learner"), TO, None)
    assert (TO / "thesis.tex").read_text() == "years of work"


@pytest.mark.parametrize(
    ("run", "role", "message"),
    [
        (GCL, None, "2 members were trained; name one with --role learner or --role guide"),
        (GCL, "solo", "no member has the role 'solo'; use --role learner or --role guide"),
        (TAUGHT, "teacher", "only taught, so it is still its base model; use --role learner"),
    ],
)
def test_roles_that_cannot_be_published_are_refused(run, role, message):
    trained = trained_project(Path(), MINIATURE, run)
    role = next((m.role for m in trained.members if m.frozen), role) if role == "teacher" else role
    with pytest.raises(ConfigError, match=re.escape(message).replace("--role\\ learner", "--role")):
        open_trained(MINIATURE, RESULTS, run, role)


def test_what_is_missing_or_does_not_belong_together_is_refused():
    with pytest.raises(ConfigError, match="nothing was trained in it"):
        open_trained(MINIATURE, RESULTS, "snei/base/qwen3-vl-4b/default/seed0", None)
    with pytest.raises(CheckpointError, match="not trained yet, or its weights were removed; make it with: snakemake"):
        open_trained(MINIATURE, RESULTS, GCL, "learner")
    trained_project(Path(), MINIATURE, GCL)
    metrics, trained = (getattr(results_at("miniature", RESULTS), kind)(GCL) for kind in ("metrics", "checkpoints"))
    content = read_json(metrics)
    content["provenance"]["checkpoints"]["learner"] = "0" * 64
    write_json(metrics, content)
    with pytest.raises(DataError, match="scores of other weights than those in"):
        open_trained(MINIATURE, RESULTS, GCL, "learner")
    metrics.unlink()
    with pytest.raises(DataError, match="no such file; make it with: snakemake"):
        open_trained(MINIATURE, RESULTS, GCL, "learner")
    (trained / "learner/model.safetensors").write_text("other")
    with pytest.raises(CheckpointError, match="not those that the training has left"):
        open_trained(MINIATURE, RESULTS, GCL, "learner")


@pytest.mark.slow
def test_the_lines_of_the_card_give_the_answer_of_gcl_predict():
    if importlib.util.find_spec("torchvision") is None:
        pytest.skip("no torchvision here, so THE CARD'S LINES WERE NOT RUN: processors of videos need it")
    text = made(SFT, None, model=ROOT / "base_models/qwen3-vl-4b").content
    code = text.split("```python\n")[1].split("```")[0]
    assert code.count("\n") == 6
    Image.new("RGB", (140, 84), "green").save("photo.png")
    here = code.replace('"somebody/learner"', json.dumps(str(TO)))
    said = subprocess.run([sys.executable, "-c", here], capture_output=True, text=True, check=True).stdout.strip()
    command = ["-m", "gcl", "predict", "--checkpoint", str(TO), "--image", "photo.png", "--turn", "action", "--json"]
    asked = subprocess.run([sys.executable, *command], capture_output=True, text=True, check=True).stdout
    assert said == json.loads(asked)["answers"]["action"]
