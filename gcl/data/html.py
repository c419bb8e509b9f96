"""HTML pages that are one file: `fill(template, ...)` fills a template, `data_uri()` and `picture_uri()` embed pictures."""

import base64
from io import BytesIO
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from PIL import Image


def fill(template: Path, **values: Any) -> str:
    """Fill a template. It may include files beside it. Texts are escaped. A missing value is an error."""
    loader = FileSystemLoader(template.parent)
    environment = Environment(
        loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    return environment.get_template(template.name).render(**values)


def data_uri(kind: str, content: bytes) -> str:
    """A file inside a page.

    Args:
        kind: its media type, such as "image/svg+xml".
    """
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"


def picture_uri(picture: Image.Image, quality: int) -> str:
    """A picture inside a page, as JPEG."""
    stream = BytesIO()
    picture.save(stream, "JPEG", quality=quality)
    return data_uri("image/jpeg", stream.getvalue())
