"""Write files and folders whole or not at all: they get their final name only when complete. Also hashes of both."""

import errno
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from gcl.errors import DataError

STDIN = "/dev/stdin"  # the meaning of `-` on a command line


@contextmanager
def atomic_path(path: Path | str) -> Iterator[Path]:
    """Yield a temporary path beside `path`; rename it if the block succeeds, remove it if the block fails."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.stem}.", suffix=path.suffix)
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        temporary.chmod(0o666 & ~_umask())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def atomic_folder(path: Path | str, *, replace: bool = True) -> Iterator[Path]:
    """Yield a temporary folder beside `path`; it becomes `path` if the block succeeds.

    Args:
        path: of the folder to make.
        replace: whether to replace an existing folder.

    Raises:
        DataError: if `replace` is false and the folder exists at the end.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(dir=path.parent, prefix=f".{path.name}."))
    try:
        yield temporary
        temporary.chmod(0o777 & ~_umask())
        for file in temporary.rglob("*"):  # safetensors lets only the owner read its files
            if file.is_file():
                file.chmod(0o666 & ~_umask())
        if path.exists() and replace:
            shutil.rmtree(path)
        try:
            temporary.replace(path)
        except OSError as error:
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR):
                raise
            raise DataError(
                f"{path}: somebody else has made it meanwhile; remove it, or choose another folder"
            ) from None
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def write_text(path: Path | str, text: str) -> None:
    """Write UTF-8 text with Unix line ends, whole or not at all."""
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="\n")


def write_json(path: Path | str, value: Any) -> None:
    """Write indented JSON, keys in the order given."""
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def write_jsonl(path: Path | str, records: Iterable[Any]) -> None:
    """Write one JSON value a line."""
    write_text(path, "".join(json.dumps(record, ensure_ascii=False, allow_nan=False) + "\n" for record in records))


def read_json(path: Path | str) -> Any:
    """Read JSON that the pipeline wrote.

    Raises:
        DataError: if the file is not valid JSON.
    """
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except ValueError as error:
        raise DataError(f"{path}: broken ({error}); delete it and run snakemake again") from None


def read_jsonl(path: Path | str) -> list[Any]:
    """Read one JSON value a line.

    Raises:
        DataError: naming the first invalid line.
    """
    values = []
    # splitlines() would also break at characters that JSON allows inside texts.
    lines = Path(path).read_text(encoding="utf-8").removesuffix("\n").split("\n")
    for number, line in enumerate(lines if lines != [""] else [], start=1):
        try:
            values.append(json.loads(line))
        except ValueError as error:
            raise DataError(f"{path}:{number}: broken ({error}); delete the file and run snakemake again") from None
    return values


def canonical_json(value: Any) -> str:
    """One spelling for equal values: sorted keys, no spaces. Run ids and fingerprints use it."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def sha256_text(text: str) -> str:
    """Hex SHA-256 of the text's UTF-8 bytes."""
    return hashlib.sha256(text.encode()).hexdigest()


def sha256_file(path: Path | str) -> str:
    """Hex SHA-256 of a file's bytes, read in blocks."""
    with Path(path).open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def sha256_files(paths: Iterable[Path | str], root: Path | str) -> str:
    """One hash over several files: their paths relative to `root` and their contents, in sorted order."""
    # Names do not follow links, because a hub snapshot is a folder of links into another folder.
    root = Path(root).absolute()
    relative = sorted((Path(p).absolute().relative_to(root).as_posix(), p) for p in paths)
    return sha256_text("\n".join(f"{name} {sha256_file(path)}" for name, path in relative))


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
