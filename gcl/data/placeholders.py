"""Words that tables and programs write for a missing text: `is_placeholder(text)`, for import and validation."""

PLACEHOLDERS = frozenset(
    ("nan", "na", "n/a", "#n/a", "nil", "none", "null", "nat", "undefined", "tbd", "todo", "-", "--", "?", "")
)


def is_placeholder(text: str) -> bool:
    """Whether a text is a word for no value, such as nan or N/A, and nothing else."""
    return text.strip().strip(".<>[]()").casefold() in PLACEHOLDERS
