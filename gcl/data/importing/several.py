"""The pictures of a record, one or more, as the mapping's `pictures` says: `pictures_of(row, names, beside)`.

A record may list pictures, name a folder of frames or a video, have a column for each camera, or nothing but an id by which
its frames are called.
"""

import glob
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import PurePosixPath
from typing import Any

from gcl.data.annotations import shown
from gcl.data.images import PictureError
from gcl.data.importing.fields import decoded
from gcl.data.importing.layout import Several
from gcl.data.importing.paths import SUFFIXES
from gcl.data.importing.reading import Row, SourcePicture
from gcl.data.importing.videos import VIDEOS, video_frames
from gcl.data.raw import leads_out

_FIELD = re.compile(r"\{([^{}]+)\}")
_NUMBERS = re.compile(r"(\d+)")


def pictures_of(row: Row, names: Sequence[str], beside: Sequence[Any] = ()) -> tuple[SourcePicture, ...] | None:
    """The pictures of a record in their order. None, and a problem, if they could not be read.

    Args:
        row: the record.
        names: fields that may have them; the first that is there counts.
        beside: pictures that stand elsewhere in the record.
    """
    reading = row.reading
    rule, before = reading.mapping.pictures, len(reading.problems)
    if rule is None:
        one = row.picture(names, beside)
        return None if one is None else (one,)
    if rule == "none":
        return ()
    several = rule if isinstance(rule, Several) else Several()
    if several.columns is not None:
        found = list(_by_column(row, several))
    elif several.pattern is not None:
        found = _named(row, several, _selected(several, list(_matching(row, several.pattern))))
    else:
        found = _named(row, several, _listed(row, several, names, beside))
    if len(reading.problems) > before:
        return None
    reading.notes["records without a picture"] += not found
    return tuple(found)


def selected_names(row: Row, paths: Sequence[str]) -> tuple[SourcePicture, ...]:
    """Those of the paths that the mapping selects, with their names; all of them are pictures of the download."""
    rule = row.reading.mapping.pictures
    several = rule if isinstance(rule, Several) else Several()
    places = [SourcePicture(path, row.reading.paths.place(path, row.reading.file)) for path in paths]
    return tuple(_named(row, several, _selected(several, places)))


def _by_column(row: Row, several: Several) -> Iterator[SourcePicture]:
    """The picture of each camera that the record has."""
    for name, column in several.columns.items():
        row.used.add(column)
        value = decoded(row.value(column))
        if value is None or value in ("", []):
            row.reading.notes[f"records without a picture of the {name}"] += 1
            continue
        one = row.picture((column,))
        if one is not None:
            yield replace(one, name=name)


def _matching(row: Row, pattern: str) -> Iterator[SourcePicture]:
    """The files that a pattern matches once the record's fields stand in it."""
    wanted = []
    for number, part in enumerate(_FIELD.split(pattern)):
        text = part if number % 2 == 0 else row.number_or_text(part)
        if text is None:
            return
        wanted.append(text if number % 2 == 0 else glob.escape(text))
    source, whole = row.reading.source, "".join(wanted)
    if out := leads_out(whole, source):
        row.wrong("pictures", f"{shown(whole)}: {out[0]}", out[1])
        return
    there = [path.relative_to(source).as_posix() for path in source.glob(whole) if path.is_file()]
    if not there:
        row.wrong("pictures", f"no file is called like {shown(whole)}", "put the pictures there, or correct pattern")
    yield from (SourcePicture(path, PurePosixPath(path)) for path in sorted(there, key=_natural))


def _listed(row: Row, several: Several, names: Sequence[str], beside: Sequence[Any]) -> list[SourcePicture]:
    """The pictures in the first of these fields that is there. A folder or a video stands for its frames."""
    row.used.update(names)
    name = next((name for name in names if row.value(name) is not None), names[0])
    value = decoded(row.value(name))
    value = list(beside) if value is None or value == "" else value
    values = [one for one in (value if isinstance(value, list) else [value]) if one is not None]
    if len(values) != 1:
        return _selected(several, [one for one in (row.source_picture(name, value) for value in values) if one])
    one = row.source_picture(name, values[0])
    if one is None or one.place is None or leads_out(str(one.place), row.reading.source):
        return [] if one is None else [one]
    path = row.reading.source / one.place
    if path.is_dir():
        frames = sorted((p.name for p in path.iterdir() if p.suffix.lower() in SUFFIXES), key=_natural)
        if not frames:
            row.wrong(name, f"{shown(one.path)}: no picture in this folder", "put its frames there")
        return _selected(several, [SourcePicture(f"{one.path}/{frame}", one.place / frame) for frame in frames])
    if path.suffix.lower() not in VIDEOS:
        return [one]
    if several.seconds is None:
        remedy = f"write pictures: {{seconds: 1, last: 4}} in {row.reading.mapping_name} for frames a second apart"
        row.wrong(name, f"{shown(one.path)}: a video, of which no frames are asked for", remedy)
        return []
    try:
        frames = video_frames(path, several.seconds, several.last)
    except PictureError as error:
        row.wrong(name, f"{shown(one.path)}: {error.what}", error.remedy)
        return []
    return [SourcePicture(one.path, None, frame) for frame in frames]


def _selected(several: Several, pictures: Sequence[SourcePicture]) -> list[SourcePicture]:
    """Every so many pictures, counted from the last one, and the last so many of these."""
    found = list(pictures)[:: -several.every][::-1]
    return found if several.last is None else found[-several.last :]


def _named(row: Row, several: Several, pictures: Sequence[SourcePicture]) -> list[SourcePicture]:
    """Pictures with the mapping's names. The last picture has the last name, since the first ones may be missing."""
    if several.names is None:
        return list(pictures)
    if len(pictures) > len(several.names):
        remedy = f"write last: {len(several.names)} beside names in {row.reading.mapping_name}, or more names"
        row.wrong("pictures", f"{len(pictures)} pictures, but {len(several.names)} names", remedy)
        return []
    names = several.names[len(several.names) - len(pictures) :]
    return [replace(picture, name=name) for picture, name in zip(pictures, names, strict=True)]


def _natural(name: str) -> list[Any]:
    """The order of frames: 10 after 9."""
    return [int(part) if number % 2 else part for number, part in enumerate(_NUMBERS.split(name))]
