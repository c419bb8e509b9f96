"""A member in each format is written whole, loaded again, and asked the same questions as the member in float32."""

import json
import shutil

import pytest
from deployment_case import QUESTIONS, make_member

from gcl.deployment.deploy import deploy
from gcl.deployment.deployed_member import load_deployed
from gcl.deployment.deployment_manifest import MANIFEST_FILE, read_manifest
from gcl.deployment.format import FORMATS
from gcl.errors import CheckpointError, ConfigError, DataError
from gcl.evaluation.asked_member import find_member
from gcl.evaluation.predict import predict


@pytest.fixture(scope="module")
def member(backbones, tmp_path_factory):
    """A member of the family with DeepStack."""
    return make_member(backbones["qwen3_vl"], tmp_path_factory.mktemp("members") / "qwen3")


@pytest.fixture(scope="module")
def as_float32(member, tmp_path_factory):
    """The same, deployed in float32."""
    folder = tmp_path_factory.mktemp("float32") / "deployed"
    assert deploy(find_member(str(member)), "float32", folder)
    return folder


def test_float32_answers_as_the_member_does(member, as_float32, scenarios):
    shown = [[(str(scene.pictures[0].path), None)] for scene in scenarios[:3]]
    expected = list(predict(find_member(str(member)), shown, QUESTIONS, batch_size=1, max_new_tokens=12))
    deployed = load_deployed(as_float32)
    assert [deployed.ask(moment) for moment in shown] == expected


@pytest.mark.parametrize("name", ["openvino", "openvino-int8"])
@pytest.mark.parametrize("family", ["qwen2_5_vl", "qwen3_vl"])
def test_openvino_says_the_same(family, name, backbones, scenarios, tmp_path):
    for library in FORMATS[name].needs:
        pytest.importorskip(library)
    folder = make_member(backbones[family], tmp_path / "member")
    for kind in ("float32", name):
        deploy(find_member(str(folder)), kind, tmp_path / kind)
    exact, small = (load_deployed(tmp_path / kind) for kind in ("float32", name))
    shown = [(str(scene.pictures[0].path), None) for scene in scenarios[:2]]
    moments = [shown[:1], shown[1:], shown]  # two pictures of one moment at last
    different = sum(
        exact.ask(moment).answers[turn] != small.ask(moment).answers[turn] for moment in moments for turn in QUESTIONS
    )
    # An untrained model's tokens are nearly equally probable, so fewer bits change some of its answers.
    assert different <= {"openvino": 1, "openvino-int8": 4}[name]
    assert small.manifest.size < 2 * exact.manifest.size


@pytest.mark.parametrize("name", ["bf16", "int8", "nf4"])
def test_formats_of_transformers_load_again_and_are_smaller(name, member, as_float32, scenarios, tmp_path):
    for library in FORMATS[name].needs:
        pytest.importorskip(library)
    deploy(find_member(str(member)), name, tmp_path / name)
    small = load_deployed(tmp_path / name)
    found = small.ask([scenarios[0].pictures[0].path], ["action"])
    assert list(found.answers) == ["action"] and found.problem is None
    weights = [read_manifest(folder).files["model.safetensors"].size for folder in (as_float32, tmp_path / name)]
    assert weights[1] < 0.6 * weights[0]


def test_the_same_again_does_nothing_and_another_needs_a_word(member, as_float32):
    before = (as_float32 / MANIFEST_FILE).stat().st_mtime_ns
    found = find_member(str(member))
    assert not deploy(found, "float32", as_float32)
    assert (as_float32 / MANIFEST_FILE).stat().st_mtime_ns == before
    with pytest.raises(DataError, match="--replace"):
        deploy(found, "bf16", as_float32)


def test_another_format_replaces_where_this_is_asked_for(member, as_float32, tmp_path):
    folder = tmp_path / "deployed"
    shutil.copytree(as_float32, folder)
    assert deploy(find_member(str(member)), "bf16", folder, replace=True)
    assert read_manifest(folder).format == "bf16"


def test_a_folder_of_other_things_stays(member, tmp_path):
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(DataError, match="choose another folder"):
        deploy(find_member(str(member)), "float32", tmp_path, replace=True)
    assert (tmp_path / "thesis.tex").read_text() == "years of work"


def test_nothing_appears_before_it_is_whole(member, tmp_path, monkeypatch):
    monkeypatch.setattr("gcl.deployment.deploy.make_portable", lambda folder: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        deploy(find_member(str(member)), "float32", tmp_path / "deployed")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("damage", ["gone", "cut", "no manifest", "broken manifest", "unknown format"])
def test_a_damaged_folder_is_refused_and_written_again(damage, member, as_float32, tmp_path):
    folder = tmp_path / "deployed"
    shutil.copytree(as_float32, folder)
    weights, manifest = folder / "model.safetensors", folder / MANIFEST_FILE
    if damage == "gone":
        weights.unlink()
    elif damage == "cut":
        weights.write_bytes(weights.read_bytes()[:-1])
    elif damage == "no manifest":
        manifest.unlink()
    else:
        content = json.loads(manifest.read_text()) | (
            {"size": 1} if damage == "broken manifest" else {"format": "gguf"}
        )
        manifest.write_text(json.dumps(content))
    with pytest.raises(CheckpointError, match=str(folder)):
        load_deployed(folder)
    if damage in ("gone", "cut"):
        assert deploy(find_member(str(member)), "float32", folder)
        load_deployed(folder)


def test_a_family_without_graphs_is_refused(all_backbones, tmp_path):
    pytest.importorskip("openvino")
    member = make_member(all_backbones["smolvlm"], tmp_path / "member")
    with pytest.raises(CheckpointError, match="qwen2_5_vl and qwen3_vl"):
        deploy(find_member(str(member)), "openvino", tmp_path / "deployed")


def test_a_missing_library_is_named(member, tmp_path, monkeypatch):
    monkeypatch.setattr("gcl.deployment.format.find_spec", lambda name: None)
    with pytest.raises(ConfigError, match=r"nncf|openvino.*gcl\[deploy\]"):
        deploy(find_member(str(member)), "openvino-int8", tmp_path / "deployed")
