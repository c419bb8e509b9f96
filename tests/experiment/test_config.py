"""The configuration: every mistake is one line that names file, field, value and remedy."""

import re

import pytest
import yaml
from config_cases import change, messages
from conftest import ROOT

from gcl.errors import ConfigError
from gcl.experiment.checks import warnings
from gcl.experiment.execution import changed, execution_spec
from gcl.experiment.grid import all_runs
from gcl.experiment.load import load_experiment, settings
from gcl.experiment.methods.registry import find_run
from gcl.experiment.yaml_files import Document, read_yaml


@pytest.fixture
def config():
    return yaml.safe_load((ROOT / "config.yaml").read_text())


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
        ("scale", "huge", ["scale: 'huge' is not known", "rehearsal, paper or one-gpu"]),
        ("seeds.assumed", None, ["seeds", "exactly one origin"]),
    ],
)  # fmt: skip
def test_a_mistake_names_file_field_value_and_remedy(config, path, value, expected):
    (line,) = messages(change(config | {"scale": "paper"}, path, value))  # which replaces no setting
    assert line.split(": ")[0].endswith(".yaml") or line.startswith("command line")
    for part in expected:
        assert part in line


def test_a_duplicate_group_is_refused(config):
    config["groups"]["muson"]["value"].append(config["groups"]["muson"]["value"][0])
    (line,) = messages(config)
    assert "groups.muson.value.12: duplicate run: qwen3-vl-2b / qwen2.5-vl-3b" in line


def test_all_mistakes_are_reported_together(config):
    config = change(change(config, "objective.kappa.value", "1e-5"), "objective.symmetric_tau.vale", 1)
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
    own = config["training"]["lr_sft"]["value"]
    slow = Document("command line", {"training": {"lr_sft": {"value": own, "assumed": "as config.yaml has it"}}})
    assert load_experiment(config, ROOT, [slow]).training.lr_sft.value == own
    scale = read_yaml(ROOT / "workflow/scales/miniature.yaml")["training"]["lr_sft"]["value"]
    assert load_experiment(config, ROOT).training.lr_sft.value == scale != own


def test_a_mistake_in_an_architecture_is_one_line(config):
    models = {"qwen3-vl-2b": {"family": "qwen3_vl", "hidden_size": "64"}}
    lines = messages(config, Document("more.yaml", {"base_models": {"models": {"value": models, "assumed": "x"}}}))
    assert any("hidden_size: '64' is not a number" in line for line in lines)
    assert not any("did you mean" in line for line in lines)


def test_a_data_set_without_groups_is_named(config):
    del config["groups"]["muson"]
    (line,) = messages(config)
    assert "no groups for the data set 'muson'" in line


def test_weights_in_4_bits_are_not_divided(config):
    config["training"] |= {"quantization": {"value": "nf4", "assumed": "test"}}
    with pytest.raises(ConfigError, match=r"training.quantization.value: ZeRO-3 cannot divide 4-bit weights; use"):
        load_experiment(config | {"scale": "paper"}, ROOT)


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
        "execution.retain.value: 'adapters' would keep nothing" in line
        and "(planning.distillation.lora, exchange.planning.lora: null)" in line
    )
    config["planning"]["distillation"]["lora"] = config["exchange"]["planning"]["lora"] = lora
    load_experiment(paper, ROOT)
    config["training"]["lora"] = {"value": None, "assumed": "test"}
    assert "(training.lora: null)" in messages(paper)[0]


def test_every_node_has_as_many_processes(config):
    config["execution"]["processes"]["value"], config["execution"]["nodes"]["value"] = 8, 3
    with pytest.raises(ConfigError, match=r"execution.nodes.value: 8 processes cannot be divided among 3 nodes"):
        load_experiment(config | {"scale": "paper"}, ROOT)


def test_no_run_knows_of_loggers_so_another_one_reruns_nothing(config):
    runs = all_runs(load_experiment(config, ROOT))
    assert all_runs(load_experiment(change(config, "execution.loggers.value", ["wandb"]), ROOT)) == runs
    (line,) = messages(change(config | {"scale": "paper"}, "execution.loggers.value", ["weights"]))
    assert "execution.loggers.value.0" in line and "'weights'" in line and "'dvclive'" in line


def test_execution_can_be_changed_for_one_training(experiment):
    spec = execution_spec(experiment.execution)
    assert changed(spec, ["processes=4", "engine=deepspeed", "head_chunk=null", "offload=true"]) == spec.model_copy(
        update={"processes": 4, "engine": "deepspeed", "offload": True}
    )
    for bad, message in (("processes", "NAME=VALUE"), ("speed=1", "one of engine"), ("zero_stage=4", "1, 2 or 3"),
        ("zero_stage=true", "not true or false"), ("workers=-1", "greater than or equal to 0"),
        ("keep=[", "is no value")):  # fmt: skip
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


@pytest.mark.parametrize("path", ["prompt.system", "datasets.tuning.turns", "planning.system"])
def test_prompts_with_control_words_of_models_are_refused(config, path):
    text = "<image> Answer.<|im_end|>"
    turns = {"act": {"question": text, "metrics": ["f1"]}}
    tree = {"value": turns if path.endswith("turns") else text, "assumed": "a trial"}
    for part in reversed(path.split(".")):
        tree = {part: tree}
    first, second = messages(config, Document("more.yaml", tree))
    field = f"{path}.value.act.question" if path.endswith("turns") else f"{path}.value"
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
