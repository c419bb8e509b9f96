"""Pictures are visited once each, in processes of their own; what stops the visit is said in one line."""

import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path, PurePosixPath

import pytest
from PIL import Image

from gcl.data.validation import decoded_pictures as pictures
from gcl.data.validation.decoded_pictures import DecodedPicture, visit
from gcl.errors import DataError
from gcl.files import sha256_file


def _write(folder: Path, count: int) -> list[PurePosixPath]:
    for k in range(count):
        Image.effect_noise((64, 48), 60).convert("RGB").save(folder / f"{k}.png")
    return [PurePosixPath(f"{k}.png") for k in range(count)]


def test_processes_find_what_one_process_finds(tmp_path):
    paths = _write(tmp_path, 40)
    (tmp_path / "7.png").write_bytes(b"no picture")
    alone, together = visit(tmp_path, paths, 1, "noise"), visit(tmp_path, paths, 2, "noise")
    assert alone == together and list(together) == paths
    assert together[paths[7]].problem and not together[paths[7]].sha256
    assert together[paths[8]].sha256 == sha256_file(tmp_path / "8.png") and together[paths[8]].size == (64, 48)
    assert len({picture.looks for picture in together.values()}) > 30


def test_no_pictures_need_no_process(tmp_path):
    assert visit(tmp_path, [], 2, "nothing") == {}


def test_a_process_for_pictures_imports_no_torch():
    module = "gcl.data.validation.decoded_pictures"
    command = f"import sys, {module}; sys.exit('torch' in sys.modules or 'transformers' in sys.modules)"
    subprocess.run([sys.executable, "-c", command], check=True)


def _die(path: Path) -> DecodedPicture:
    os.kill(os.getpid(), signal.SIGKILL)
    return DecodedPicture()


def _interrupt(path: Path) -> DecodedPicture:
    if path.name == "3.png":
        raise KeyboardInterrupt
    return DecodedPicture()


def test_a_killed_process_ends_the_visit_with_a_message(tmp_path, monkeypatch):
    monkeypatch.setattr(pictures, "inspect", _die)
    with pytest.raises(
        DataError, match=r"was killed, probably for lack of memory, .* of 3; .* fewer processes"
    ) as error:
        visit(tmp_path, _write(tmp_path, 3), 2, "noise")
    assert "\n" not in str(error.value)


def test_an_interrupt_ends_the_visit_with_a_message(tmp_path, monkeypatch):
    monkeypatch.setattr(pictures, "inspect", _interrupt)
    with pytest.raises(DataError, match="interrupted after 3 of 5 pictures; run it again"):
        visit(tmp_path, _write(tmp_path, 5), 1, "noise")


PROGRAM = """
    import sys, time
    from pathlib import Path, PurePosixPath
    from gcl.data.validation import decoded_pictures as pictures
    from gcl.errors import DataError

    def slow(path):
        Path(path.parent, "started").touch()
        time.sleep(0.1)
        return pictures.DecodedPicture()

    if __name__ == "__mp_main__":
        Path(sys.argv[1], "starting").touch()
        time.sleep(0.5)
    if __name__ == "__main__":
        pictures.inspect = slow
        try:
            pictures.visit(Path(sys.argv[1]), [PurePosixPath(f"{k}.png") for k in range(2000)], 2, "slow")
        except DataError as error:
            sys.exit(f"said: {error}")
"""


@pytest.fixture
def program(tmp_path):
    """A visit of two minutes under way, in a process group of its own."""
    (tmp_path / "program.py").write_text(textwrap.dedent(PROGRAM))
    command = [sys.executable, str(tmp_path / "program.py"), str(tmp_path)]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, start_new_session=True)
    yield process
    if _alive(process.pid):
        os.killpg(process.pid, signal.SIGKILL)


def _wait(condition) -> None:
    end = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)


def _alive(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.mark.slow
@pytest.mark.parametrize("moment", ["starting", "started"])
def test_ctrl_c_ends_all_processes_with_one_message_and_no_traceback(program, tmp_path, moment):
    _wait((tmp_path / moment).exists)
    os.killpg(program.pid, signal.SIGINT)
    _, errors = program.communicate(timeout=60)
    assert "said: " in errors and "interrupted after" in errors and "Traceback" not in errors
    assert program.returncode == 1
    _wait(lambda: not _alive(program.pid))


@pytest.mark.slow
def test_processes_end_when_the_one_that_started_them_is_killed(program, tmp_path):
    _wait((tmp_path / "started").exists)
    program.kill()
    program.communicate(timeout=60)
    _wait(lambda: not _alive(program.pid))
