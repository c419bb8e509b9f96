"""A configuration with one change, and what is said of it."""

import copy

import pytest
from conftest import ROOT

from gcl.errors import ConfigError
from gcl.experiment.load import load_experiment
from gcl.experiment.yaml_files import Document


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
