"""The examples of docs/serving.md, asked of a real server, and eight clients at once."""

import importlib.util
import json
import re
import shutil
import subprocess
import sys

import pytest
from conftest import ROOT
from serving_case import make_member, served_member, serving, shown, words

PAGE = (ROOT / "docs/serving.md").read_text(encoding="utf-8")
ADDRESS = "http://127.0.0.1:8000"


@pytest.fixture(scope="module")
def client(tmp_path_factory):
    with serving(served_member(make_member(tmp_path_factory.mktemp("member")))) as client:
        yield client


@pytest.fixture
def folder(tmp_path, scenarios):
    """The folder in which the page's commands are typed."""
    shutil.copy(scenarios[0].pictures[0].path, tmp_path / "photo.png")
    return tmp_path


@pytest.fixture
def said(client, folder):
    return client.chat([shown(folder / "photo.png"), words("What should the robot do?")]).said


@pytest.mark.skipif(shutil.which("curl") is None, reason="no curl")
def test_the_example_of_curl_is_answered(client, folder, said):
    (block,) = re.findall(r"```console\n\$ (curl .*?)```", PAGE, re.DOTALL)
    assert block.count(ADDRESS) == 1
    command = block.replace(ADDRESS, f"http://127.0.0.1:{client.port}")
    done = subprocess.run(["bash", "-c", command], cwd=folder, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout)["choices"][0]["message"]["content"] == said


def test_the_example_of_python_is_answered(client, folder, said):
    (example,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    compile(example, "docs/serving.md", "exec")
    assert example.count(ADDRESS) == 1
    if importlib.util.find_spec("openai") is None:
        pytest.skip("no openai; the example compiles")
    script = example.replace(ADDRESS, f"http://127.0.0.1:{client.port}")
    done = subprocess.run([sys.executable, "-c", script], cwd=folder, capture_output=True, text=True, check=True)
    assert done.stdout.removesuffix("\n") == said


def test_the_limits_of_the_page_are_those_of_the_server():
    from gcl.serving.limits import Limits

    table = PAGE[PAGE.index("| limit |") :]
    rows = dict(re.findall(r"^\| ([^|]+?) \| ([\d ]*\d)", table, re.MULTILINE))
    bounds = Limits()
    expected = {
        "bytes of a request": bounds.body, "pixels of a picture, by its header": bounds.pixels,
        "pictures of a request": bounds.pictures, "tokens of prompt and answer": bounds.context,
        "tokens of an answer": bounds.answer, "seconds of a request, waiting included": bounds.seconds,
        "requests answered together": bounds.batch, "requests that wait": bounds.queue,
    }  # fmt: skip
    assert {name: int(value.replace(" ", "")) for name, value in rows.items()} == expected


@pytest.mark.slow
def test_eight_clients_get_no_error(tmp_path):
    command = [sys.executable, str(ROOT / "benchmarks/serve.py"), "--clients", "8", "--seconds", "4"]
    subprocess.run([*command, "--to", str(tmp_path / "serve.json")], cwd=ROOT, check=True, capture_output=True)
    found = json.loads((tmp_path / "serve.json").read_text())
    assert found["errors"] == 0, found["first_error"]
    assert found["requests"] >= 8 and 0 < found["latency"]["p50"] <= found["latency"]["p90"] <= found["latency"]["p99"]
