"""The doctor finds missing things and names the remedy. Scripts play SLURM here; tests/slurm has a real one."""

import json
import os
import stat

import pytest
from conftest import ROOT

from gcl.experiment.load import load_experiment
from gcl.experiment.yaml_files import read_yaml
from gcl.operations.doctor import examine


@pytest.fixture
def commands(tmp_path, monkeypatch):
    """Put scripts on an otherwise usual PATH."""
    (tmp_path / "bin").mkdir()
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.chdir(ROOT)

    def write(**scripts: str) -> None:
        for name, text in scripts.items():
            path = tmp_path / "bin" / name
            path.write_text(f"#!/bin/sh\n{text}\n")
            path.chmod(path.stat().st_mode | stat.S_IXUSR)

    return write


def found(experiment, root) -> dict[str, str]:
    """Levels by line."""
    return {f"{finding.what}; {finding.remedy}": finding.level for finding in examine(experiment, root)}


def level(findings: dict[str, str], words: str) -> str:
    (one,) = [value for line, value in findings.items() if words in line]
    return one


def test_a_node_that_answers_is_examined(commands, experiment):
    take_options_away = 'while [ "${1#--}" != "$1" ]; do shift; done; exec "$@"'
    commands(squeue="exit 0", scontrol="echo 'MinJobAge               = 300 sec'", srun=take_options_away)
    findings = found(experiment, ROOT)
    assert level(findings, "squeue remembers finished jobs for 300 s") == "ok"
    assert any("is shared" in line for line in findings), "the node wrote what was asked"
    assert not list((ROOT / "scratch").glob(".doctor-*"))


def test_a_node_that_does_not_answer_and_a_forgetful_queue_are_named(commands, experiment, tmp_path):
    commands(squeue="exit 0", scontrol="echo 'MinJobAge               = 30 sec'", srun="exit 1")
    findings = found(experiment, tmp_path)
    assert level(findings, "squeue forgets finished jobs after 30 s") == "bad"
    assert level(findings, "slurm/profile.yaml to 10") == "bad"
    assert level(findings, "no compute node answered") == "bad"


def test_a_queue_that_is_down_is_named(commands, experiment, tmp_path):
    commands(squeue="exit 1", scontrol="exit 1")
    assert level(found(experiment, tmp_path), "squeue or scontrol do not answer") == "bad"


def test_missing_data_weights_and_disk_are_named_with_the_command_that_helps(commands, tmp_path):
    commands(squeue="exit 1", scontrol="exit 1")
    paper = load_experiment(read_yaml(ROOT / "config.yaml") | {"scale": "paper"}, ROOT)
    findings = found(paper, tmp_path)
    assert level(findings, "snei: no raw data") == "bad"
    assert level(findings, "hf download Qwen/Qwen3-VL-8B-Instruct --revision 0c351dd0") == "look"
    assert any(line.startswith("checkpoints need up to 1,358 GB") for line in findings)
    (tmp_path / "data/raw/snei").mkdir(parents=True)
    assert level(found(paper, tmp_path), "dvc repro manifest@snei") == "bad"


def test_the_verb_ends_with_2_where_something_is_bad(commands, capsys):
    from gcl.cli.main import main

    commands(squeue="exit 1", scontrol="exit 1")
    assert main(["doctor", "--scale", "miniature"]) == 2
    assert "checks are bad: mend these before you train" in capsys.readouterr().err
    assert main(["doctor", "--here", "--json"]) == 0
    assert {finding["level"] for finding in json.loads(capsys.readouterr().out)} == {"ok"}
