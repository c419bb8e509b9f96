"""`gcl serve` from the command line: where it listens, how it starts and how it ends."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time

import pytest
from conftest import ROOT
from serving_case import Client, make_member

from gcl.cli import serving_verbs
from gcl.cli.main import main
from gcl.errors import ConfigError
from gcl.serving import listening


@pytest.fixture(scope="module")
def member(tmp_path_factory):
    return make_member(tmp_path_factory.mktemp("member"))


def fails(capsys, *arguments):
    assert main(["serve", *arguments]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and error.startswith("gcl: error: ")
    return error


def test_a_port_that_is_taken_is_said_at_once(capsys):
    with listening.listener("127.0.0.1", 0) as opened:
        port = opened.getsockname()[1]
        error = fails(capsys, "no-such-folder", "--port", str(port))
    assert f"--port {port}: another program listens there" in error


def test_a_member_that_is_not_there(capsys):
    assert "no-such-folder: no such folder" in fails(capsys, "no-such-folder", "--port", "0")


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1"])
def test_other_machines_are_let_in_on_purpose_alone(capsys, monkeypatch, host):
    monkeypatch.delenv("GCL_API_KEY", raising=False)
    assert "other machines reach it; give --api-key, or --open" in fails(capsys, "x", "--host", host)
    assert listening.check_address(host, "key", open_to_all=False)
    assert listening.check_address(host, None, open_to_all=True)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.1.2.3", "localhost", "::1"])
def test_this_machine_alone_needs_no_key(host):
    assert not listening.check_address(host, None, open_to_all=False)


def test_the_key_comes_from_the_environment_too(capsys, monkeypatch):
    monkeypatch.setenv("GCL_API_KEY", "secret")
    assert main(["serve", "no-such-folder", "--host", "0.0.0.0", "--port", "0"]) == 2
    error = capsys.readouterr().err
    assert "warning: other machines reach 0.0.0.0" in error and "no such folder" in error and "secret" not in error


def test_hosts_that_are_none(capsys):
    assert "--host no.such.host.invalid: " in fails(capsys, "x", "--host", "no.such.host.invalid")
    with pytest.raises(ConfigError, match="no address of this machine"):
        listening.listener("192.0.2.1", 0)


def test_the_default_is_the_loopback_alone(monkeypatch):
    """The address that is opened, not the one that help speaks of."""
    opened = []

    def noted(host, port):
        opened.append((host, port))
        raise ConfigError("enough")

    monkeypatch.setattr(listening, "listener", noted)
    assert main(["serve", "x"]) == 2
    assert opened == [("127.0.0.1", 8000)]


def test_without_the_libraries_the_verb_says_what_to_install(capsys, monkeypatch):
    monkeypatch.setattr(serving_verbs, "find_spec", lambda name: None)
    assert "pip install 'gcl[serve]'" in fails(capsys, "x")


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_lets_requests_finish_and_ends_well(member, number):
    command = [sys.executable, "-m", "gcl", "serve", str(member), "--port", "0"]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, cwd=ROOT, env=os.environ | {"PYTHONPATH": str(ROOT)}, **pipes) as process:
        line = process.stdout.readline()
        assert line.startswith("snei/x/seed0/learner answers at http://127.0.0.1:") and line.endswith("/v1\n")
        client, replies = Client(int(line.rsplit(":", 1)[1].removesuffix("/v1\n")), []), []
        threads = [
            threading.Thread(target=lambda: replies.append(client.chat("What do you see?", max_tokens=200)))
            for _ in range(6)
        ]
        client.chat("What do you see?")
        for thread in threads:
            thread.start()
        while not json.loads(client.send("GET", "/health").text)["waiting"] and any(
            map(threading.Thread.is_alive, threads)
        ):
            time.sleep(0.001)
        process.send_signal(number)
        for thread in threads:
            thread.join(30)
        errors = process.stderr.read()
    assert process.returncode == 0 and "Traceback" not in errors
    assert replies and {reply.status for reply in replies} == {200}
    with socket.socket() as free:
        assert free.connect_ex(("127.0.0.1", client.port)) != 0
