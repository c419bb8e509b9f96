r"""Picture paths as data writes them, and the places they lead to: `Paths(source, images).place(path, file)`.

Paths come from other computers: C:\data\0.png, file:///home/x/0.png, a folder in front that is not here, no suffix.
`suggested(source, named, index)` finds the `images` of a mapping with which they lead to pictures here.
"""

import base64
import binascii
import os
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import unquote

from gcl.data.importing.layout import BESIDE, Moved

SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".bmp")
_KEYS = ("bytes", "path", "image", "url", "file_name", "image_url", "base64")
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")
_DATA = re.compile(r"data:image/[\w.+-]+;base64,")
# The beginnings of PNG, JPEG and WebP in base64. Only a text of `_MANY` characters is taken for one.
_BASE64 = ("iVBORw0KGgo", "/9j/", "UklGR")
_MANY = 200  # characters
_STRIPPED = 8  # prefixes that a mapping may have to name
Index = Mapping[str, Sequence[PurePosixPath]]
Named = Sequence[tuple[str, str]]  # paths as the data writes them, each with the annotation file that names it


class Paths:
    """The mapping's `images` at work."""

    def __init__(self, source: Path, images: str | Moved) -> None:
        self._source, self._beside = source, images == BESIDE
        moved = images if isinstance(images, Moved) else Moved(strip=[], **{"from": images})
        strip = [moved.strip] if isinstance(moved.strip, str) else moved.strip
        self._strip = sorted((PurePosixPath(plain(prefix)).parts for prefix in strip), key=len, reverse=True)
        self._base = PurePosixPath(moved.folder)

    def place(self, text: str, file: str) -> PurePosixPath:
        """The place of a path in an annotation file, relative to the source. An absolute path may stay so."""
        path = PurePosixPath(plain(text))
        for prefix in self._strip:
            if path.parts[: len(prefix)] == prefix and len(path.parts) > len(prefix):
                path = PurePosixPath(*path.parts[len(prefix) :])
                break
        place = (PurePosixPath(file).parent if self._beside else self._base) / path
        return completed(self._source, place)


def is_address(text: str) -> bool:
    """Whether a path leads to another computer. Nothing is read from the network."""
    return bool(_SCHEME.match(text.strip())) and not text.strip().lower().startswith("file://")


def plain(text: str) -> str:
    """A path as this system writes it: no file://, no backslashes, no drive of its own."""
    text = text.strip()
    if text.lower().startswith("file://"):
        text = unquote(text[len("file://") :]).removeprefix("localhost")
    return text.replace("\\", "/")


def written(value: Any) -> tuple[Any, Any]:
    """Name and value (path or contents) of a picture that stands in an object of the usual kinds."""
    path = None
    while isinstance(value, dict) and value and set(value) <= {*_KEYS, "type", "detail"}:
        path = value.get("path") or value.get("file_name") or path
        value = next((value[key] for key in _KEYS if value.get(key) is not None), None)
    return path, value


def contents(value: Any) -> bytes | None:
    """A picture embedded as bytes or in base64; None for anything else. Broken base64 raises a `ValueError`."""
    if isinstance(value, bytes):
        return value
    if not isinstance(value, str):
        return None
    start = _DATA.match(value.lstrip()[:100])
    if not start and (len(value) < _MANY or not value.lstrip().startswith(_BASE64)):
        return None
    try:
        return base64.b64decode("".join((value.lstrip()[start.end() :] if start else value).split()), validate=True)
    except binascii.Error as error:
        raise ValueError(str(error)) from None


def looks_like_picture(value: Any) -> bool:
    """Whether a value could be a picture: contents, or a path with a usual suffix."""
    _, value = written(value[0] if isinstance(value, list) and value else value)
    try:
        return contents(value) is not None or (isinstance(value, str) and plain(value).lower().endswith(SUFFIXES))
    except ValueError:
        return False


def completed(source: Path, place: PurePosixPath) -> PurePosixPath:
    """A path, completed with the suffix of the only picture of this name, if there is just one."""
    if place.suffix.lower() in SUFFIXES or not place.name or len(place.name) > _MANY or "\0" in str(place):
        return place
    names = [f"{place.name}{suffix}" for lower in SUFFIXES for suffix in (lower, lower.upper())]
    found = [name for name in names if _is_there(source, place.with_name(name))]
    return place.with_name(found[0]) if len(found) == 1 else place


def pictures_in(source: Path) -> Iterator[PurePosixPath]:
    """All picture files of a download, relative to it; hidden folders left out."""
    for folder, names, files in os.walk(source):
        names[:] = sorted(name for name in names if not name.startswith("."))
        for name in sorted(files):
            if name.lower().endswith(SUFFIXES):
                yield PurePosixPath((Path(folder) / name).relative_to(source).as_posix())


def index_of(pictures: Iterable[PurePosixPath]) -> Index:
    """Pictures by their names, with and without suffix."""
    index = defaultdict(list)
    for picture in pictures:
        index[picture.name].append(picture)
        index[picture.stem].append(picture)
    return index


def suggested(source: Path, named: Named, index: Index) -> Any:
    """The `images` with which these paths lead to pictures that are there; None if there is none."""
    named = list(dict.fromkeys(named))
    for images in (".", BESIDE):
        paths = Paths(source, images)
        if named and all(_is_there(source, paths.place(*one)) for one in named):
            return images
    texts = list(dict.fromkeys(text for text, _ in named))
    found = Counter(filter(None, (_moved(PurePosixPath(plain(text)), index) for text in texts)))
    for (_, folder), _ in found.most_common():
        strips = [strip for strip, own in found if own == folder and strip]
        if len(strips) > _STRIPPED:
            continue
        strip = strips[0] if len(strips) == 1 else strips
        images = {"strip": strip, "from": folder} if strips else folder
        paths = Paths(source, Moved(**images) if strips else images)
        places = {paths.place(text, "") for text in texts}
        there = sum(_is_there(source, place) for place in places)
        if len(places) == len(texts) and 2 * there > len(texts):
            return images
    return None


def rivals(named: Named, index: Index) -> tuple[str, list[str]] | None:
    """A path that fits pictures in several folders equally well, with the folders; None if there is none."""
    for text, _ in named:
        best, _ = _nearest(PurePosixPath(plain(text)), index)
        folders = list(dict.fromkeys(str(picture.parent) for picture in best))
        if len(folders) > 1:
            return text, folders
    return None


def _moved(path: PurePosixPath, index: Index) -> tuple[str, str] | None:
    """The folders before the common end of a path and its nearest picture: in the path, and on this disk."""
    best, longest = _nearest(path, index)
    if not best:
        return None
    before, here = path.parts[:-longest], best[0].parts[:-longest]
    return str(PurePosixPath(*before)) if before else "", str(PurePosixPath(*here)) if here else "."


def _nearest(path: PurePosixPath, index: Index) -> tuple[list[PurePosixPath], int]:
    """The pictures that have the longest end in common with a path, and its length."""
    best: list[PurePosixPath] = []
    longest = 0
    for picture in index.get(path.name, ()):
        own = (*picture.parts[:-1], path.name)
        same = 0
        while same < min(len(own), len(path.parts)) and own[-1 - same] == path.parts[-1 - same]:
            same += 1
        if same > longest:
            best, longest = [], same
        if same == longest:
            best.append(picture)
    return best, longest


def _is_there(source: Path, place: PurePosixPath) -> bool:
    try:
        return not place.is_absolute() and (source / place).is_file()
    except (OSError, ValueError):  # too long a name, a null character
        return False
