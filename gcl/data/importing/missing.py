"""Reasons why pictures cannot be used, each once: `explained(failures, tried, reading)`.

A download whose pictures are still packed gets one line, not one for each scene.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from urllib.parse import unquote

from gcl.data.annotations import shown
from gcl.data.importing.paths import index_of, pictures_in, plain, rivals, suggested
from gcl.data.importing.reading import Reading, SourcePicture
from gcl.data.problem import GeneralProblem, Problem

ARCHIVES = {".zip": "unzip", ".tar": "tar -xf", ".tgz": "tar -xf", ".gz": "tar -xf", ".7z": "7z x", ".rar": "unrar x"}
PUT = "put the pictures into the download"
_SAMPLE = 200  # paths from which a pattern is told


@dataclass(frozen=True)
class Failure:
    """A picture that could not be used."""

    where: str  # the record that names it
    file: str  # of that record
    picture: SourcePicture
    what: str  # is wrong
    remedy: str

    @property
    def field(self) -> str:
        """Its name in messages."""
        return f"image: {shown(self.picture.path) if self.picture.path else 'embedded'}"


def explained(failures: Sequence[Failure], tried: int, reading: Reading) -> Iterator[Problem]:
    """A problem for each picture, or one for all with the same cause. `tried` is the number of pictures."""
    all_failed = len(failures) == tried > 1
    absent = [failure for failure in failures if _is_absent(failure)]
    if all_failed and len(absent) == tried:
        yield _absent(absent, reading)
        return
    by_reason: dict[tuple[str, str], list[Failure]] = {}
    for failure in failures:
        by_reason.setdefault((failure.what, failure.remedy), []).append(failure)
    for (what, remedy), alike in by_reason.items():
        first = alike[0]
        if len(alike) == tried > 1:
            yield GeneralProblem(first.where, first.field, f"{what}, like all {tried} pictures", remedy)
        elif len(alike) > 1 and "Git LFS" in what:
            yield Problem(first.where, first.field, f"{what}, like {len(alike)} of {tried} pictures", remedy)
        else:
            near = _Near(reading.source) if any(map(_is_absent, alike)) else None
            for failure in alike:
                hint = near.hint(failure.picture.path) if near and _is_absent(failure) else None
                yield Problem(failure.where, failure.field, what, hint or remedy)


def archives(source: Path) -> list[str]:
    """Packed files in a download, each with the command that unpacks it."""
    found = (path for path in sorted(source.rglob("*")) if path.suffix.lower() in ARCHIVES and path.is_file())
    return [f"{ARCHIVES[path.suffix.lower()]} {path.relative_to(source).as_posix()}" for path in found]


def _is_absent(failure: Failure) -> bool:
    place = failure.picture.place
    return place is not None and (
        "no such file" in failure.what or (place.is_absolute() and "leads out" in failure.what)
    )


def _absent(failures: Sequence[Failure], reading: Reading) -> Problem:
    """The problem of a download of which no picture is where the data says."""
    first = failures[0]
    what = f"no such file, like all {len(failures)} pictures"
    return GeneralProblem(first.where, first.field, what, _remedy(failures, reading))


def _remedy(failures: Sequence[Failure], reading: Reading) -> str:
    named = [(failure.picture.path, failure.file) for failure in failures][:_SAMPLE]
    index = index_of(pictures_in(reading.source))
    images = suggested(reading.source, named, index)
    if images is not None and not rivals(named, index):
        value = f"{{strip: {images['strip']}, from: {images['from']}}}" if isinstance(images, dict) else images
        return f"write images: {value} in {reading.mapping_name}"
    if hint := _Near(reading.source).hint(failures[0].picture.path):
        return hint
    if packed := archives(reading.source):
        return f"unpack them first: {packed[0]}"
    return f"{PUT}, or correct images in {reading.mapping_name}"


class _Near:
    """Pictures whose names are those of the data but for letter case, suffix or %20."""

    def __init__(self, source: Path) -> None:
        self._pictures: dict[str, list[PurePosixPath]] = {}
        for picture in pictures_in(source):
            self._pictures.setdefault(picture.stem.casefold(), []).append(picture)

    def hint(self, text: str) -> str | None:
        """The picture with nearly this name, the difference and the remedy; None if there is none."""
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
