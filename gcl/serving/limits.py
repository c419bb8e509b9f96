"""`Limits`: so much may one request ask for, and so many requests may wait."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Limits:
    """Bounds of a server.

    Attributes:
        body: bytes of a request.
        pixels: of one picture.
        pictures: of one request.
        context: tokens of prompt and answer together; the model's own bound holds, too.
        answer: tokens of an answer.
        seconds: from a request's first byte to its answer's last.
        batch: requests that are answered together.
        queue: requests that wait besides.
    """

    body: int = 8_000_000
    pixels: int = 16_000_000
    pictures: int = 8
    context: int = 8192
    answer: int = 1024
    seconds: float = 60.0
    batch: int = 8
    queue: int = 32
