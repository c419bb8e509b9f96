"""All pictures of a data set in one visit each: `visit(root, paths, processes, name)`.

A visit reads the file once, hashes its bytes, decodes every pixel and makes a perceptual hash. Processes of their own do it.
They import nothing but this module's libraries.
"""

import hashlib
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from PIL import Image
from tqdm import tqdm

from gcl.data.images import PictureError, load_picture, read_picture
from gcl.data.similar import perceptual_hash
from gcl.errors import DataError

_CHUNK = 16  # pictures a worker is given at a time
Inspect = Callable[[Path], "DecodedPicture"]


@dataclass(frozen=True)
class DecodedPicture:
    """The findings of a visit."""

    problem: str | None = None  # why the picture cannot be used; all but `remedy` is then empty
    sha256: str = ""  # of the file's bytes
    looks: int = 0  # perceptual hash
    size: tuple[int, int] = (0, 0)  # width and height, upright
    changes: tuple[str, ...] = ()  # that `load_picture` made
    remedy: str = ""  # for the problem


def inspect(path: Path) -> DecodedPicture:
    """Visit one file."""
    try:
        data = read_picture(path)
        picture, changes = load_picture(data)
    except PictureError as error:
        return DecodedPicture(problem=error.what, remedy=error.remedy)
    return DecodedPicture(None, hashlib.sha256(data).hexdigest(), perceptual_hash(picture), picture.size, changes)


def visit(root: Path, paths: Sequence[Path], processes: int, name: str) -> dict[Path, DecodedPicture]:
    """Visit all files of `paths`, relative to `root`. `name` is the data set's. One process stays in this one.

    Raises:
        DataError: if it is interrupted, or a process is killed.
    """
    found: dict[Path, DecodedPicture] = {}
    files = [root / path for path in paths]
    try:
        with (
            _mapped(inspect, files, min(processes, len(files))) as pictures,
            tqdm(total=len(files), desc=f"{name}: pictures", unit="picture", mininterval=1) as bar,
        ):
            for path, picture in zip(paths, pictures, strict=True):
                found[path] = picture
                bar.update()
    except KeyboardInterrupt:
        raise DataError(f"{root}: interrupted after {len(found)} of {len(files)} pictures; run it again") from None
    except BrokenProcessPool:
        raise DataError(
            f"{root}: a process that read pictures was killed, probably for lack of memory, soon after picture "
            f"{len(found)} of {len(files)}; run it again with fewer processes"
        ) from None
    return found


@contextmanager
def _mapped(inspect: Inspect, files: Sequence[Path], processes: int) -> Iterator[Iterator[DecodedPicture]]:
    if processes <= 1:
        yield map(inspect, files)
        return
    # Not forked, since libraries of this process may run threads, which do not survive a fork.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(processes, mp_context=context, initializer=_prepare_worker) as pool:
        # Workers inherit the mask, so Ctrl-C reaches only this process. It then ends them without their tracebacks.
        mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            pictures = pool.map(inspect, files, chunksize=_CHUNK)
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        try:
            yield pictures
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def _prepare_worker() -> None:
    # The memory of one picture is kept for the next, up to 64 MB. This saves a quarter of the time.
    Image.core.set_blocks_max(64)

    # A worker whose parent was killed would wait for work for ever.
    def watch() -> None:
        multiprocessing.parent_process().join()
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
