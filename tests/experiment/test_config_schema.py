"""The JSON Schema that editors check config.yaml with."""

import json

import jsonschema
import pytest
from conftest import ROOT

from gcl.cli.main import main
from gcl.experiment.json_schema import config_schema
from gcl.experiment.yaml_files import read_yaml

FILES = [ROOT / "config.yaml", *sorted((ROOT / "workflow/scales").glob("*.yaml"))]
STORED = ROOT / "workflow/schemas/config.schema.json"


@pytest.fixture(scope="module")
def validator():
    jsonschema.Draft202012Validator.check_schema(config_schema())
    return jsonschema.Draft202012Validator(config_schema())


def test_the_stored_schema_is_current(tmp_path):
    assert main(["settings", "--schema", str(tmp_path / "schema.json")]) == 0
    assert (tmp_path / "schema.json").read_text() == STORED.read_text(), "type `make schema`"


@pytest.mark.parametrize("file", FILES, ids=lambda path: path.name)
def test_the_shipped_files_are_valid_and_name_the_schema(validator, file):
    assert [error.message for error in validator.iter_errors(read_yaml(file))] == []
    first = file.read_text().splitlines()[0]
    assert first.startswith("# yaml-language-server: $schema=")
    assert (file.parent / first.partition("=")[2]).resolve() == STORED.resolve()


@pytest.mark.parametrize(
    "given, part",
    [
        ({"training": {"epocs": {"value": 1, "assumed": "x"}}}, "epocs"),
        ({"training": {"epochs": {"value": 0, "assumed": "x"}}}, "minimum"),
        ({"training": {"epochs": {"value": 1}}}, "is not valid under any of the given schemas"),
        ({"training": {"epochs": {"assumed": "x"}}}, "'value' is a required property"),
        ({"training": {"epochs": {"value": 1, "paper": "x", "assumed": "y"}}}, "valid under each of"),
        ({"objective": {"divergence": {"value": "alpha", "assumed": "x"}}}, "is not one of"),
        ({"evaluation": {"encoders": {"value": [{"layer": 3}], "assumed": "x"}}}, "'encoder' is a required property"),
    ],
)
def test_a_mistake_is_underlined(validator, given, part):
    errors = [error.message for error in validator.iter_errors(json.loads(json.dumps(given)))]
    assert any(part in message for message in errors), errors
