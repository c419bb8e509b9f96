"""The page docs/settings.md: every setting, its values and its origin. `python -m gcl.experiment.settings_page` writes it.

Run it in the project's folder after a change of config.yaml, a scale's file or the schema; `make schema` does.
"""

import json
from collections import defaultdict
from pathlib import Path
from typing import Any, get_args

from gcl.experiment.load import experiment_here, settings
from gcl.experiment.schema import Experiment
from gcl.experiment.types import Setting, Strict

PAGE = Path("docs/settings.md")
SCALES = ("paper", "miniature")
LONGEST = 90  # characters of a value; `gcl settings --json` has it whole
INTRODUCTION = """# Settings

<!-- Generated from config.yaml, workflow/scales and gcl/experiment/schema.py by `make schema`. Do not edit. -->

Each setting has a value at the paper's scale and at the miniature scale. A dash means: the same value, or no such setting.
Each setting says where its value comes from.

- **paper**: the paper or its code prints it, at the named place.
- **inferred**: it follows from what is printed, for the given reason.
- **assumed**: it is our choice, for the given reason.

The origin is that of the first value in the row. Long values are cut: `gcl settings --json` prints them whole.
"""


def settings_page() -> str:
    """The page for the experiment of the current folder.

    Raises:
        ConfigError: if config.yaml or a scale's file is wrong.
    """
    by_scale = [
        {path: (value, f"{kind}: {why}") for path, value, kind, why in settings(experiment_here(scale))}
        for scale in SCALES
    ]
    sections = defaultdict(list)
    for path in dict.fromkeys(path for found in by_scale for path in found):
        paper, miniature = (found.get(path) for found in by_scale)
        origin = next(one[1] for one in (paper, miniature) if one)
        same = paper and miniature and paper[0] == miniature[0]
        cells = (_shown(paper), "–" if same else _shown(miniature), _prose(origin))
        sections[path.partition(".")[0]].append(f"| `{path}` | {' | '.join(cells)} |")
    return INTRODUCTION + "".join(_section(name, rows) for name, rows in sections.items())


def _section(name: str, rows: list[str]) -> str:
    head = f"| setting | {' scale | '.join(SCALES)} scale | origin |\n|---|---|---|---|"
    return f"\n## {name}\n\n{_about(name)}{head}\n" + "\n".join(rows) + "\n"


def _about(name: str) -> str:
    """The first paragraph that the schema says of a section."""
    annotation = Experiment.model_fields[name].annotation
    for kind in (annotation, *get_args(annotation)):
        if isinstance(kind, type) and issubclass(kind, Strict) and not issubclass(kind, Setting):
            return _prose(str(kind.__doc__).partition("\n\n")[0]) + "\n\n"
    return ""


def _shown(found: tuple[Any, str] | None) -> str:
    if found is None:
        return "–"
    text = json.dumps(found[0], ensure_ascii=False)
    return f"`{_escaped(text if len(text) <= LONGEST else text[: LONGEST - 1] + '…')}`"


def _escaped(text: str) -> str:
    return text.replace("|", "\\|")


def _prose(text: str) -> str:
    return " ".join(_escaped(text).replace("<", "&lt;").split())


if __name__ == "__main__":
    PAGE.write_text(settings_page(), encoding="utf-8")
