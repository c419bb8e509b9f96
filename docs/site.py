"""What mkdocs does besides: README.md becomes the first page, and files that pages link to become part of the site.

Pages link to each other as files of the repository, so that links work on a forge, too. On the site docs/ is the root:
`docs/running.md` becomes `running.md`, `../gcl/files.py` becomes `gcl/files.py`, and that file is copied.
"""

import re
from os.path import normpath, relpath
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).parents[1]
DOCS = Path("docs")
LINK = re.compile(r"(\[[^\]]*\]\()([^)\s#]+)((?:#[^)\s]*)?\))")
PAGES = {
    "index.md": Path("README.md"),
    "CONTRIBUTING.md": Path("CONTRIBUTING.md"),
    "CHANGELOG.md": Path("CHANGELOG.md"),
    "base_models/README.md": Path("base_models/README.md"),
}


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages outside of docs/, and every file that a page links to."""
    for uri, path in PAGES.items():
        files.append(File.generated(config, uri, abs_src_path=str(ROOT / path)))
    for page in list(files.documentation_pages()):
        for found in LINK.finditer(page.content_string):
            uri = normpath(Path(page.src_uri).parent / _on_site(found[2], page.src_uri))
            if (ROOT / uri).is_file() and files.get_file_from_path(uri) is None:
                files.append(File.generated(config, uri, content=(ROOT / uri).read_bytes()))
    return files


def on_page_markdown(markdown: str, page: Page, **_) -> str:
    """Rewrite links from places in the repository to places on the site."""
    return LINK.sub(lambda found: f"{found[1]}{_on_site(found[2], page.file.src_uri)}{found[3]}", markdown)


def _on_site(link: str, page: str) -> str:
    """Where a page's link to a file of the repository leads on the site, from that page; other addresses stay."""
    if ":" in link or (page not in PAGES and page.startswith(("results/", "base_models/"))):
        return link
    folder = PAGES.get(page, DOCS / page).parent
    target = (ROOT / folder / link).resolve().relative_to(ROOT)
    if target == PAGES["index.md"]:
        target = Path("index.md")
    elif target.is_relative_to(DOCS):
        target = target.relative_to(DOCS)
    return relpath(target, Path(page).parent)
