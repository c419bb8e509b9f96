"""A validation as one HTML page that needs nothing else: `page(name, root, drafts, summary, errors, warnings)`."""

import random
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from gcl.data.html import fill, picture_uri
from gcl.data.images import PictureError, load_picture
from gcl.data.raw import Draft
from gcl.data.scenario import SPLITS
from gcl.data.validation.overview import Summary
from gcl.data.validation.problem import KINDS, Problem, by_kind

SAMPLE = 24
LISTED = 100  # warnings of a kind; the rest is counted. Errors are all listed.
_PIXELS, _QUALITY = 240, 70


def page(
    name: str,
    root: Path,
    drafts: Sequence[Draft],
    summary: Summary,
    errors: Sequence[Problem],
    warnings: Sequence[Problem],
    uncounted: Sequence[str],
) -> str:
    """Fill the page's template. The same data gives the same sample of scenes."""
    flags: dict[str, list[str]] = defaultdict(list)
    for problem in (*errors, *warnings):
        if KINDS[problem.kind] not in flags[problem.place]:
            flags[problem.place].append(KINDS[problem.kind])
    sample = sorted(random.Random(name).sample(range(len(drafts)), min(SAMPLE, len(drafts))))
    return fill(
        Path(__file__).with_suffix(".html.j2"),
        name=name,
        summary=summary,
        splits=SPLITS,
        uncounted=uncounted,
        scenes=[(drafts[k], _thumbnail(root, drafts[k]), flags.get(drafts[k].where, [])) for k in sample],
        problems=[
            ("errors", len(errors), [(heading, group, len(group)) for heading, group in by_kind(errors)]),
            (
                "warnings",
                len(warnings),
                [(heading, group[:LISTED], len(group)) for heading, group in by_kind(warnings)],
            ),
        ],
    )


def _thumbnail(root: Path, draft: Draft) -> str | None:
    """A small JPEG as a data URI, or None where the picture cannot be used."""
    if draft.image is None:
        return None
    try:
        picture, _ = load_picture(root / draft.image)
    except PictureError:
        return None
    picture.thumbnail((_PIXELS, _PIXELS))
    return picture_uri(picture, _QUALITY)
