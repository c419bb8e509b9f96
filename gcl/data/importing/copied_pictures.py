"""Pictures on their way into a raw folder: `Pictures(...).take(picture)` checks, normalises and stores each one once.

A picture that training can use as it is gets copied byte for byte. Any other is stored as PNG, as training sees it. Both
keep their paths, below images/. A picture that the data embeds gets a running number.
"""

import hashlib
from collections import Counter
from io import BytesIO
from pathlib import Path, PurePosixPath

from PIL import Image

from gcl.data.images import FORMATS, PictureError, load_picture, read_picture
from gcl.data.importing.reading import SourcePicture
from gcl.data.raw import leads_out
from gcl.data.similar import perceptual_hash
from gcl.files import sha256_file

FOLDER = "images"
ADDRESS = "an address, and nothing is fetched", "download the pictures and write their paths"


class Pictures:
    """The pictures of one import, numbered in the order in which they were first used."""

    def __init__(self, source: Path, folder: Path, hashed: bool = False) -> None:
        """Pictures go from one folder into the other. None outside the first is read."""
        self.source, self._folder, self._hashed = source, folder, hashed
        # The number of each that was named; None for one that cannot be used.
        self.known: dict[PurePosixPath | bytes | str, int | None] = {}
        self._taken: set[str] = set()
        self.names: list[str] = []  # of each in the raw folder
        self.sha256: list[str] = []  # of each as it is stored
        self.hashes: list[int] = []  # perceptual hash of each, where they are asked for
        self.changes: Counter[str] = Counter()  # in how many pictures

    def take(self, picture: SourcePicture) -> int | None:
        """Store a picture unless it is there already. Return its number, or None for one that was refused before.

        Raises:
            PictureError: on the first use of a picture that cannot be used.
        """
        key = picture.place or picture.path if picture.data is None else hashlib.sha256(picture.data).digest()
        if key not in self.known:
            self.known[key] = None
            if isinstance(key, str):
                raise PictureError(*ADDRESS)
            if picture.place and (out := leads_out(str(picture.place), self.source)):
                raise PictureError(*out)
            self.store(picture)
            self.known[key] = len(self.names) - 1
        return self.known[key]

    def remove_unused(self, used: set[int]) -> None:
        """Delete pictures of scenes that were left out."""
        for number, name in enumerate(self.names):
            if number not in used:
                (self._folder / name).unlink()

    def store(self, picture: SourcePicture) -> None:
        """Check, normalise and store a picture that was not here before."""
        data = read_picture(self.source / picture.place) if picture.data is None else picture.data
        image, changes = load_picture(data)
        if picture.data is None:
            path = picture.place if picture.place.parts[0] == FOLDER else FOLDER / picture.place
        else:
            path = PurePosixPath(FOLDER) / f"{len(self.names):06d}{_suffix(data)}"
        if path.suffix.lower() == ".mpo":
            path = path.with_suffix(".jpg")
        name = self._free(path.with_suffix(".png") if changes else path)
        target = self._folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if changes:
            image.save(target)
        else:
            target.write_bytes(data)
        self.changes.update(changes)
        self.names.append(name)
        self.sha256.append(sha256_file(target))
        if self._hashed:
            self.hashes.append(perceptual_hash(image))

    def _free(self, path: PurePosixPath) -> str:
        """A path that no other picture has, on file systems that ignore case, too."""
        free, number = path, 2
        while str(free).casefold() in self._taken:
            free, number = path.with_stem(f"{path.stem}-{number}"), number + 1
        self._taken.add(str(free).casefold())
        return str(free)


def _suffix(data: bytes) -> str:
    with Image.open(BytesIO(data), formats=FORMATS) as file:
        return {"PNG": ".png", "WEBP": ".webp", "BMP": ".bmp"}.get(file.format, ".jpg")  # JPEG, or MPO, which is one
