"""The photos of the service's demo: pictures of scikit-image in many versions, and broken files."""

from __future__ import annotations

from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image, ImageEnhance, ImageOps

from bgremoval_mm.demo.sources import BACKGROUNDS, background_path, load_background
from bgremoval_mm.utils.atomic import write_atomically

__all__ = ['BROKEN', 'ROUTES', 'make_uploads']

SIDE = 480  # pixels of the longer side


@dataclass(frozen=True)
class _Series:
    """Versions of one picture.

    Attributes:
        folder: Their folder, by which the routes tell types of products.
        file: The picture, of `BACKGROUNDS`.
        number: How many there are.
        crop: Smallest part of the sides that is kept.
    """

    folder: str
    file: str
    number: int
    crop: float


# Close-ups and textures have no clear object: their masks are doubtful, as they should be.
_SERIES = (
    _Series('cups', 'coffee.png', 28, 0.85),
    _Series('pets', 'chelsea.png', 4, 0.8),
    _Series('rockets', 'rocket.jpg', 2, 0.85),
    _Series('textures', 'gravel.png', 2, 0.5),
    _Series('textures', 'grass.png', 2, 0.5),
)
BROKEN = ('cups/half.jpg', 'pets/empty.jpg')
ROUTES = """\
[[route]]
name = "cups"
match = "cups/*"
model = "u2netp"
output = "rgb"
fill = [255, 255, 255]
file_format = "jpeg"
crop = "5%"
folder = "white"

[[route]]
name = "everything else"
model = "u2netp"
folder = "transparent"
"""


def make_uploads(folder: Path, seed: int = 0) -> list[str]:
    """Write 40 files, of which two are broken.

    Args:
        folder: Where.
        seed: Of what is varied: part of the picture, direction, light and colours.

    Returns:
        Their names below the folder.

    Raises:
        FileNotFoundError: If scikit-image, or a picture of it, is not installed.
    """
    rng = np.random.default_rng(seed)
    content: dict[str, bytes] = {}
    for series in _SERIES:
        (found,) = (each for each in BACKGROUNDS if each.file == series.file)
        picture = load_background(background_path(found), found.tint)
        for number in range(series.number):
            name = f'{series.folder}/{found.name}-{number:02}.jpg'
            content[name] = _encoded(_varied(picture, series.crop, rng))
    whole = content['cups/coffee-00.jpg']
    content |= dict(zip(BROKEN, (whole[: len(whole) // 2], b''), strict=True))
    for name, each in content.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, each)
    return sorted(content)


def _varied(picture: Image.Image, crop: float, rng: np.random.Generator) -> Image.Image:
    """Return a part of a picture, perhaps mirrored, in another light."""
    part = rng.uniform(crop, 1, 2)
    width, height = (round(side * each) for side, each in zip(picture.size, part, strict=True))
    left, top = (int(rng.integers(0, picture.size[i] - side + 1)) for i, side in
                 enumerate((width, height)))  # fmt: skip
    made = picture.crop((left, top, left + width, top + height))
    if rng.random() < 0.5:
        made = ImageOps.mirror(made)
    made = ImageEnhance.Brightness(made).enhance(rng.uniform(0.8, 1.2))
    made = ImageEnhance.Color(made).enhance(rng.uniform(0.7, 1.3))
    made.thumbnail((SIDE, SIDE), Image.Resampling.LANCZOS)
    return made


def _encoded(picture: Image.Image) -> bytes:
    buffer = BytesIO()
    picture.save(buffer, 'jpeg', quality=92)
    return buffer.getvalue()
