"""A real browser for tests of pages: where it is, screenshots, and whether text can be read on its ground."""

import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from debian_packages import install

NAMES = ("chromium", "chromium-browser", "google-chrome")
SECONDS = 240  # for anything that a page is asked, since other programs may run beside the tests


def find_chromium() -> str:
    """The machine's own Chromium, from Debian's packages if need be; the test is skipped where there is none."""
    reason = None if any(map(shutil.which, NAMES)) else install("chromium")
    found = next(filter(None, map(shutil.which, NAMES)), None)
    return found or pytest.skip(f"no Chromium: {reason}")


def keep(view: Any, name: str, tmp_path: Path) -> None:
    """A screenshot of the whole page."""
    folder = Path(os.environ.get("GCL_ARTIFACTS", tmp_path))
    folder.mkdir(parents=True, exist_ok=True)
    view.screenshot(path=folder / f"{name}.png", full_page=True)


def readable(view: Any, inks: Sequence[str], grounds: Sequence[str]) -> bool:
    """WCAG AA: 4.5 to 1 for every colour of text on every ground; both are custom properties of the page."""
    colours = view.evaluate(
        """names => {
          const probe = document.body.appendChild(document.createElement("i"));
          const found = names.map(name => {
            probe.style.color = `var(${name})`;
            return getComputedStyle(probe).color.match(/[0-9.]+/g).slice(0, 3).map(Number);
          });
          probe.remove();
          return found;
        }""",
        [*inks, *grounds],
    )

    def light(colour: Sequence[float]) -> float:
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in (part / 255 for part in colour)]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    lights = [light(colour) for colour in colours]
    pairs = [sorted((ink, ground)) for ink in lights[: len(inks)] for ground in lights[len(inks) :]]
    return all((high + 0.05) / (low + 0.05) >= 4.5 for low, high in pairs)


def becomes(view, condition: str) -> bool:
    """Whether a condition holds within five seconds. The pages' policy forbids Playwright's own way to wait for one."""
    for _ in range(50):
        if view.evaluate(condition):
            return True
        view.wait_for_timeout(100)
    return False
