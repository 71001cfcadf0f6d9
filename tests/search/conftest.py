"""What the tests of the search share: photos of plain colours, and a network that sees colours."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bgremoval_mm.evaluation.nearest import normalise
from bgremoval_mm.search.records import NetworkRecord


class ColourNetwork:
    """The mean colour of a photo, and a constant; counts what it is given."""

    def __init__(self, sha256: str = 'ab' * 32, definition: str = 'mean colour') -> None:
        self.record = NetworkRecord('colours.pth', '/nowhere/colours.pth', sha256, definition)
        self.seen = 0

    def embed(self, images: Sequence[np.ndarray]) -> np.ndarray:
        """Return vectors of length 4."""
        self.seen += len(images)
        return normalise(np.array([[*image.mean(axis=(0, 1)), 50.0] for image in images]))


@pytest.fixture
def network() -> ColourNetwork:
    """The network."""
    return ColourNetwork()


@pytest.fixture
def make_network() -> type[ColourNetwork]:
    """Makes others."""
    return ColourNetwork


@pytest.fixture
def paint() -> Callable[..., None]:
    """A function that writes a photo of one colour."""

    def write(path: Path, *colour: int) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new('RGB', (12, 10), colour).save(path, 'PNG')

    return write


@pytest.fixture
def shop(tmp_path: Path, paint: Callable[..., None]) -> Path:
    """Seven photos in two folders, and files that are none."""
    root = tmp_path / 'shop'
    for number in range(5):
        paint(root / 'red' / f'{number}.png', 250, 20 * number, 0)
    paint(root / 'blue' / 'sky.png', 0, 90, 250)
    paint(root / 'blue' / 'w\nave.png', 0, 0, 250)
    (root / 'notes.txt').write_text('no photo')
    return root
