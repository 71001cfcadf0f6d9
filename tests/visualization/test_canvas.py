"""Colours, text and files of picture sheets."""

from __future__ import annotations

import runpy
import sys
from pathlib import Path

import pytest
from PIL import Image

from bgremoval_mm.visualization import canvas


def test_text_is_shortened_at_its_beginning() -> None:
    """The end of a path tells files apart; what fits is left alone."""
    assert canvas.shorten('train/dress/a.jpg', 17) == 'train/dress/a.jpg'
    assert canvas.shorten('train/dress/a.jpg', 8) == '…s/a.jpg'


@pytest.mark.parametrize(
    ('save', 'kind', 'size'),
    [
        (canvas.save_png, 'PNG', (300, 200)),
        (canvas.save_jpeg, 'JPEG', (1100, 733)),
    ],
)
def test_sheet_is_written_whole(
    save: object, kind: str, size: tuple[int, int], tmp_path: Path
) -> None:
    """The file has its format and size, and no temporary file is left."""
    path = tmp_path / 'sheet'
    save(Image.new('RGB', (300, 200)), path)  # type: ignore[operator]
    with Image.open(path) as image:
        assert (image.format, image.size) == (kind, size)
    assert list(tmp_path.iterdir()) == [path]


def test_missing_matplotlib_is_named_with_the_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is an extra: the error says how to install it."""
    monkeypatch.setitem(sys.modules, 'matplotlib.figure', None)
    with pytest.raises(ModuleNotFoundError, match=r'pip install "bgremoval_mm\[demo\]"'):
        runpy.run_path(str(canvas.__file__))
