"""Perceptual hashes tell the same frame from others; near pictures and groups equal an obvious double loop."""

import random
from io import BytesIO

import imagehash
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageDraw, ImageEnhance

from gcl.data.similar import NEAR, near_across, near_groups, perceptual_hash

# Hashes that are often near to each other: few distinct low bytes, now and then a far one.
HASHES = st.lists(st.one_of(st.integers(0, 63), st.integers(0, 2**64 - 1), st.just(2**64 - 1)), max_size=25)


def _photograph(seed: int) -> Image.Image:
    """Blurred blocks with rectangles."""
    rng = random.Random(seed)
    picture = Image.frombytes("RGB", (16, 9), rng.randbytes(16 * 9 * 3)).resize((320, 180), Image.Resampling.BICUBIC)
    pen = ImageDraw.Draw(picture)
    for _ in range(6):
        x, y = rng.randrange(320), rng.randrange(180)
        pen.rectangle((x, y, x + 30, y + 40), fill=tuple(rng.randbytes(3)))
    return picture


def _distance(one: Image.Image, two: Image.Image) -> int:
    return (perceptual_hash(one) ^ perceptual_hash(two)).bit_count()


def _compressed(picture: Image.Image) -> Image.Image:
    stream = BytesIO()
    picture.save(stream, "JPEG", quality=40)
    return Image.open(stream)


SAME = {
    "compressed": _compressed,
    "halved": lambda picture: picture.resize((160, 90)),
    "brighter": lambda picture: ImageEnhance.Brightness(picture).enhance(1.15),
    "moved by two pixels": lambda picture: picture.crop((2, 0, 320, 180)),
}


@pytest.mark.parametrize("change", SAME.values(), ids=SAME)
def test_the_same_frame_is_near_itself(change):
    pictures = [_photograph(seed) for seed in range(20)]
    assert sorted(_distance(picture, change(picture)) for picture in pictures)[15] <= NEAR


def test_the_short_way_to_few_pixels_changes_few_bits_of_the_library_s_hash():
    for seed in range(20):
        picture = _photograph(seed).resize((1280, 720))
        assert (perceptual_hash(picture) ^ int(str(imagehash.phash(picture)), 16)).bit_count() <= 2


def test_independent_pictures_are_far_apart():
    hashes = [perceptual_hash(_photograph(seed)) for seed in range(100)]
    assert min((a ^ b).bit_count() for k, a in enumerate(hashes) for b in hashes[:k]) > NEAR + 2
    assert max(hashes) < 2**64


def test_a_picture_of_one_colour_has_a_hash():
    assert perceptual_hash(Image.new("RGB", (1, 1))) == perceptual_hash(Image.new("RGB", (300, 200)))


@given(tests=HASHES, trains=HASHES, distance=st.integers(0, 10))
def test_near_pictures_of_two_splits_equal_a_double_loop(tests, trains, distance):
    expected = {}
    for position, test in enumerate(tests):
        near = [(bin(test ^ train).count("1"), other) for other, train in enumerate(trains)]
        near = sorted(pair for pair in near if pair[0] <= distance)
        if near:
            expected[position] = [(other, bits) for bits, other in near]
    assert dict(near_across(tests, trains, distance)) == expected


@given(hashes=HASHES, distance=st.integers(0, 10))
def test_groups_equal_those_that_grow_one_neighbour_at_a_time(hashes, distance):
    groups = near_groups(hashes, distance)
    assert len(groups) == len(hashes)
    left, expected = set(range(len(hashes))), []
    while left:
        group = [left.pop()]
        for member in group:
            near = {other for other in left if bin(hashes[member] ^ hashes[other]).count("1") <= distance}
            group += near
            left -= near
        expected.append(frozenset(group))
    found = {frozenset(k for k, other in enumerate(groups) if other == group) for group in groups}
    assert found == set(expected)


def test_a_chain_of_neighbours_is_one_group():
    chain = [2**k - 1 for k in range(0, 60, 5)]
    assert len(set(near_groups(chain))) == 1 and (chain[0] ^ chain[-1]).bit_count() > NEAR
    assert len(set(near_groups([chain[0], chain[-1]]))) == 2
