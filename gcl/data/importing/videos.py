"""Videos as sampled frames: `video_frames(path, seconds, last)`. PyAV decodes them, the optional extra `video`."""

from collections.abc import Iterator, Sequence
from functools import lru_cache
from io import BytesIO
from pathlib import Path
from typing import Any

from gcl.data.images import PictureError
from gcl.errors import ConfigError

VIDEOS = (".mp4", ".m4v", ".mov", ".avi", ".mkv", ".webm")
_SLACK = 1e-6  # seconds by which rounded times may differ


@lru_cache(maxsize=8)  # questions on one video often stand side by side
def video_frames(path: Path, seconds: float, last: int | None) -> tuple[bytes, ...]:
    """Frames of a video as PNG files, the last frame and those before it at equal distances, in the order of time.

    Args:
        path: of the video.
        seconds: between two frames.
        last: most of them, the last ones; None for all.

    Raises:
        ConfigError: if PyAV is not installed.
        PictureError: if the file cannot be read as a video.
    """
    try:
        import av
    except ImportError:
        raise ConfigError(
            f"{path}: videos need PyAV, which is not installed; install it: pip install 'gcl[video]'"
        ) from None
    try:
        with av.open(str(path)) as container:
            stream = container.streams.video[0]
            times = [float(p.pts * p.time_base) for p in container.demux(stream) if p.pts is not None]
            targets = _targets(min(times), max(times), seconds, last)
            # Back to the last whole frame before the first one that is wanted.
            container.seek(int(max(targets[0], 0) * av.time_base), backward=True)
            return tuple(_nearest(container.decode(stream), targets))
    except (av.FFmpegError, IndexError, ValueError, OSError) as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise PictureError(f"cannot be read as a video ({reason})", "fetch it again or convert it to MP4") from None


def _targets(first: float, end: float, seconds: float, last: int | None) -> list[float]:
    """Times of the frames, counted back from the last one, in their order."""
    count = int((end - first) / seconds + _SLACK) + 1
    return [end - seconds * k for k in reversed(range(count if last is None else min(count, last)))]


def _nearest(frames: Iterator[Any], targets: Sequence[float]) -> Iterator[bytes]:
    """For each time the last frame that began by then; the first frame for times before it."""
    before, waiting = None, list(targets)
    for frame in frames:
        while waiting and before is not None and frame.time > waiting[0] + _SLACK:
            yield _png(before)
            waiting.pop(0)
        before = frame
    yield from (_png(before) for _ in waiting if before is not None)


def _png(frame: Any) -> bytes:
    data = BytesIO()
    frame.to_image().save(data, "PNG")
    return data.getvalue()
