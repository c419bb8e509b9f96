"""Settings from the command line and further files: they replace whole settings, and mistakes name their place."""

import re
import shutil
import subprocess

import pytest
import yaml
from conftest import ROOT

from gcl.errors import ConfigError
from gcl.experiment.load import load_experiment, overrides_of, replaced
from gcl.experiment.notes import notes, notes_of_changes
from gcl.experiment.yaml_files import Document, read_yaml


@pytest.fixture
def config():
    return yaml.safe_load((ROOT / "config.yaml").read_text())


def test_an_overridden_value_brings_its_origin_or_is_assumed(tmp_path):
    file = tmp_path / "more.yaml"
    file.write_text("training: {epochs: {value: 2, assumed: quick}}\nobjective: {kappa: {value: 1e-5}}\n")
    experiment = load_experiment(None, ROOT, overrides_of([file], ["seeds={value: [0, 1], assumed: more}"]))
    assert (experiment.training.epochs.value, experiment.training.epochs.origin) == (2, ("assumed", "quick"))
    assert (experiment.objective.kappa.value, experiment.objective.kappa.origin) == (
        1e-5,
        ("assumed", f"given by {file}"),
    )
    assert experiment.seeds.value == [0, 1]


@pytest.mark.parametrize(
    "entry, expected",
    [
        ("seeds={value: [0, 1", "command line (--config): seeds:1: not valid YAML"),
        ("seeds={value: [a], assumed: x}", "command line (--config): seeds.value.0: 'a' is not a number; write a number"),
        ("seeds=3", 'command line (--config): seeds: 3 has no origin; write {value: 3, assumed: "why"}'),
        ("training=fast", "command line (--config): training: 'fast' is not possible; write a mapping"),
        ("seeds={value: [99999999999], assumed: x}", "seeds.value.0: 99999999999 is not possible; input should be less"),
        ("objective={kappa: {value: .inf, assumed: x}}", "objective.kappa.value: inf is not possible"),
        ("scale=huge", "command line (--config): scale: 'huge' is not known"),
    ],
)  # fmt: skip
def test_a_mistake_on_the_command_line_is_one_line(config, entry, expected):
    with pytest.raises(ConfigError) as caught:
        load_experiment(None, ROOT, overrides_of([], [entry]))
    (line,) = str(caught.value).splitlines()
    assert line.startswith("command line (--config)") and expected in line


def test_a_mistake_in_a_further_file_names_it_and_the_line(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "more.yaml").write_text(
        "training:\n  lr_sft: {value: 1e-4}\n  epochs:\n    vale: 2\n    assumed: quick\n"
    )
    with pytest.raises(ConfigError) as caught:
        load_experiment(None, ROOT, overrides_of([tmp_path / "more.yaml"], []))
    lines = str(caught.value).splitlines()
    assert [line.split(": ")[:2] for line in lines] == [
        ["more.yaml:3", "training.epochs.value"],
        ["more.yaml:4", "training.epochs.vale"],
    ]


def test_a_key_that_stands_twice_is_refused_with_both_lines(tmp_path):
    path = tmp_path / "config.yaml"
    path.write_text("scale: paper\nseeds: {value: [0], assumed: x}\nscale: miniature\n")
    with pytest.raises(
        ConfigError, match=r"config.yaml:3: not valid YAML: 'scale' stands there twice, first in line 1"
    ):
        read_yaml(path)


def test_numbers_are_numbers_and_words_are_words(tmp_path):
    path = tmp_path / "more.yaml"
    path.write_text("a: 1e-5\nb: 4.0e-9\nc: no\nd: 1_000\ne: '1e-5'\n")
    assert read_yaml(path) == {"a": 1e-5, "b": 4e-9, "c": "no", "d": 1000, "e": "1e-5"}


def test_an_alias_stands_for_its_value_and_one_without_end_is_refused(tmp_path):
    path = tmp_path / "config.yaml"
    path.write_text("a: &stage {epochs: 1}\nb: *stage\n")
    assert read_yaml(path) == {"a": {"epochs": 1}, "b": {"epochs": 1}}
    path.write_text("a: &all {b: *all}\n")
    with pytest.raises(ConfigError, match=r"config.yaml: not valid YAML: nested too deeply"):
        read_yaml(path)


def copied(tmp_path, **lines: str):
    """A copy of the configuration in which lines are other ones."""
    shutil.copytree(ROOT / "workflow/scales", tmp_path / "workflow/scales")
    text = (ROOT / "config.yaml").read_text()
    for name, line in lines.items():
        text = re.sub(rf"^  {name}: .*$", f"  {name}: {line}", text, count=1, flags=re.MULTILINE)
    (tmp_path / "config.yaml").write_text(text)


def test_a_setting_that_the_scale_replaces_is_noted_with_both_places(tmp_path):
    copied(tmp_path, lr_sft="{value: 3.0e-5, assumed: mine}")
    found = [line for line in notes(replaced((), tmp_path)) if "training.lr_sft" in line]
    old = next(k for k, line in enumerate((tmp_path / "config.yaml").read_text().splitlines(), 1) if "lr_sft:" in line)
    scale = (ROOT / "workflow/scales/miniature.yaml").read_text().splitlines()
    new = next(k for k, line in enumerate(scale, 1) if "lr_sft:" in line)
    taken = yaml.safe_load("\n".join(scale))["training"]["lr_sft"]["value"]
    assert found == [
        f"config.yaml:{old}: training.lr_sft: 3e-05 has no effect at this scale; workflow/scales/miniature.yaml:{new} "
        f"says {taken:g}"
    ]
    mine = Document("more.yaml", {"training": {"lr_sft": {"value": 1e-3, "assumed": "test"}}})
    assert not [line for line in notes(replaced([mine], tmp_path)) if "training.lr_sft" in line], (
        "neither has an effect"
    )
    assert not list(notes(replaced([Document("x", {"scale": "paper"})], tmp_path)))


def test_at_the_start_only_settings_that_were_edited_are_noted_one_by_one(tmp_path):
    copied(tmp_path)
    git = ["git", "-C", str(tmp_path), "-c", "user.name=x", "-c", "user.email=x@example.org"]
    for arguments in (["init", "-q"], ["add", "."], ["commit", "-q", "-m", "x"]):
        subprocess.run([*git, *arguments], check=True)
    (count,) = notes_of_changes(replaced((), tmp_path), tmp_path)
    assert re.fullmatch(
        r"workflow/scales/miniature.yaml replaces \d+ settings of config.yaml, .*see gcl settings", count
    )
    text = (tmp_path / "config.yaml").read_text().replace("lr_sft: {value: 1.0e-5", "lr_sft: {value: 3.0e-5")
    (tmp_path / "config.yaml").write_text(text)
    edited, _ = notes_of_changes(replaced((), tmp_path), tmp_path)
    assert "training.lr_sft: 3e-05 has no effect" in edited


def test_a_scale_that_extends_itself_is_refused(tmp_path):
    copied(tmp_path)
    scale = tmp_path / "workflow/scales/miniature.yaml"
    scale.write_text("extends: rehearsal\n" + scale.read_text())
    with pytest.raises(ConfigError, match=r"rehearsal.yaml:4: extends: 'miniature' extends this file; remove one"):
        load_experiment(None, tmp_path)
