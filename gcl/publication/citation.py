"""The project's CITATION.cff: `read_citation(path)` gives its works, `bibtex()` writes one for a reference list."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from gcl.errors import DataError

CITATION = Path("CITATION.cff")


@dataclass(frozen=True)
class Work:
    """One work to be cited; `arxiv` is its number there, if it has one."""

    kind: str
    title: str
    authors: tuple[str, ...]
    year: int | None
    url: str | None
    version: str | None

    @property
    def arxiv(self) -> str | None:
        """Such as 2603.11447."""
        found = (self.url or "").partition("arxiv.org/abs/")[2]
        return found or None


@dataclass(frozen=True)
class Citation:
    """The program and, if one is named, the paper."""

    program: Work
    paper: Work | None


def read_citation(path: Path = CITATION) -> Citation:
    """Read the file.

    Raises:
        DataError: if it is missing, or lacks title or authors.
    """
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
        preferred = content.get("preferred-citation")
        return Citation(_work(content), _work(preferred) if preferred else None)
    except FileNotFoundError:
        raise DataError(
            f"{path}: no such file; call this in the project's folder, which names its authors there"
        ) from None
    except (yaml.YAMLError, KeyError, TypeError, AttributeError) as error:
        raise DataError(
            f"{path}: not as the Citation File Format wants it ({error!r}); see https://citation-file-format.github.io"
        ) from None


def bibtex(key: str, work: Work) -> str:
    """A BibTeX entry."""
    fields: dict[str, Any] = {
        "title": f"{{{work.title}}}", "author": " and ".join(work.authors), "year": work.year,
        "version": work.version, "eprint": work.arxiv, "archivePrefix": work.arxiv and "arXiv", "url": work.url,
    }  # fmt: skip
    kind = "article" if work.kind == "article" else "software"
    lines = [f"  {name} = {{{value}}}," for name, value in fields.items() if value]
    return "\n".join([f"@{kind}{{{key},", *lines, "}"])


def _work(content: dict[str, Any]) -> Work:
    return Work(
        kind=content.get("type", "software"),
        title=content["title"],
        authors=tuple(_name(author) for author in content["authors"]),
        year=content.get("year"),
        url=content.get("url"),
        version=content.get("version"),
    )


def _name(author: dict[str, str]) -> str:
    return author["name"] if "name" in author else f"{author['family-names']}, {author['given-names']}"
