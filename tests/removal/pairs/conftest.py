"""Small sets of photos with masks."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image


@pytest.fixture
def write_pair(tmp_path: Path) -> Callable[..., None]:
    """A function that writes a photo of noise with a square in it, and the square as its mask."""

    def write(
        name: str,
        mask: str | None = None,
        seed: int = 0,
        colour: tuple[int, int, int] = (200, 30, 30),
        background: int = 90,
        side: int = 12,
        size: tuple[int, int] = (40, 30),
    ) -> None:
        rng = np.random.default_rng([seed, *name.encode()])
        pixels = rng.integers(background - 20, background + 20, (size[1], size[0], 3)).clip(0, 255)
        levels = np.zeros((size[1], size[0]), np.uint8)
        levels[8 : 8 + side, 10 : 10 + side] = 255
        pixels[levels > 0] = colour
        photo = tmp_path / 'images' / name
        photo.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels.astype(np.uint8)).save(photo, quality=95)
        target = tmp_path / 'masks' / (mask or str(Path(name).with_suffix('.png')))
        target.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(levels).save(target)

    return write
