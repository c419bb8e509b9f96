"""Make the pictures of docs/looking.md from pages of results, with Chromium: docs/pictures/*.png.

    python docs/pictures.py results/miniature/report.html results/miniature/scenes/snei/00100.html

The first page is that of all results, the second that of a scene. Each is taken at three widths, light and dark, as far as
a screen shows it. It needs the packages of `pip install -e '.[dev]'` and a Chromium on this machine.
"""

import shutil
import sys
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser, sync_playwright

FOLDER = Path(__file__).with_name("pictures")
# Name, number of the page, width, height, colours, and the part that stands on top.
SHOTS = (
    ("report-390-light", 0, 390, 844, "light", "#summary"),
    ("report-390-dark", 0, 390, 844, "dark", "#gallery"),
    ("report-1024-light", 0, 1024, 768, "light", "#gallery .group"),
    ("report-1024-dark", 0, 1024, 768, "dark", "#tables"),
    ("report-1920-light", 0, 1920, 1080, "light", "#tables"),
    ("report-1920-dark", 0, 1920, 1080, "dark", "#curves"),
    ("scene-390-dark", 1, 390, 844, "dark", "#turn-4"),
    ("scene-1024-light", 1, 1024, 768, "light", "h1"),
    ("scene-1920-light", 1, 1920, 1080, "light", "#turn-1"),
    ("scene-1920-dark", 1, 1920, 1080, "dark", "#turn-1"),
)
WIDEST = 1280  # pixels of a picture; larger screens are made smaller
MOST = 150_000  # bytes of a picture
WAIT = 240_000  # milliseconds, since other programs may run beside


def main(pages: list[Path]) -> None:
    """Take all pictures."""
    FOLDER.mkdir(exist_ok=True)
    with sync_playwright() as started:
        found = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
        # Root has no sandbox in a container; the pages are our own.
        browser = started.chromium.launch(executable_path=found, args=["--no-sandbox"])
        for name, content in _taken(browser, pages):
            (FOLDER / f"{name}.png").write_bytes(content)
            print(f"{name}.png: {len(content) / 1000:.0f} kB")
        browser.close()


def _taken(browser: Browser, pages: list[Path]) -> Iterator[tuple[str, bytes]]:
    for name, number, width, height, colours, top in SHOTS:
        size = {"width": width, "height": height}
        context = browser.new_context(viewport=size, color_scheme=colours, reduced_motion="reduce")
        context.set_default_timeout(WAIT)
        view = context.new_page()
        view.goto(pages[number].resolve().as_uri())
        view.locator(top).first.evaluate("node => node.scrollIntoView()")
        yield name, _small(view.screenshot())
        context.close()


def _small(content: bytes) -> bytes:
    """The picture with as many colours as the limit of its size allows."""
    picture = Image.open(BytesIO(content)).convert("RGB")
    if picture.width > WIDEST:
        size = (WIDEST, round(WIDEST * picture.height / picture.width))
        picture = picture.resize(size, Image.Resampling.LANCZOS)
    for colours in (256, 128, 64, 32, 16):
        stream = BytesIO()
        picture.quantize(colours, dither=Image.Dither.NONE).save(stream, "PNG", optimize=True)
        if stream.tell() <= MOST:
            break
    return stream.getvalue()


if __name__ == "__main__":
    main([Path(argument) for argument in sys.argv[1:]])
