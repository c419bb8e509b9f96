"""A member in each format is written whole, loaded again, and asked the same questions as the member in float32."""

import json
import shutil

import pytest
from deployment_case import QUESTIONS, make_member

from gcl.deployment.deploy import deploy
from gcl.deployment.deployment_manifest import read_manifest
from gcl.deployment.format import FORMATS
from gcl.deployment.loaded_member import load_member
from gcl.errors import CheckpointError, ConfigError, DataError
from gcl.evaluation.asked_member import DEPLOYED, find_member


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
    trained, deployed = load_member(member), load_member(as_float32)
    for scene in scenarios[:3]:
        assert deployed.ask_all(scene.pictures[0].path) == trained.ask_all(scene.pictures[0].path)


def test_a_deployed_member_is_not_deployed_again(member, as_float32, tmp_path):
    with pytest.raises(CheckpointError, match=f"deployed already; name the member that it was made from, {member}"):
        deploy(find_member(str(as_float32)), "bf16", tmp_path / "again")


@pytest.mark.parametrize("name", ["openvino", "openvino-int8"])
@pytest.mark.parametrize("family", ["qwen2_5_vl", "qwen3_vl"])
def test_openvino_says_the_same(family, name, backbones, scenarios, tmp_path):
    for library in FORMATS[name].needs:
        pytest.importorskip(library)
    folder = make_member(backbones[family], tmp_path / "member")
    for kind in ("float32", name):
        deploy(find_member(str(folder)), kind, tmp_path / kind)
    exact, small = (load_member(tmp_path / kind) for kind in ("float32", name))
    shown = [scene.pictures[0].path for scene in scenarios[:2]]
    moments = [shown[:1], shown[1:], shown]  # two pictures of one moment at last
    different = sum(
        exact.ask_all(moment).answers[turn] != small.ask_all(moment).answers[turn]
        for moment in moments
        for turn in QUESTIONS
    )
    # An untrained model's tokens are nearly equally probable, so fewer bits change some of its answers.
    assert different <= {"openvino": 1, "openvino-int8": 4}[name]
    sizes = [read_manifest(tmp_path / kind).size for kind in (name, "float32")]
    assert sizes[0] < 2 * sizes[1]


@pytest.mark.parametrize("name", ["bf16", "int8", "nf4"])
def test_formats_of_transformers_load_again_and_are_smaller(name, member, as_float32, scenarios, tmp_path):
    for library in FORMATS[name].needs:
        pytest.importorskip(library)
    deploy(find_member(str(member)), name, tmp_path / name)
    small = load_member(tmp_path / name)
    assert isinstance(small.ask(scenarios[0].pictures[0].path, "action"), str)
    weights = [read_manifest(folder).files["model.safetensors"].size for folder in (as_float32, tmp_path / name)]
    assert weights[1] < 0.6 * weights[0]


def test_the_same_again_does_nothing_and_another_needs_a_word(member, as_float32):
    before = (as_float32 / DEPLOYED).stat().st_mtime_ns
    found = find_member(str(member))
    assert not deploy(found, "float32", as_float32)
    assert (as_float32 / DEPLOYED).stat().st_mtime_ns == before
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
    weights, manifest = folder / "model.safetensors", folder / DEPLOYED
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
        # A folder of float32 without a manifest is what a training leaves.
        read_manifest(folder) if damage == "no manifest" else load_member(folder)
    if damage in ("gone", "cut"):
        assert deploy(find_member(str(member)), "float32", folder)
        load_member(folder)


def test_a_family_without_graphs_is_refused(all_backbones, tmp_path):
    pytest.importorskip("openvino")
    member = make_member(all_backbones["smolvlm"], tmp_path / "member")
    with pytest.raises(CheckpointError, match="qwen2_5_vl and qwen3_vl"):
        deploy(find_member(str(member)), "openvino", tmp_path / "deployed")


def test_a_missing_library_is_named(member, tmp_path, monkeypatch):
    monkeypatch.setattr("gcl.deployment.format.find_spec", lambda name: None)
    with pytest.raises(ConfigError, match=r"nncf|openvino.*gcl\[deploy\]"):
        deploy(find_member(str(member)), "openvino-int8", tmp_path / "deployed")
