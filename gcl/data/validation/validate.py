"""The `gcl data validate` verb: `validate(name, root, dialogue, expected)` looks at everything in a raw folder.

Errors are mistakes that `read_raw` refuses, and counts that differ from the plan. Warnings are for people to judge.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

from gcl.data.problem import Problem
from gcl.data.raw import FILE, read_drafts
from gcl.data.validation.decoded_pictures import visit
from gcl.data.validation.length_checks import Reader, length_warnings
from gcl.data.validation.picture_checks import picture_errors, picture_warnings, shots
from gcl.data.validation.reports import Validation, summarize
from gcl.data.validation.word_checks import word_warnings
from gcl.experiment.dialogue import Dialogue


def validate(
    name: str,
    root: Path,
    dialogue: Dialogue,
    expected: Mapping[str, int] | None,
    processes: int = 2,
    telling: Sequence[str] = (),
    readers: Sequence[Reader] = (),
    uncounted: Sequence[str] = (),
) -> Validation:
    """Check a data set's words and pictures.

    Args:
        name: of the data set, as in config.yaml.
        root: its raw folder.
        dialogue: the turns that each scene has to have, and which of them names actions.
        expected: number of scenes of each split, or None where any will do.
        processes: how many read pictures at a time.
        telling: turns in which a copied answer means a copied scene.
        readers: members and encoders whose limits answers are held against.
        uncounted: a line for each whose limits are not known here.

    Raises:
        DataError: if there is no such folder, or the check is interrupted.
    """
    errors: list[Problem] = []
    drafts = read_drafts(root, dialogue, errors)
    paths = list(dict.fromkeys(picture.path for draft in drafts for picture in draft.pictures))
    pictures = visit(root, paths, processes, name)
    scenes = shots(drafts, pictures)
    summary = summarize(drafts, pictures, dialogue)
    errors += picture_errors(scenes)
    warnings = []
    if drafts:
        errors += _counts(name, summary.scenes, expected or {})
        words = word_warnings(drafts, dialogue, telling)
        warnings = [*picture_warnings(root, scenes), *words, *length_warnings(drafts, readers)]
    return Validation(name, root, drafts, summary, errors, warnings, uncounted)


def _counts(name: str, found: Mapping[str, int], expected: Mapping[str, int]) -> list[Problem]:
    remedy = f"complete the data, or change datasets.{name}.scenarios in config.yaml or workflow/scales/<scale>.yaml"
    return [
        Problem(FILE, "split", f"{split}: {found.get(split, 0)} scenes found, {count} expected", remedy, "count")
        for split, count in expected.items()
        if found.get(split, 0) != count
    ]
