"""The page of all verbs: `python -m gcl.cli.reference docs/commands.md` writes it (`make docs-commands`)."""

import sys
from collections.abc import Callable, Iterator
from typing import Any

from cyclopts import App

from gcl.cli.main import app
from gcl.files import write_text


def reference() -> str:
    """Every verb with its options and examples, as Markdown."""
    return "<!-- `make docs-commands` writes this page. -->\n\n" + app.generate_docs("markdown").rstrip() + "\n"


def verbs(group: App, *words: str) -> Iterator[tuple[str, Callable[..., Any]]]:
    """Every verb below a group, as it is typed, and its function."""
    for word in group:
        if not word.startswith("-"):
            run = group[word].default_command
            yield from [(" ".join([*words, word]), run)] if run else verbs(group[word], *words, word)


if __name__ == "__main__":
    sys.argv[0] = "gcl"  # which the page names
    write_text(sys.argv[1], reference())
