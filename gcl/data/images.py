"""Is a file a picture that training can use? `check_image(path)` names the problem, or returns None.

The importers call it once for every picture, so that a damaged file shows up before training, not in the midst of it.
"""

import stat
import warnings
from pathlib import Path

from PIL import Image, UnidentifiedImageError

# Far above any camera frame; a small file that claims more is damaged, or made to fill the memory.
MAX_MEGAPIXELS = 50
# Pillow reads many more formats, some through outside programs (EPS starts Ghostscript): nothing for downloaded files.
FORMATS = ("PNG", "JPEG", "WEBP", "BMP")


def check_image(path: Path) -> str | None:
    """Decode the picture; return what is wrong and what to do in one line, or None.

    The line does not repeat the path: the caller knows better how to name the place.
    """
    try:
        status = path.stat()
    except OSError as error:
        return f"{(error.strerror or str(error)).lower()}; put the file there or correct the path"
    if not stat.S_ISREG(status.st_mode):
        return "not a file; name the picture itself"
    if status.st_size == 0:
        return "empty file (0 bytes); fetch it again"
    with warnings.catch_warnings():
        # Pillow warns of large and of untidy pictures; the size is judged here, and what decodes is good enough.
        warnings.simplefilter("ignore")
        return _decode(path)


def _decode(path: Path) -> str | None:
    too_large = f"more than {MAX_MEGAPIXELS} megapixels; scale it down"
    try:
        with Image.open(path, formats=FORMATS) as picture:
            if picture.width * picture.height > MAX_MEGAPIXELS * 1_000_000:
                return f"{picture.width} x {picture.height} pixels, {too_large}"
            picture.load()
    except Image.DecompressionBombError:
        return too_large
    except UnidentifiedImageError:
        return f"not an image ({', '.join(FORMATS)}); fetch it again or convert it"
    except Exception as error:  # damaged bytes make decoders raise nearly anything
        return f"truncated or corrupt image ({' '.join(str(error).split()) or type(error).__name__}); fetch it again"
    return None
