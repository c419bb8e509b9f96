"""The configuration: every mistake is one line that names file, field, value and remedy."""

import copy
import re
import shutil
import subprocess

import pytest
import yaml
from conftest import ROOT

from gcl.config import load_experiment, overrides_of, replaced, settings
from gcl.config_checks import warnings
from gcl.config_notes import notes, notes_of_changes
from gcl.errors import ConfigError
from gcl.execution import changed, execution_spec
from gcl.grid import all_runs
from gcl.runs import find_run
from gcl.yaml_files import Document, read_yaml


@pytest.fixture
def config():
    return yaml.safe_load((ROOT / "config.yaml").read_text())


def change(config: dict, path: str, value) -> dict:
    changed = copy.deepcopy(config)
    node = changed
    *parents, last = path.split(".")
    for part in parents:
        node = node[int(part)] if isinstance(node, list) else node[part]
    node[int(last) if isinstance(node, list) else last] = value
    return changed


def messages(config: dict, *overrides: Document) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load_experiment(config, ROOT, overrides)
    return str(caught.value).splitlines()


@pytest.mark.parametrize("scale", ["miniature", "paper"])
def test_the_shipped_configuration_is_valid_and_follows_ago(config, scale):
    experiment = load_experiment(change(config, "scale", scale), ROOT)
    assert experiment.scale == scale
    assert list(warnings(experiment)) == []


def test_every_setting_has_an_origin_and_the_paper_ones_name_the_place(config):
    rows = list(settings(load_experiment(config, ROOT)))
    assert len(rows) > 60
    assert {kind for _, _, kind, _ in rows} == {"paper", "inferred", "assumed"}
    for path, _, kind, note in rows:
        assert note.strip(), path
        if kind == "paper":
            assert any(word in note for word in ("Sec.", "Table", "Fig.", "code")), (path, note)


@pytest.mark.parametrize(
    "path, value, expected",
    [
        ("objective.kappa.value", "1e-5", ["objective.kappa.value: '1e-5' is not a number", "write 1.0e-5 without"]),
        ("training.epoch", 3, ["training.epoch: unknown key", "did you mean 'epochs'"]),
        ("objective.gsl_wieght", {"value": 1}, ["objective.gsl_wieght: unknown key", "'gsl_weight'"]),
        ("groups.snei.value.0.learner", "qwen9", ["groups.snei.value.0.learner: unknown model 'qwen9'"]),
        ("groups.snei.value.3.tau.1", 0.0, ["groups.snei.value.3.tau.1: 0.0 is not possible", "greater than 0"]),
        ("objective.symmetric_tau.value", -1.0, ["objective.symmetric_tau.value: -1.0", "greater than 0"]),
        ("groups.snei.value.0.regime", "B", ["groups.snei.value.0.regime", "this pair is regime A"]),
        ("seeds.value", [0, 0], ["seeds.value: duplicate run"]),
        ("sweeps.fig2a.values.value", [0.5, 0.5], ["sweeps.fig2a.values.value: duplicate run: 0.5"]),
        ("sweeps.fig4.values.value", [0.0, 1.0], ["sweeps.fig4.values.value: 0.0 is not possible for tau"]),
        ("scale", "huge", ["scale: 'huge' is not known", "rehearsal or paper"]),
        ("seeds.assumed", None, ["seeds", "exactly one origin"]),
        ("prompt.questions.value", {"action": "?"}, ["prompt.questions.value", "five turns"]),
    ],
)  # fmt: skip
def test_a_mistake_names_file_field_value_and_remedy(config, path, value, expected):
    (line,) = messages(change(config, path, value))
    assert line.split(": ")[0].endswith(".yaml") or line.startswith("command line")
    for part in expected:
        assert part in line


def test_a_duplicate_group_is_refused(config):
    config["groups"]["muson"]["value"].append(config["groups"]["muson"]["value"][0])
    (line,) = messages(config)
    assert "groups.muson.value.12: duplicate run: qwen3-vl-2b / qwen2.5-vl-3b" in line


def test_all_mistakes_are_reported_together(config):
    config = change(change(config, "objective.kappa.value", "1e-5"), "seeds.vale", 1)
    assert len(messages(config)) == 2


def test_a_learner_with_the_better_sft_score_is_a_warning(config):
    group = {"learner": "qwen3-vl-4b", "guide": "qwen2.5-vl-3b", "regime": "B", "tau": [2.0, 3.0]}
    config["groups"]["snei"]["value"].append(group)
    (line,) = warnings(load_experiment(config, ROOT))
    assert "the learner has the better SFT score on snei (0.816 > 0.692)" in line


def test_processes_without_an_input_are_a_warning(config):
    config["execution"]["processes"]["value"] = 32
    (line,) = warnings(load_experiment(config | {"scale": "paper"}, ROOT))
    assert "a pass of 16 inputs leaves 16 of 32 processes idle" in line


def test_temperatures_against_the_sizes_are_a_warning(config):
    (line,) = warnings(load_experiment(change(config, "groups.snei.value.0.tau", [2.0, 3.0]), ROOT))
    assert "smaller model the larger tau" in line


def test_an_error_in_the_scale_file_names_the_scale_file(tmp_path, config):
    (tmp_path / "workflow/scales").mkdir(parents=True)
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(config))
    scale = yaml.safe_load((ROOT / "workflow/scales/miniature.yaml").read_text())
    scale["training"]["lr_sft"]["value"] = "fast"
    (tmp_path / "workflow/scales/miniature.yaml").write_text(yaml.safe_dump(scale))
    with pytest.raises(ConfigError, match=r"^workflow/scales/miniature.yaml:[0-9]+: training.lr_sft.value: 'fast'"):
        load_experiment(None, tmp_path)


@pytest.mark.parametrize(
    "text, expected", [("a: [", "not valid YAML"), ("- 1", "expected a mapping"), (None, "no such file")]
)
def test_a_broken_yaml_file_is_named(tmp_path, text, expected):
    path = tmp_path / "config.yaml"
    if text is not None:
        path.write_text(text)
    with pytest.raises(ConfigError, match=expected) as caught:
        read_yaml(path)
    assert str(path) in str(caught.value)


def test_a_change_on_the_command_line_wins_over_the_scale_file(config):
    quick = Document("command line", {"training": {"epochs": {"value": 10, "assumed": "as config.yaml has it"}}})
    assert load_experiment(config, ROOT, [quick]).training.epochs.value == 10
    assert load_experiment(config, ROOT).training.epochs.value == 3


def test_a_mistake_in_an_architecture_is_one_line(config):
    models = {"qwen3-vl-2b": {"backbone": {"value": {"family": "qwen3_vl", "hidden_size": "64"}, "assumed": "x"}}}
    lines = messages(config, Document("more.yaml", {"models": models}))
    assert any("hidden_size: '64' is not a number" in line for line in lines)
    assert not any("did you mean" in line for line in lines)


def test_a_data_set_without_groups_is_named(config):
    del config["groups"]["muson"]
    (line,) = messages(config)
    assert "no groups for the data set 'muson'" in line


def test_settings_of_execution_that_contradict_each_other_are_refused(config):
    config["execution"] |= {
        "engine": {"value": "plain", "assumed": "test"},
        "offload": {"value": True, "assumed": "test"},
    }
    with pytest.raises(
        ConfigError, match=r"execution.offload.value: the plain engine cannot offload; use engine: deepspeed"
    ):
        load_experiment(config, ROOT)


def test_frozen_parts_and_adapters_exclude_each_other(config):
    config["training"] |= {
        "frozen": {"value": ["vision"], "assumed": "test"},
        "lora": {"value": {"rank": 16, "alpha": 32.0}, "assumed": "test"},
    }
    with pytest.raises(ConfigError, match=r"training.frozen.value: has no meaning with lora"):
        load_experiment(config, ROOT)


def test_retaining_adapters_is_refused_where_a_training_has_none(config):
    """It would keep nothing of such a training, MGSD's second stage for one."""
    lora = {"value": {"rank": 4, "alpha": 8.0}, "assumed": "test"}
    config["execution"]["retain"]["value"] = "adapters"
    config["training"]["lora"] = lora
    paper = config | {"scale": "paper"}
    (line,) = messages(paper)
    assert (
        "execution.retain.value: 'adapters' would keep nothing" in line and "(planning.distillation.lora: null)" in line
    )
    config["planning"]["distillation"]["lora"] = lora
    load_experiment(paper, ROOT)
    config["training"]["lora"] = {"value": None, "assumed": "test"}
    assert "(training.lora: null)" in messages(paper)[0]


def test_every_node_has_as_many_processes(config):
    config["execution"]["processes"]["value"], config["execution"]["nodes"]["value"] = 8, 3
    with pytest.raises(ConfigError, match=r"execution.nodes.value: 8 processes cannot be divided among 3 nodes"):
        load_experiment(config | {"scale": "paper"}, ROOT)


def test_execution_can_be_changed_for_one_training(experiment):
    spec = execution_spec(experiment)
    assert changed(spec, ["processes=4", "engine=deepspeed", "head_chunk=null", "offload=true"]) == spec.model_copy(
        update={"processes": 4, "engine": "deepspeed", "offload": True}
    )
    for bad, message in (("processes", "NAME=VALUE"), ("speed=1", "one of engine"), ("zero_stage=4", "1, 2 or 3"),
        ("zero_stage=true", "not true or false"), ("workers=-1", "greater than or equal to 0"), ("keep=[", "is no value"),
        ("offload=true", "cannot offload")):  # fmt: skip
        with pytest.raises(ConfigError, match=message):
            changed(spec, [bad])


@pytest.mark.parametrize(
    "path, value, expected",
    [
        ("planning.models.value", ["qwen9"], "planning.models.value: unknown model 'qwen9'"),
        (
            "planning.arms.value.4.run",
            "thinking",
            "planning.arms.value.4.run: 'thinking' is not known; use one of base",
        ),
        ("planning.arms.value.4.name", "base model", "planning.arms.value.4.name: 'base model' is already listed"),
        ("planning.main.value", ["mgsd"], "planning.main.value: no arm 'mgsd'"),
        (
            "planning.distillation.temperature.value",
            0.0,
            "planning.distillation.temperature.value: 0.0 is not possible",
        ),
        ("planning.variants.full.value", {"teacher": "sound"}, "planning.variants.full.value.teacher: 'sound'"),
    ],
)
def test_mistakes_in_planning_are_named(config, path, value, expected):
    assert any(expected in line for line in messages(change(config | {"scale": "paper"}, path, value)))


def test_a_rehearsal_takes_no_rates_from_drawn_scenes(config):
    assert load_experiment(change(config, "scale", "rehearsal"), ROOT).controls.best.value == {}


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
    assert found == [
        f"config.yaml:{old}: training.lr_sft: 3e-05 has no effect at this scale; workflow/scales/miniature.yaml:{new} "
        "says 0.002"
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


@pytest.mark.parametrize(
    "actions, expected",
    [
        (["Stop", "stop."], "datasets.muson.actions.value.1: 'stop.' is read as 'Stop', which stands before it"),
        (["Turn Left", "Wait", "turn_left"], "datasets.muson.actions.value.2: 'turn_left' is read as 'Turn Left'"),
    ],
)
def test_actions_that_are_read_as_the_same_are_refused(config, actions, expected):
    (line,) = messages(change(config, "datasets.muson.actions.value", actions))
    assert expected in line


@pytest.mark.parametrize("path", ["prompt.system", "prompt.questions", "planning.system"])
def test_prompts_with_control_words_of_models_are_refused(config, path):
    section, name = path.split(".")
    text = "<image> Answer.<|im_end|>"
    value = {**config["prompt"]["questions"]["value"], "action": text} if name == "questions" else text
    override = Document("more.yaml", {section: {name: {"value": value, "assumed": "a trial"}}})
    first, second = messages(config, override)
    field = f"{path}.value.action" if name == "questions" else f"{path}.value"
    assert first.startswith(f"more.yaml: {field}: '<image>' is a sign that models do not read as text")
    assert second.startswith(f"more.yaml: {field}: '<|im_end|>' is a sign")


@pytest.mark.parametrize("text", ["nan", "inf", "-inf", "many"])
def test_what_is_no_number_is_not_advised_to_be_one(config, text):
    (line,) = messages(config, Document("more.yaml", {"training": {"lr_sft": {"value": text, "assumed": "a trial"}}}))
    assert line == f"more.yaml: training.lr_sft.value: {text!r} is not a number; write a number"


NUMBERS = [0, -1, 1e9, 4e-9, 1 / 3, 1e-300, 1e300, 10**30, float("inf"), "1e-5", None, {}]


@pytest.mark.parametrize("number", NUMBERS, ids=repr)
def test_whatever_number_is_given_runs_can_be_made_or_one_line_says_why_not(number):
    """Of every setting that is a number: no traceback, here or when the workflow lists its runs."""
    base = load_experiment(None, ROOT)
    wanted = (
        "training.lr_",
        "training.epochs",
        "objective.gsl",
        "objective.symm",
        "controls.rates",
        "planning.plan.lr",
    )
    numbers = [
        path for path, value, *_ in settings(base) if path.startswith(wanted) and isinstance(value, float | int | list)
    ]
    assert len(numbers) > 6
    for path in numbers:
        value = [0.5, number] if path == "controls.rates" else number
        tree = {"value": value, "assumed": "test"}
        for part in reversed(path.split(".")):
            tree = {part: tree}
        try:
            made = load_experiment(None, ROOT, [Document("more.yaml", tree)])
        except ConfigError as error:
            for line in str(error).splitlines():
                assert re.match(
                    r"(more\.yaml|config\.yaml:\d+|workflow/scales/\w+\.yaml:\d+): [a-z_.0-9]+: .{20,}", line
                ), line
            continue
        for name, run in all_runs(made).items():
            assert find_run(made, name) == run and len(name.split("/")[3]) < 60
