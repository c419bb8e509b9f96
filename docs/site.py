"""What mkdocs does besides: README.md becomes the first page, and files that pages link to become part of the site.

Pages link to each other as files of the repository, so that links work on a forge, too. On the site docs/ is the root:
`docs/running.md` becomes `running.md`, `../gcl/files.py` becomes `gcl/files.py`, and that file is copied.
"""

import re
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).parents[1]
DOCS = Path("docs")
LINK = re.compile(r"(\[[^\]]*\]\()([^)\s#]+)((?:#[^)\s]*)?\))")
PAGES = {"index.md": Path("README.md"), "CONTRIBUTING.md": Path("CONTRIBUTING.md"), "CHANGELOG.md": Path("CHANGELOG.md")}


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages outside of docs/, and every file that a page links to."""
    for uri, path in PAGES.items():
        files.append(File.generated(config, uri, abs_src_path=str(ROOT / path)))
    for file in list(files.documentation_pages()):
        folder = PAGES.get(file.src_uri, DOCS / file.src_uri).parent
        for found in LINK.finditer(file.content_string):
            uri = _on_site(found[2], folder)
            target = ROOT / uri
            if uri != found[2] and target.is_file() and files.get_file_from_path(uri) is None:
                files.append(File.generated(config, uri, content=target.read_bytes()))
            elif folder == Path() and target.is_file() and files.get_file_from_path(uri) is None:
                files.append(File.generated(config, uri, content=target.read_bytes()))
    return files


def on_page_markdown(markdown: str, page: Page, **_) -> str:
    """Rewrite links from places in the repository to places on the site."""
    folder = PAGES.get(page.file.src_uri, DOCS / page.file.src_uri).parent
    return LINK.sub(lambda found: f"{found[1]}{_on_site(found[2], folder)}{found[3]}", markdown)


def _on_site(link: str, folder: Path) -> str:
    """Where a link from a page in `folder` of the repository leads on the site; other addresses stay."""
    if ":" in link:
        return link
    target = (ROOT / folder / link).resolve().relative_to(ROOT)
    if target == PAGES["index.md"]:
        return "index.md"
    return str(target.relative_to(DOCS) if target.is_relative_to(DOCS) else target)
