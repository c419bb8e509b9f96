"""Findings about pictures that were visited: `picture_errors(shots)` and `picture_warnings(root, shots)`.

A `Shot` is one picture of a scene. A path that could not be read gives none.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from gcl.data.annotations import shown
from gcl.data.importing.importer import RECORD
from gcl.data.problem import Problem
from gcl.data.raw import FILE, Draft
from gcl.data.scenario import SPLITS
from gcl.data.similar import near_across, near_groups
from gcl.data.validation.decoded_pictures import DecodedPicture

# Two image tokens a side, of 28 pixels each.
SMALL = 56
_NAMED = 5  # examples in a line that counts


class Shot(NamedTuple):
    """A scene and one of its pictures."""

    draft: Draft
    path: Path  # relative to the raw folder
    picture: DecodedPicture


def shots(drafts: Sequence[Draft], pictures: Mapping[Path, DecodedPicture]) -> list[Shot]:
    """The pictures of all scenes, each once a scene."""
    return [
        Shot(draft, path, pictures[path])
        for draft in drafts
        for path in dict.fromkeys(picture.path for picture in draft.pictures)
    ]


def picture_errors(shots: Sequence[Shot]) -> list[Problem]:
    """Pictures that cannot be used, and test pictures that were trained on."""
    return [*_refused(shots), *_leaks(shots)]


def picture_warnings(root: Path, shots: Sequence[Shot]) -> list[Problem]:
    """Findings that do not stop training, but that people should look at."""
    used = {shot.path for shot in shots}
    sound = [shot for shot in shots if shot.picture.problem is None]
    return [
        *_near_across(sound),
        *_near_within(sound),
        *_small(sound),
        *_changed(sound),
        *_unused(root, used),
    ]


def _refused(shots: Sequence[Shot]) -> Iterator[Problem]:
    for draft, path, picture in shots:
        if picture.problem is not None:
            yield _problem(draft, f"{shown(str(path))}: {picture.problem}", picture.remedy, "picture")


def _leaks(shots: Sequence[Shot]) -> Iterator[Problem]:
    trained = {shot.picture.sha256: shot.draft for shot in reversed(_of(shots, "train")) if shot.picture.sha256}
    for draft, path, picture in _of(shots, "test"):
        other = trained.get(picture.sha256)
        if other:
            what = f"{shown(str(path))} is the same picture as in the train split (see {other.where})"
            yield _problem(draft, what, "keep the scene in one split", "leak")


def _near_across(shots: Sequence[Shot]) -> list[Problem]:
    """One problem for each test picture, those nearest to a training picture first."""
    trains, tests = _of(shots, "train"), _of(shots, "test")
    found = []
    for position, near in near_across(
        [test.picture.looks for test in tests], [train.picture.looks for train in trains]
    ):
        draft, path, picture = tests[position]
        # The same bytes are an error, said elsewhere. Of a scene's pictures the nearest counts.
        others = [(trains[other], bits) for other, bits in near if trains[other].picture.sha256 != picture.sha256]
        if others:
            nearest: dict[str, int] = {}
            for other, bits in others:
                nearest.setdefault(other.draft.where, bits)
            places = _listed([f"{where} (bits: {bits})" for where, bits in nearest.items()])
            what = f"{shown(str(path))} nearly repeats the picture of {places}"
            remedy = "keep scenes of one recording in one split"
            found.append((others[0][1], _problem(draft, what, remedy, "near across")))
    return [problem for _, problem in sorted(found, key=lambda pair: pair[0])]


def _near_within(shots: Sequence[Shot]) -> Iterator[Problem]:
    for split in SPLITS:
        pictures = {shot.path: shot.picture.looks for shot in _of(shots, split)}
        users: dict[Path, set[str]] = {}
        for shot in _of(shots, split):
            users.setdefault(shot.path, set()).add(shot.draft.where)
        groups: dict[int, list[Path]] = {}
        for path, group in zip(pictures, near_groups(list(pictures.values())), strict=True):
            groups.setdefault(group, []).append(path)
        # The frames of one scene are alike, and it is one scene.
        alike = [len(paths) for paths in groups.values() if not set.intersection(*(users[path] for path in paths))]
        if alike:
            what = f"{split}: {sum(alike)} of {len(pictures)} pictures nearly repeat another (groups: {len(alike)})"
            yield Problem(FILE, "image", what, "think of them as fewer scenes than they are", "near within")


def _small(shots: Sequence[Shot]) -> Iterator[Problem]:
    for draft, path, picture in shots:
        if min(picture.size) < SMALL:
            width, height = picture.size
            what = f"{shown(str(path))} has {width} x {height} pixels, fewer than {SMALL} a side"
            yield _problem(draft, what, "check that it is no thumbnail", "small")


def _changed(shots: Sequence[Shot]) -> Iterator[Problem]:
    files: dict[str, list[str]] = {}
    for path, picture in {shot.path: shot.picture for shot in shots}.items():
        for change in picture.changes:
            files.setdefault(change, []).append(shown(str(path)))
    for change, paths in files.items():
        what = f"{change} ({len(paths)}): {_listed(paths)}"
        yield Problem(FILE, "image", what, "look whether they still show what they should", "changed")


def _unused(root: Path, used: set[Path]) -> Iterator[Problem]:
    present = (path.relative_to(root) for path in root.rglob("*") if path.is_file())
    visible = (path for path in present if not any(part.startswith(".") for part in path.parts))
    files = sorted(str(path) for path in visible if path not in used and str(path) not in (FILE, RECORD))
    if files:
        what = f"files without a scene ({len(files)}): {_listed([shown(name) for name in files])}"
        yield Problem(FILE, "image", what, "remove them, or add the scenes that are missing", "unused")


def _of(shots: Sequence[Shot], split: str) -> list[Shot]:
    return [shot for shot in shots if shot.draft.split == split]


def _listed(names: Sequence[str]) -> str:
    rest = len(names) - _NAMED
    return ", ".join(names[:_NAMED]) + (f" and {rest} more" if rest > 0 else "")


def _problem(draft: Draft, what: str, remedy: str, kind: str) -> Problem:
    return Problem(draft.where, "image", what, remedy, kind)
