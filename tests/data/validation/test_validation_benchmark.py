"""The benchmark of the validation runs, at a size that says nothing."""

import json
import subprocess
import sys

import pytest
from conftest import ROOT


@pytest.mark.slow
def test_the_validation_is_measured(tmp_path):
    arguments = ["--pictures", "20", "--size", "320", "180", "--processes", "1", "2", "--to"]
    command = [sys.executable, str(ROOT / "benchmarks/validation.py"), *arguments, str(tmp_path / "found.json")]
    subprocess.run(command, check=True, capture_output=True)
    found = json.loads((tmp_path / "found.json").read_text())
    assert {"cpu", "cores", "load"} <= set(found["hardware"]) and found["settings"]["pictures"] == 20
    assert [result["processes"] for result in found["results"]] == [1, 2]
    assert all(result["pictures_per_second"] > 0 and result["page_bytes"] > 10_000 for result in found["results"])
