"""Damaged, oversized and foreign files are named in one line; sound pictures pass."""

import struct
import zlib
from pathlib import Path

import pytest
from PIL import Image

from gcl.data.images import check_image


def _picture(path: Path) -> Path:
    Image.effect_noise((64, 48), 60).convert("RGB").save(path)
    return path


def _png_header(width: int, height: int) -> bytes:
    """A grey PNG that claims a size and breaks off where its pixels begin."""
    chunk = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    header = struct.pack(">I", 13) + chunk + struct.pack(">I", zlib.crc32(chunk))
    return b"\x89PNG\r\n\x1a\n" + header + struct.pack(">I", 100) + b"IDAT"


@pytest.mark.parametrize("suffix", ["png", "jpg", "webp", "bmp"])
def test_sound_picture_has_no_problem(tmp_path: Path, suffix: str) -> None:
    assert check_image(_picture(tmp_path / f"a.{suffix}")) is None


@pytest.mark.parametrize("suffix", ["png", "jpg", "webp", "bmp"])
@pytest.mark.parametrize("share", [0.05, 0.5, 0.9])
def test_truncated_picture_is_named(tmp_path: Path, suffix: str, share: float) -> None:
    path = _picture(tmp_path / f"a.{suffix}")
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    problem = check_image(path)
    assert problem is not None
    assert "fetch it again" in problem
    assert "\n" not in problem


def test_flipped_byte_in_the_pixels_is_found_by_decoding(tmp_path: Path) -> None:
    path = _picture(tmp_path / "a.png")
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0x41
    path.write_bytes(data)
    assert check_image(path).startswith("truncated or corrupt image (")


def test_missing_file_is_named(tmp_path: Path) -> None:
    expected = "no such file or directory; put the file there or correct the path"
    assert check_image(tmp_path / "a.png") == expected


def test_name_longer_than_the_file_system_allows_is_a_problem_and_no_crash(tmp_path: Path) -> None:
    assert check_image(tmp_path / ("a" * 5000)).startswith("file name too long; ")


def test_folder_is_no_picture(tmp_path: Path) -> None:
    assert check_image(tmp_path) == "not a file; name the picture itself"


def test_empty_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.touch()
    assert check_image(path) == "empty file (0 bytes); fetch it again"


def test_text_under_a_picture_name_is_no_image(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_text("version https://git-lfs.github.com/spec/v1")
    assert check_image(path) == "not an image (PNG, JPEG, WEBP, BMP); fetch it again or convert it"


def test_format_that_needs_an_outside_program_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n%%EndComments\nshowpage\n")
    assert check_image(path).startswith("not an image (")


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(
    ("width", "height", "expected"),
    [
        (10_000, 5_001, "10000 x 5001 pixels, more than 50 megapixels; scale it down"),
        (10_000, 10_000, "10000 x 10000 pixels, more than 50 megapixels; scale it down"),  # Pillow warns
        (60_000, 60_000, "more than 50 megapixels; scale it down"),  # Pillow refuses
    ],
)
def test_too_many_pixels_are_refused_from_the_header(tmp_path: Path, width: int, height: int, expected: str) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(_png_header(width, height))
    assert check_image(path) == expected


def test_fifty_megapixels_are_still_decoded(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(_png_header(10_000, 5_000))
    assert check_image(path).startswith("truncated or corrupt image (")
