"""`gcl publish`: nothing leaves without --upload; an upload goes through huggingface_hub, whole, and continues."""

import hashlib
import io
import sys
from pathlib import Path

import huggingface_hub.constants as settings
import pytest
from fake_hub import TOKEN, FakeHub
from fake_metrics import experiment_with
from publication_case import GCL, trained_project

from gcl.cli.main import main
from gcl.publication.folder import SUMS

TO = Path("out")
COMMAND = ["publish", GCL, "--role", "learner", "--repo", "somebody/learner", "--to", str(TO)]


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> Path:
    """A project with a trained run."""
    folder = tmp_path_factory.mktemp("project")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        trained_project(folder, experiment_with(), GCL)
    return folder


@pytest.fixture
def hub(trained, monkeypatch):
    """A hub that is asked instead of the real one; the present folder is the project."""
    server = FakeHub()
    monkeypatch.chdir(trained)
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    monkeypatch.setattr(settings, "ENDPOINT", server.url)
    monkeypatch.setattr(settings, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(settings, "HF_HUB_DISABLE_XET", True)  # its storage is another server
    monkeypatch.setattr(sys, "stdin", io.StringIO(""))
    yield server
    server.close()


def contents() -> dict[str, bytes]:
    return {path.relative_to(TO).as_posix(): path.read_bytes() for path in TO.rglob("*") if path.is_file()}


def fails(capsys, *arguments: str) -> str:
    assert main(arguments) == 2
    return capsys.readouterr().err


def test_without_upload_the_folder_is_listed_and_nothing_leaves(hub, capsys):
    assert main(COMMAND) == 0
    said = capsys.readouterr().out
    assert "out: 11 files, " in said and "for https://huggingface.co/somebody/learner" in said
    assert all(f"  {name}\n" in said for name in contents()) and "nothing was uploaded: that takes --upload" in said
    assert hub.requests == []


def test_an_upload_sends_every_file_and_the_hashes_last(hub, capsys):
    assert main([*COMMAND, "--upload"]) == 0
    assert hub.files == contents() and hub.private is True
    assert hub.commits[-1] == [SUMS] and all(SUMS not in names for names in hub.commits[:-1])
    assert f"{hub.url}/somebody/learner/commit/" in capsys.readouterr().out


def test_an_interrupted_upload_continues_and_sends_nothing_twice(hub, capsys):
    assert main(COMMAND) == 0
    crate = hashlib.sha256((TO / "ro-crate.zip").read_bytes()).hexdigest()
    hub.refused = {crate}
    error = fails(capsys, *COMMAND, "--upload")
    assert "the same command continues where it ended" in error and "Traceback" not in error
    assert SUMS not in hub.files, "so nobody takes it for whole"
    hub.refused = set()
    assert main([*COMMAND, "--upload"]) == 0
    assert hub.files == contents() and len(hub.sent) == len(set(hub.sent)) == 2
    commits = len(hub.commits)
    assert main([*COMMAND, "--upload"]) == 0
    assert len(hub.commits) == commits and len(hub.sent) == 2, "all is there"


@pytest.mark.parametrize(("answer", "sent"), [("y\n", True), ("n\n", False), ("\n", False)])
def test_a_terminal_is_asked_first(hub, capsys, monkeypatch, answer, sent):
    terminal = io.StringIO(answer)
    terminal.isatty = lambda: True
    monkeypatch.setattr(sys, "stdin", terminal)
    assert main([*COMMAND, "--upload"]) == 0
    assert "Upload these 11 files to https://huggingface.co/somebody/learner? [y/N]" in capsys.readouterr().out
    assert bool(hub.files) == sent == bool(hub.requests)


def test_without_a_token_it_says_how_to_get_one(hub, capsys, monkeypatch, tmp_path):
    monkeypatch.delenv("HF_TOKEN")
    monkeypatch.setattr(settings, "HF_TOKEN_PATH", str(tmp_path / "none"))
    assert "no token for the hub; make one that may write" in fails(capsys, *COMMAND, "--upload")
    assert hub.requests == []


def test_a_token_that_may_not_write_is_told(hub, capsys, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "hf_wrong")
    assert "the hub refuses (401)" in (error := fails(capsys, *COMMAND, "--upload"))
    assert "may the token write there?" in error and hub.files == {}


def test_offline_is_told(hub, capsys, monkeypatch):
    monkeypatch.setattr(settings, "HF_HUB_OFFLINE", True)
    assert "HF_HUB_OFFLINE is set" in fails(capsys, *COMMAND, "--upload")


def test_a_card_that_the_hub_refuses_is_told(hub, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    trained_project(tmp_path, experiment_with(), GCL, licence=None)
    assert "license is missing" in fails(capsys, *COMMAND, "--upload")
    assert hub.files == {}


def test_upload_needs_a_repository_with_an_owner(hub, capsys):
    assert "--upload needs --repo OWNER/NAME" in fails(capsys, "publish", GCL, "--role", "learner", "--upload")
    assert "no owner; give OWNER/NAME" in fails(capsys, "publish", GCL, "--role", "learner", "--repo", "learner")
    assert "--repo a b/c" in fails(capsys, "publish", GCL, "--role", "learner", "--repo", "a b/c")
