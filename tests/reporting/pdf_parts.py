"""What a PDF of Matplotlib is made of: `parts(path)`. It writes the dictionaries of objects in the open."""

import re
from pathlib import Path
from typing import NamedTuple


class Parts(NamedTuple):
    """Numbers of pictures in pixels and of fonts by kind; whether all fonts are inside; whether it names a day."""

    images: int
    fonts: dict[str, int]
    embedded: bool
    dated: bool


def parts(path: Path) -> Parts:
    """The parts of a file.

    Raises:
        ValueError: if it is no PDF, or has its objects packed, so that nothing could be found.
    """
    content = path.read_bytes()
    if not content.startswith(b"%PDF-") or not content.rstrip().endswith(b"%%EOF") or b"/ObjStm" in content:
        raise ValueError(f"{path}: no PDF with open objects")
    bodies = re.sub(rb"stream\r?\n.*?\nendstream", b"", content, flags=re.DOTALL)
    kinds = ("Type3", "TrueType", "CIDFontType2", "Type1")
    fonts = {kind: len(re.findall(rb"/Subtype\s*/" + kind.encode() + rb"\b", bodies)) for kind in kinds}
    descriptors = len(re.findall(rb"/Type\s*/FontDescriptor\b", bodies))
    return Parts(
        images=len(re.findall(rb"/Subtype\s*/Image\b", bodies)),
        fonts=fonts,
        embedded=descriptors == len(re.findall(rb"/FontFile2\b", bodies)) > 0,
        dated=b"/CreationDate" in bodies,
    )
