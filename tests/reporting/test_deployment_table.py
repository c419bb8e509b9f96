"""Table and figure of deployment, from reports of answers and measurements."""

import io
import random

import pandas as pd
import pytest
from conftest import ROOT

from gcl.deployment.format import FORMATS
from gcl.deployment.measured_process import MEASURES
from gcl.errors import ConfigError, DataError
from gcl.experiment.deployed import REFERENCE, deployed_members
from gcl.experiment.deployment_schema import FormatName
from gcl.experiment.load import load_experiment
from gcl.experiment.places import places
from gcl.experiment.yaml_files import Document
from gcl.files import read_json, write_json
from gcl.reporting.figures.tradeoff import tradeoff_figure
from gcl.reporting.tables.deployment_table import deployment_table
from gcl.reporting.tables.markup import csv_text, latex, markdown

HARDWARE = {"cpu": "a processor", "cores": 2, "memory_mib": 1024, "gpus": [], "system": "Linux"}
SETTINGS = {"repetitions": 3, "scenes": 1, "width": 1280, "height": 720, "threads": 1}


@pytest.fixture
def results(experiment, tmp_path):
    """Reports about all members and formats; bf16 gives one other answer, nf4 worse ones."""
    here, folders, chance = places(experiment, tmp_path), [], random.Random(1)
    for member, run in deployed_members(experiment):
        scores = {f"s{k:02d}": chance.uniform(0.4, 0.9) for k in range(20)}
        answers = []
        for number, name in enumerate(experiment.deployment.formats.value):
            own = {key: score - 0.2 * (name == "nf4") for key, score in scores.items()}
            sha256 = f"{run.id} {name}"
            answers.append(
                {"format": name, "sha256": sha256, "size": (number + 1) * 2**20, "asked": 100,
                 "different": {"bf16": 1, "nf4": 40}.get(name, 0), "scores": own}
            )  # fmt: skip
            measures = {key: {"mean": 0.1 * (number + 1), "low": 0.09, "high": 0.7} for key in MEASURES} | {
                "energy_j": None
            }
            folders.append({"run": run.id, "role": member.role, "format": name, "sha256": sha256, "measures": measures})
        write_json(
            here.agreement(run.id, member.role),
            {"header": "Action-F1", "model": run.members[0].model, "folders": answers},
        )
    write_json(here.measured, {"machine": HARDWARE, "settings": SETTINGS, "folders": folders})
    return tmp_path


def test_settings_and_code_know_the_same_formats(experiment):
    assert set(FormatName.__args__) == set(FORMATS)
    assert experiment.deployment.formats.value[0] == REFERENCE


def test_the_table_has_a_row_for_each_member_and_format(experiment, results):
    table = deployment_table(experiment, results)
    members, formats = experiment.deployment.members.value, experiment.deployment.formats.value
    assert len(table.rows) == len(members) * len(formats)
    by_format = {row.cells["format"]: row.cells for row in table.rows[: len(formats)]}
    assert by_format["float32"]["action_f1"].gain is None
    assert by_format["bf16"]["different"] == "1 of 100"
    assert by_format["bf16"]["action_f1"].gain.mark == "open"
    assert by_format["nf4"]["action_f1"].gain.mark == "worse"
    assert by_format["nf4"]["energy_j"] == "not told"
    frame = pd.read_csv(io.StringIO(csv_text(table)))
    assert frame.loc[1, ["action_s", "action_s_low", "size_mib"]].tolist() == [0.2, 0.09, 2.0]
    assert "not told" in markdown(table) and r"\bottomrule" in latex(table)


def test_the_figure_is_drawn(experiment, results, tmp_path):
    tradeoff_figure(experiment, results, tmp_path / "tradeoff")
    assert (tmp_path / "tradeoff.png").stat().st_size > 10_000


def test_answers_and_times_of_other_files_do_not_mix(experiment, results):
    path = places(experiment, results).measured
    report = read_json(path)
    report["folders"][0]["sha256"] = "another"
    write_json(path, report)
    with pytest.raises(DataError, match="other files"):
        deployment_table(experiment, results)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"formats": ["bf16"]}, "put it first"),
        ({"formats": ["float32", "float32"]}, "listed twice"),
        ({"dataset": "atlantis"}, "unknown data set"),
        ({"members": [{"name": "a", "run": "sft/qwen3-vl-4b/default", "role": "guide"}]}, "use one of solo"),
        ({"members": [{"name": "a", "run": "sft/gpt/default", "role": "solo"}]}, "unknown model"),
    ],
)
def test_mistakes_in_the_settings_are_named(changes, message):
    tree = {"deployment": {name: {"value": value, "assumed": "a test"} for name, value in changes.items()}}
    with pytest.raises(ConfigError, match=message):
        load_experiment(None, ROOT, [Document("test", tree)])
