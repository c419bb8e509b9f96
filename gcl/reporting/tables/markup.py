"""A table for people: `markdown()`, `tex()` and `as_shown()` have the same cells and notes (columns as in tables.py)."""

from collections.abc import Iterator, Sequence
from typing import Any

import pandas as pd

from gcl.evaluation.metric_registry import header
from gcl.experiment.schema import SCALES

HIDDEN = "The paper's values are hidden (set report.paper_values to show them)."
SHOWN = "The paper's values are shown only because report.paper_values asks for them."
MARKS_NOTE = (
    "↑ better, ↓ worse than {control}: the 95 % bootstrap interval of the paired differences excludes "
    "zero. † it does not. With this many cells some marks are accidents."
)
ONE_SEED_NOTE = "Intervals are over scenarios, not over trainings: a mark can be an accident of the one training."

EMPTY = "–"  # in a cell that has no value

# Beside those of scores.
_HEADERS = {
    "dataset": "Data set",
    "encoder": "Encoder",
    "regime": "Regime",
    "method": "Method",
    "model": "Model",
    "role": "Role",
    "learner": "Learner",
    "guide": "Guide",
    "tau_learner": "τ learner",
    "tau_guide": "τ guide",
    "sft_learner": "SFT learner",
    "sft_guide": "SFT guide",
    "gcl_learner": "GCL learner",
    "gcl_guide": "GCL guide",
    "arm": "Arm",
    "lr_ratio": "Rate",
    "choice": "Choice",
    "gain_sft": "Gain over SFT",
    "p_sft": "p",
    "gain_rate": "Gain over SFT at its rate",
    "p_rate": "p ",
    "gain_learner": "Gain learner",
    "gain_guide": "Gain guide",
    "against": "Compared with",
    "success": "Success",
    "optimal": "Optimal",
    "parsed": "Parsed",
    "illegal": "Illegal",
    "frozenlake": "FrozenLake",
    "maze": "Maze",
    "minibehaviour": "MiniBehaviour",
    "reading": "Read right",
}
_TEX = str.maketrans(
    {
        "\\": r"\textbackslash{}",
        "~": r"\textasciitilde{}",
        "^": r"\textasciicircum{}",
        **{character: f"\\{character}" for character in "&%$#_{}"},
        "<": "$<$",
        ">": "$>$",
        "τ": r"$\tau$",
        "×": r"$\times$",
        "−": "$-$",
        "–": "--",
        "†": r"\textsuperscript{\dag}",
        "↑": r"$\uparrow$",
        "↓": r"$\downarrow$",
    }
)


def markdown(frame: pd.DataFrame, title: str, notes: Sequence[str]) -> str:
    """The table as Markdown."""
    columns = _columns(frame)
    lines = [f"# {title}", ""]
    if warning := _warning(frame):
        lines += [f"**{warning}**", ""]
    lines += [_line([*columns]), _line([":--" if _is_text(frame, name) else "--:" for name in columns.values()])]
    lines += [_line([_cell(row, name) for name in columns.values()]) for _, row in frame.iterrows()]
    lines += ["", *(f"- {note}" for note in _notes(frame, notes))]
    return "\n".join(lines) + "\n"


def tex(frame: pd.DataFrame, title: str, notes: Sequence[str]) -> str:
    """The table as a LaTeX tabular; needs the package booktabs."""
    columns = _columns(frame)
    alignment = "".join("l" if _is_text(frame, name) else "r" for name in columns.values())
    lines = [f"% {title}", rf"\begin{{tabular}}{{{alignment}}}", r"\toprule", _tex_line([*columns]), r"\midrule"]
    section = None
    for _, row in frame.iterrows():
        # A rule between data sets (Table 2) or regimes (Tables 1 and 3), as in the paper.
        if section not in (None, new := (row["dataset"], row.get("regime"))):
            lines.append(r"\midrule")
        section = new
        lines.append(_tex_line([_cell(row, name) for name in columns.values()]))
    lines += [r"\bottomrule", r"\end{tabular}", "", r"\smallskip", r"{\footnotesize"]
    if warning := _warning(frame):
        lines.append(rf"\textbf{{{_escape(warning)}}}\par")
    lines += [rf"{_escape(note)}\par" for note in _notes(frame, notes)]
    return "\n".join([*lines, "}"]) + "\n"


def as_shown(frame: pd.DataFrame, notes: Sequence[str]) -> dict[str, Any]:
    """The same as data, for the page: columns, for each row the text of its cells by column, warning and notes."""
    columns = _columns(frame)
    return {
        "warning": _warning(frame),
        "notes": [*_notes(frame, notes)],
        "columns": [
            {"name": name, "header": header, "text": _is_text(frame, name)} for header, name in columns.items()
        ],
        "cells": [{name: _cell(row, name) for name in columns.values()} for _, row in frame.iterrows()],
    }


def _columns(frame: pd.DataFrame) -> dict[str, str]:
    """What people see: header and the column it starts from."""
    columns = {}
    for name in frame.columns:
        base = name.removesuffix("_paper")
        if shown := _HEADERS.get(base) or header(base):
            columns[shown if name == base else f"{shown}, paper (ours − paper)"] = name
    return columns


def _is_text(frame: pd.DataFrame, name: str) -> bool:
    return not pd.api.types.is_numeric_dtype(frame[name])


def _cell(row: pd.Series, name: str) -> str:
    value = row[name]
    if isinstance(value, str):
        return value
    if pd.isna(value):
        return EMPTY
    if name.startswith("tau_"):
        return f"{value:.1f}"
    if name == "lr_ratio":
        return f"× {value:g}"
    if name.startswith("p_"):
        return f"{value:.3f}"
    if name.startswith("gain_"):
        within = f" [{_signed(row[f'{name}_low'])}, {_signed(row[f'{name}_high'])}]" if f"{name}_low" in row else ""
        return f"{_signed(value)}{within}"
    if name.endswith("_paper"):
        return f"{value:.3f} ({_signed(row[name.removesuffix('_paper') + '_difference'])})"
    return f"{value:.3f} [{row[f'{name}_low']:.3f}, {row[f'{name}_high']:.3f}]{_mark(row, name)}"


def _mark(row: pd.Series, name: str) -> str:
    """How the score compares with its control; nothing for a control."""
    if pd.isna(row.get(f"{name}_gain")):
        return ""
    if row[f"{name}_gain_low"] > 0:
        return " ↑"
    return " ↓" if row[f"{name}_gain_high"] < 0 else " †"


def _signed(value: float) -> str:
    return f"{value:+.3f}".replace("-", "−")


def _warning(frame: pd.DataFrame) -> str:
    warning = SCALES[frame["scale"].iloc[0]]
    if warning is None:
        return ""
    shown = any(name.endswith("_paper") for name in frame)
    return f"{warning} {SHOWN if shown else HIDDEN}"


def _notes(frame: pd.DataFrame, notes: Sequence[str]) -> Iterator[str]:
    sizes = ", ".join(
        f"{dataset}: {n}" for dataset, n in dict(zip(frame["dataset"], frame["scenarios"], strict=True)).items()
    )
    seeds = frame["seeds"].iloc[0]
    pooled = (
        "one seed"
        if seeds == 1
        else f"{seeds} seeds, both trainings and scenarios drawn again, Student's t over trainings at least"
    )
    yield f"[low, high]: 95 % percentile bootstrap interval over test scenarios ({sizes}); {pooled}."
    if any(frame[name].notna().any() for name in frame if name.endswith("_gain")):
        yield MARKS_NOTE.format(
            control="what the row is compared with" if "against" in frame else "the same model's SFT control"
        )
        if seeds == 1:
            yield ONE_SEED_NOTE
    yield from notes


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _tex_line(cells: Sequence[str]) -> str:
    return " & ".join(_escape(cell) for cell in cells) + r" \\"


def _escape(text: str) -> str:
    return text.translate(_TEX)
