"""Why pictures could not be used, the cause once: `explained(failures, tried, reading)`.

Else a download whose pictures are still packed would be answered with one line for each of its scenes.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from urllib.parse import unquote

from gcl.data.annotations import shown
from gcl.data.importing.paths import index_of, pictures_in, plain, rivals, suggested
from gcl.data.importing.reading import Reading, SourcePicture

ARCHIVES = {".zip": "unzip", ".tar": "tar -xf", ".tgz": "tar -xf", ".gz": "tar -xf", ".7z": "7z x", ".rar": "unrar x"}
PUT = "put the pictures into the download"
_SAMPLE = 200  # paths from which a pattern is told


@dataclass(frozen=True)
class Failure:
    """A picture that could not be used: where it is named, in which file, and why it could not."""

    where: str
    file: str
    picture: SourcePicture
    reason: str

    def line(self) -> str:
        """What a user reads of it."""
        name = shown(self.picture.path) if self.picture.path else "embedded"
        return f"{self.where}: image: {name}: {self.reason}"


def explained(failures: Sequence[Failure], tried: int, reading: Reading) -> Iterator[str]:
    """One line for each picture, or for all of them where they have one cause; `tried` is how many the data has."""
    all_failed = len(failures) == tried > 1
    absent = [failure for failure in failures if _is_absent(failure)]
    if all_failed and len(absent) == tried:
        yield _absent(absent, reading)
        return
    by_reason: dict[str, list[Failure]] = {}
    for failure in failures:
        by_reason.setdefault(failure.reason, []).append(failure)
    for reason, alike in by_reason.items():
        if len(alike) > 1 and (len(alike) == tried or "Git LFS" in reason):
            what, _, remedy = reason.partition("; ")
            how_many = "all" if len(alike) == tried else f"{len(alike)} of"
            yield f"{alike[0].line().removesuffix(reason)}{what}, like {how_many} {tried} pictures; {remedy}"
        else:
            near = _Near(reading.source) if any(map(_is_absent, alike)) else None
            for failure in alike:
                hint = near.hint(failure.picture.path) if near and _is_absent(failure) else None
                what = reason.partition("; ")[0]
                yield f"{failure.line().removesuffix(reason)}{what}; {hint}" if hint else failure.line()


def archives(source: Path) -> list[str]:
    """Packed files in a download, each with the command that unpacks it."""
    found = (path for path in sorted(source.rglob("*")) if path.suffix.lower() in ARCHIVES and path.is_file())
    return [f"{ARCHIVES[path.suffix.lower()]} {path.relative_to(source).as_posix()}" for path in found]


def _is_absent(failure: Failure) -> bool:
    place = failure.picture.place
    return place is not None and (
        "no such file" in failure.reason or (place.is_absolute() and "leads out" in failure.reason)
    )


def _absent(failures: Sequence[Failure], reading: Reading) -> str:
    """The line for a download of which no picture is where the data says."""
    first = failures[0]
    name = f"{first.where}: image: {shown(first.picture.path)}: no such file, like all {len(failures)} pictures"
    named = [(failure.picture.path, failure.file) for failure in failures][:_SAMPLE]
    index = index_of(pictures_in(reading.source))
    images = suggested(reading.source, named, index)
    if images is not None and not rivals(named, index):
        value = f"{{strip: {images['strip']}, from: {images['from']}}}" if isinstance(images, dict) else images
        return f"{name}; write images: {value} in {reading.mapping_name}"
    if hint := _Near(reading.source).hint(first.picture.path):
        return f"{name}; {hint}"
    if packed := archives(reading.source):
        return f"{name}; unpack them first: {packed[0]}"
    return f"{name}; {PUT}, or correct images in {reading.mapping_name}"


class _Near:
    """Pictures whose names are nearly those of the data: letter case, suffix and %20 aside."""

    def __init__(self, source: Path) -> None:
        self._pictures: dict[str, list[PurePosixPath]] = {}
        for picture in pictures_in(source):
            self._pictures.setdefault(picture.stem.casefold(), []).append(picture)

    def hint(self, text: str) -> str | None:
        """Which picture is nearly called so, in what it differs and what to do; None if none is."""
        path = PurePosixPath(plain(text))
        bare = PurePosixPath(unquote(str(path)))
        found = self._pictures.get(bare.stem.casefold(), self._pictures.get(bare.name.casefold(), ()))
        if not found:
            return None
        if not path.suffix and len(found) > 1:
            names = ", ".join(shown(str(picture))[1:-1] for picture in found[:2])
            return f"several pictures are called so ({names}); write the folder and the suffix in the data"
        folder = bare.parent.as_posix().casefold()
        near = max(
            found, key=lambda picture: (picture.name == path.name, picture.parent.as_posix().casefold() == folder)
        )
        if near.name == path.name:
            differs = "in another folder"
        elif near.name == bare.name:
            differs = "its name has no % signs"
        elif near.name.casefold() == bare.name.casefold():
            differs = "its letter case differs"
        else:
            differs = "its suffix differs"
        return f"{shown(str(near))[1:-1]} is there: {differs}; rename the pictures, or correct the paths in the data"
