"""Settings that have no effect, in words: `notes` names them all, `notes_of_changes` those that somebody has just edited.

A scale's file is meant to replace dozens of settings. A line for each would hide the one that matters: an edited setting
in config.yaml that changes nothing.
"""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from gcl.experiment.layers import Overridden
from gcl.experiment.mistakes import shown
from gcl.experiment.provenance import git


def notes(replaced: Sequence[Overridden]) -> Iterator[str]:
    """Yield a line for each setting: where it has no effect, and where it has."""
    for one in replaced:
        path = (*one.path, "value")
        yield (
            f"{one.old.place(path)}: {'.'.join(one.path)}: {shown(one.value_of(one.old))} has no effect at this scale; "
            f"{one.new.place(path)} says {shown(one.value_of(one.new))}"
        )


def notes_of_changes(replaced: Sequence[Overridden], root: Path = Path()) -> Iterator[str]:
    """Yield a line for each setting that was edited since the last commit, and one that counts them all."""
    for file, name in dict.fromkeys((one.old.name, one.new.name) for one in replaced):
        edited = _edited_lines(root, file)
        both = [one for one in replaced if (one.old.name, one.new.name) == (file, name)]
        yield from notes([one for one in both if edited & one.old.extent(one.path)])
        yield f"{name} replaces {len(both)} settings of {file}, which have no effect at this scale; see gcl settings"


def _edited_lines(root: Path, file: str) -> set[int]:
    """Numbers of the lines that differ from the last commit; none where there is no Git."""
    found = git(root, "diff", "--unified=0", "HEAD", "--", file) or ""
    hunks = re.findall(r"^@@ -\S+ \+(\d+)(?:,(\d+))? @@", found, re.MULTILINE)
    return {line for start, count in hunks for line in range(int(start), int(start) + int(count or 1))}
