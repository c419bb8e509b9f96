"""A record names command, machine and sources in a form that a reader can use."""

import subprocess
import sys

import pytest
from conftest import ROOT

from gcl.experiment.provenance import command_line, git_state, hardware


@pytest.mark.parametrize(
    ("typed", "said"),
    [("/home/me/.venv/bin/gcl", "gcl"), ("/usr/bin/pytest", "pytest")],
)
def test_a_command_is_as_typed_without_the_machines_folders(monkeypatch, typed, said):
    monkeypatch.setattr(sys, "argv", [typed, "train", "--to", "results/x"])
    assert command_line() == [said, "train", "--to", "results/x"]


def test_the_hardware_has_a_name_and_sizes():
    found = hardware()
    assert set(found) == {"system", "cpu", "cores", "memory_mib", "gpus"}
    assert found["cores"] >= 1 and found["memory_mib"] > 256


@pytest.fixture
def repository(tmp_path):
    """A repository with the sources that count, committed once."""
    (tmp_path / "gcl/experiment").mkdir(parents=True)
    (tmp_path / "gcl/experiment/provenance.py").write_text("")
    (tmp_path / "config.yaml").write_text("")
    git = ["git", "-C", str(tmp_path), "-c", "user.name=x", "-c", "user.email=x@example.org"]
    for arguments in (["init", "-q"], ["add", "."], ["commit", "-q", "-m", "x"]):
        subprocess.run([*git, *arguments], check=True)
    return tmp_path


def test_the_commit_is_named_with_whether_sources_differ(repository):
    head = subprocess.run(["git", "-C", repository, "rev-parse", "HEAD"], capture_output=True, text=True, check=True)
    assert git_state(repository) == {"commit": head.stdout.strip(), "dirty": False}
    (repository / "results").mkdir()
    (repository / "results/table.md").write_text("results are no sources")
    assert git_state(repository)["dirty"] is False
    (repository / "gcl/new.py").write_text("")
    assert git_state(repository)["dirty"] is True


def test_an_installed_copy_does_not_claim_the_commit_around_it(repository, tmp_path_factory):
    (repository / ".venv/gcl/experiment").mkdir(parents=True)
    (repository / ".venv/gcl/experiment/provenance.py").write_text("")
    assert git_state(repository / ".venv") is None
    assert git_state(tmp_path_factory.mktemp("elsewhere")) is None


def test_without_git_the_state_is_unknown(monkeypatch):
    monkeypatch.setenv("PATH", "")
    assert git_state(ROOT) is None
