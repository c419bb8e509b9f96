"""Pictures as training sees them: `load_picture(file)` decodes one to upright 8-bit RGB, or says why it cannot be used.

Importers and validation call it once for every picture, so a damaged file shows up before training. The encoder calls it,
too. So models are trained on the pictures that were checked.
"""

import stat
import warnings
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from gcl.errors import DataError

# Far above any camera frame. A small file that claims more is damaged, or made to fill the memory.
MAX_MEGAPIXELS = 50
# Qwen's processors refuse longer pictures.
MAX_ASPECT = 200
# The need of so many pixels uncompressed, at four channels of 16 bits.
MAX_MEGABYTES = 8 * MAX_MEGAPIXELS
# Pillow reads more formats, some through outside programs (EPS starts Ghostscript). Downloads must not start those.
FORMATS = ("PNG", "JPEG", "WEBP", "BMP")
# Git LFS leaves a file that begins so where the content was not fetched.
POINTER = b"version https://git-lfs.github.com/spec/"
_ORIENTATION = 0x0112  # EXIF tag; 1 is upright
_COLOURS, _ALPHA = {"P": "palette", "CMYK": "CMYK"}, ("RGBA", "LA")


class PictureError(DataError):
    """A file is no picture that can be used. The message lacks the path: the caller knows how to name it."""

    def __init__(self, what: str, remedy: str) -> None:
        super().__init__(what, remedy)
        self.what, self.remedy = what, remedy

    def __str__(self) -> str:
        return f"{self.what}; {self.remedy}"


def read_picture(path: Path) -> bytes:
    """The bytes of a picture file, not yet decoded.

    Raises:
        PictureError: saying why there is nothing to decode, and what to do.
    """
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            raise PictureError("not a file", "name the picture itself")
        if status.st_size > MAX_MEGABYTES * 1_000_000:
            raise PictureError(f"more than {MAX_MEGABYTES} megabytes", "scale it down")
        return path.read_bytes()
    except FileNotFoundError as error:
        raise PictureError(error.strerror.lower(), "put the file there or correct the path") from None
    except OSError as error:
        what = (error.strerror or str(error)).lower()
        raise PictureError(what, "correct the path, or make the file readable") from None


def load_picture(source: Path | bytes) -> tuple[Image.Image, tuple[str, ...]]:
    """Decode a picture, a file or its contents, to upright 8-bit RGB.

    Returns:
        The picture, and its changes in words; there are none where RGB or grey values stay as they are.

    Raises:
        PictureError: saying what is wrong and what to do.
    """
    data = read_picture(source) if isinstance(source, Path) else source
    if not data:
        raise PictureError("empty file (0 bytes)", "fetch it again")
    if data.startswith(POINTER):
        raise PictureError("a Git LFS pointer instead of the picture", "run `git lfs pull` in the download")
    with warnings.catch_warnings():
        # Pillow warns of large and of untidy pictures. The size is judged here, and untidy ones may be used.
        warnings.simplefilter("ignore")
        return _decode(data)


def _decode(data: bytes) -> tuple[Image.Image, tuple[str, ...]]:
    too_large = f"more than {MAX_MEGAPIXELS} megapixels", "scale it down"
    try:
        with Image.open(BytesIO(data), formats=FORMATS) as picture:
            if picture.width * picture.height > MAX_MEGAPIXELS * 1_000_000:
                raise PictureError(f"{picture.width} x {picture.height} pixels, {too_large[0]}", too_large[1])
            if max(picture.size) > MAX_ASPECT * min(picture.size):
                raise PictureError(f"{picture.width} x {picture.height} pixels, a strip that no model takes", "crop it")
            picture.load()
            return _plain(picture)
    except PictureError:
        raise
    except Image.DecompressionBombError:
        raise PictureError(*too_large) from None
    except UnidentifiedImageError:
        raise PictureError(f"not an image ({', '.join(FORMATS)})", "fetch it again or convert it") from None
    except Exception as error:  # damaged bytes make decoders raise nearly anything
        reason = " ".join(str(error).split()) or type(error).__name__
        raise PictureError(f"truncated or corrupt image ({reason})", "fetch it again") from None


def _plain(picture: Image.Image) -> tuple[Image.Image, tuple[str, ...]]:
    """Upright 8-bit RGB, and the changes."""
    changes = []
    # Phones add further frames to a JPEG (MPO) that show the same moment: a preview, depth, the right eye.
    if getattr(picture, "n_frames", 1) > 1 and picture.format != "MPO":
        changes.append("only the first of several frames used")
    if _orientation(picture) in range(2, 9):
        for name in ("exif", "Raw profile type exif"):  # Pillow would write it again, and it may be damaged
            picture.info.pop(name, None)
        picture = ImageOps.exif_transpose(picture)
        changes.append("turned upright as its EXIF data says")
    if picture.mode == "I;16":
        # Pillow itself would clip grey values above 255.
        picture = Image.fromarray(np.round(np.asarray(picture) / 257).astype(np.uint8))
        changes.append("16 bits a pixel made 8")
    if picture.mode in _COLOURS:
        changes.append(f"{_COLOURS[picture.mode]} made RGB")
    if picture.mode in _ALPHA or "transparency" in picture.info:
        picture = picture.convert("RGBA")
        if picture.getchannel("A").getextrema() != (255, 255):
            picture = Image.alpha_composite(Image.new("RGBA", picture.size, "white"), picture)
            changes.append("transparency put on white")
    return picture.convert("RGB"), tuple(changes)


def _orientation(picture: Image.Image) -> int | None:
    try:
        return picture.getexif().get(_ORIENTATION)
    except Exception:  # damaged EXIF data beside sound pixels make its reader raise nearly anything
        return None
