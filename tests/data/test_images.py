"""Damaged, oversized and foreign files are named in one line; sound pictures become upright RGB of 8 bits."""

import os
import struct
import zlib
from contextlib import nullcontext
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageOps
from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil

from gcl.data.images import PictureError, load_picture, read_picture


def _picture(path: Path) -> Path:
    Image.effect_noise((64, 48), 60).convert("RGB").save(path)
    return path


def _png_header(width: int, height: int) -> bytes:
    """A grey PNG that claims a size and breaks off where its pixels begin."""
    chunk = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    header = struct.pack(">I", 13) + chunk + struct.pack(">I", zlib.crc32(chunk))
    return b"\x89PNG\r\n\x1a\n" + header + struct.pack(">I", 100) + b"IDAT"


def check_image(path: Path) -> str | None:
    """The message of a picture that cannot be used; None for a sound one."""
    try:
        load_picture(path)
    except PictureError as error:
        return str(error)
    return None


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
    path.write_text("hello")
    assert check_image(path) == "not an image (PNG, JPEG, WEBP, BMP); fetch it again or convert it"


def test_pointer_of_git_lfs_is_named_with_the_command_that_fetches_the_picture(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n")
    expected = "a Git LFS pointer instead of the picture; run `git lfs pull` in the download"
    assert check_image(path) == expected


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


def test_a_strip_that_the_processors_would_refuse_is_refused_before(tmp_path: Path) -> None:
    for width, height, fit in ((200, 1, True), (201, 1, False), (3, 600, True), (3, 603, False)):
        path = tmp_path / "a.png"
        Image.new("RGB", (width, height)).save(path)
        expected = None if fit else f"{width} x {height} pixels, a strip that no model takes; crop it"
        assert check_image(path) == expected
        processor = Qwen2VLImageProcessorPil()
        with nullcontext() if fit else pytest.raises(ValueError, match="aspect ratio"):
            processor(images=[Image.open(path)], return_tensors="pt")


def test_a_file_without_permission_is_named(tmp_path: Path) -> None:
    path = _picture(tmp_path / "a.png")
    path.chmod(0)
    if os.access(path, os.R_OK):
        pytest.skip("permissions do not bind this user")
    assert check_image(path) == "permission denied; correct the path, or make the file readable"


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.png")
    assert check_image(tmp_path / "a.png") == "not a file; name the picture itself"


def test_a_link_that_leads_to_itself_is_a_problem_and_no_crash(tmp_path: Path) -> None:
    (tmp_path / "a.png").symlink_to(tmp_path / "a.png")
    assert check_image(tmp_path / "a.png").startswith("too many levels of symbolic links; ")


def test_a_huge_file_is_refused_unread(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    with path.open("wb") as stream:
        stream.truncate(400_000_001)
    assert check_image(path) == "more than 400 megabytes; scale it down"


def _colours(seed: int = 0) -> np.ndarray:
    """Unrelated colours; no rotation or flip of them equals another."""
    return np.random.default_rng(seed).integers(0, 256, (20, 30, 3), dtype=np.uint8)


def _bytes(picture: Image.Image, format: str = "PNG", **options) -> bytes:
    stream = BytesIO()
    picture.save(stream, format, **options)
    return stream.getvalue()


def _turned(orientation: int) -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112] = orientation
    return exif


@pytest.mark.parametrize("as_file", [True, False])
@pytest.mark.parametrize("format", ["PNG", "BMP", "WEBP"])
def test_every_pixel_of_a_plain_picture_stays(tmp_path: Path, format: str, as_file: bool) -> None:
    colours = _colours()
    data = _bytes(Image.fromarray(colours), format, **({"lossless": True} if format == "WEBP" else {}))
    (tmp_path / "a").write_bytes(data)
    picture, changes = load_picture(tmp_path / "a" if as_file else data)
    assert picture.mode == "RGB" and changes == ()
    assert np.array_equal(np.asarray(picture), colours)
    assert read_picture(tmp_path / "a") == data


def test_a_jpeg_is_decoded_in_full_as_pillow_does() -> None:
    data = _bytes(Image.fromarray(_colours()), "JPEG")
    picture, changes = load_picture(data)
    assert changes == () and np.array_equal(np.asarray(picture), np.asarray(Image.open(BytesIO(data))))


@pytest.mark.parametrize("format", ["PNG", "WEBP", "JPEG"])
@pytest.mark.parametrize("orientation", range(2, 9))
def test_a_turned_picture_is_made_upright(orientation: int, format: str) -> None:
    options = {"lossless": True} if format == "WEBP" else {}
    data = _bytes(Image.fromarray(_colours()), format, exif=_turned(orientation), **options)
    picture, changes = load_picture(data)
    expected = ImageOps.exif_transpose(Image.open(BytesIO(data))).convert("RGB")
    assert changes == ("turned upright as its EXIF data says",)
    assert picture.size == ((30, 20) if orientation < 5 else (20, 30))
    assert np.array_equal(np.asarray(picture), np.asarray(expected))
    assert not np.array_equal(np.asarray(picture), np.asarray(Image.open(BytesIO(data)).convert("RGB")))


@pytest.mark.parametrize("orientation", range(2, 9))
def test_a_camera_held_otherwise_gives_the_same_picture(orientation: int) -> None:
    """Colours stored as a camera in that position stores them; the EXIF standard says where row 0 and column 0 are."""
    upright = _colours()
    stored = {
        2: upright[:, ::-1], 3: upright[::-1, ::-1], 4: upright[::-1], 5: upright.transpose(1, 0, 2),
        6: np.rot90(upright, 1), 7: np.rot90(upright, 2).transpose(1, 0, 2), 8: np.rot90(upright, -1),
    }[orientation]  # fmt: skip
    picture, _ = load_picture(_bytes(Image.fromarray(np.ascontiguousarray(stored)), exif=_turned(orientation)))
    assert np.array_equal(np.asarray(picture), upright)


@pytest.mark.parametrize("orientation", [0, 1, 9, 4000])
def test_an_orientation_that_means_upright_or_nothing_changes_nothing(orientation: int) -> None:
    picture, changes = load_picture(_bytes(Image.fromarray(_colours()), exif=_turned(orientation)))
    assert changes == () and np.array_equal(np.asarray(picture), _colours())


@pytest.mark.parametrize("exif", [b"junk", b"Exif\0\0MM\0*\xff\xff\xff\xff", b"Exif\0\0II*\0\x08\0\0\0\xff\xff"])
def test_damaged_exif_data_do_not_spoil_sound_pixels(exif: bytes) -> None:
    picture, changes = load_picture(_bytes(Image.fromarray(_colours()), exif=exif))
    assert changes == () and np.array_equal(np.asarray(picture), _colours())


@pytest.mark.parametrize("mode", ["L", "1"])
def test_grey_and_black_and_white_become_rgb_without_a_remark(mode: str) -> None:
    source = Image.fromarray(_colours()).convert(mode)
    picture, changes = load_picture(_bytes(source))
    assert picture.mode == "RGB" and changes == ()
    assert np.array_equal(np.asarray(picture), np.repeat(np.asarray(source.convert("L"))[..., None], 3, axis=2))


@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_transparency_is_put_on_white(mode: str) -> None:
    source = Image.fromarray(_colours()).convert(mode)
    alpha = np.random.default_rng(1).integers(0, 256, (20, 30), dtype=np.uint8)
    source.putalpha(Image.fromarray(alpha))
    picture, changes = load_picture(_bytes(source))
    share = alpha[..., None] / 255
    expected = share * np.asarray(source.convert("RGBA"))[..., :3] + (1 - share) * 255
    assert changes == ("transparency put on white",)
    assert np.abs(np.asarray(picture) - expected).max() <= 1


@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_an_opaque_picture_with_an_alpha_channel_is_not_changed(mode: str) -> None:
    source = Image.fromarray(_colours()).convert(mode)
    picture, changes = load_picture(_bytes(source))
    assert changes == () and np.array_equal(np.asarray(picture), np.asarray(source.convert("RGB")))


def test_a_palette_is_resolved() -> None:
    source = Image.fromarray(_colours()).quantize(16)
    picture, changes = load_picture(_bytes(source))
    assert changes == ("palette made RGB",)
    assert np.array_equal(np.asarray(picture), np.asarray(source.convert("RGB")))


def test_a_transparent_colour_of_a_palette_becomes_white() -> None:
    source = Image.fromarray(_colours()).quantize(16)
    picture, changes = load_picture(_bytes(source, transparency=3))
    clear = np.asarray(source) == 3
    assert changes == ("palette made RGB", "transparency put on white") and clear.any()
    assert (np.asarray(picture)[clear] == 255).all()
    assert np.array_equal(np.asarray(picture)[~clear], np.asarray(source.convert("RGB"))[~clear])


def test_a_transparent_colour_of_an_rgb_picture_becomes_white() -> None:
    colours = _colours()
    picture, changes = load_picture(_bytes(Image.fromarray(colours), transparency=tuple(colours[2, 3].tolist())))
    assert changes == ("transparency put on white",) and np.asarray(picture)[2, 3].tolist() == [255, 255, 255]
    assert np.asarray(picture)[2, 4].tolist() == colours[2, 4].tolist()


def test_cmyk_becomes_rgb() -> None:
    data = _bytes(Image.fromarray(_colours()).convert("CMYK"), "JPEG", quality=95)
    picture, changes = load_picture(data)
    assert picture.mode == "RGB" and changes == ("CMYK made RGB",)
    assert np.array_equal(np.asarray(picture), np.asarray(Image.open(BytesIO(data)).convert("RGB")))


@pytest.mark.parametrize("orientation", [1, 6])
def test_sixteen_bits_are_scaled_and_not_clipped(orientation: int) -> None:
    deep = np.random.default_rng(0).integers(0, 65536, (20, 30), dtype=np.uint16)
    deep[0, :2] = 0, 65535
    picture, changes = load_picture(_bytes(Image.fromarray(deep), exif=_turned(orientation)))
    expected = np.round(deep / 65535 * 255).astype(np.uint8)
    assert changes[-1] == "16 bits a pixel made 8" and len(changes) == (1 if orientation == 1 else 2)
    assert np.array_equal(np.asarray(picture)[..., 0], expected if orientation == 1 else np.rot90(expected, -1))


def test_what_phones_add_to_a_jpeg_changes_nothing() -> None:
    first, second = (Image.fromarray(_colours(seed)) for seed in (0, 1))
    picture, changes = load_picture(_bytes(first, "MPO", save_all=True, append_images=[second]))
    alone, _ = load_picture(_bytes(first, "JPEG"))
    assert changes == ()
    assert np.array_equal(np.asarray(picture), np.asarray(alone))


@pytest.mark.parametrize("format", ["WEBP", "PNG"])
def test_of_several_frames_the_first_is_used(format: str) -> None:
    first, second = (Image.fromarray(_colours(seed)) for seed in (0, 1))
    options = {"lossless": True} if format == "WEBP" else {}
    data = _bytes(first, format, save_all=True, append_images=[second], **options)
    picture, changes = load_picture(data)
    assert changes == ("only the first of several frames used",)
    assert np.array_equal(np.asarray(picture), _colours())


@pytest.mark.parametrize("format", ["PNG", "JPEG", "WEBP", "BMP"])
def test_no_damage_brings_the_program_down(format: str) -> None:
    """A picture with flipped bytes decodes or is refused in one line."""
    sound, rng = _bytes(Image.fromarray(_colours()), format), np.random.default_rng(0)
    refused = 0
    for _ in range(200):
        data = bytearray(sound)
        for place in rng.integers(0, len(data), 3):
            data[place] = rng.integers(0, 256)
        try:
            picture, _ = load_picture(bytes(data))
            assert picture.mode == "RGB"
        except PictureError as error:
            refused += 1
            assert "\n" not in str(error) and "; " in str(error)
    assert refused > 0
