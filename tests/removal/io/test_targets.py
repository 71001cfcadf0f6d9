"""What a sheet or a report may replace, and what it may not."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bgremoval_mm.removal.errors import ArgumentError
from bgremoval_mm.removal.io.targets import check_report, check_sheet, photo_folders

pytest.importorskip('matplotlib')

from bgremoval_mm.visualization.canvas import save_jpeg, save_png
from bgremoval_mm.visualization.contact_sheet import Tile, draw_tiles


@pytest.fixture(scope='module')
def sheet() -> Image.Image:
    """A sheet of one tile."""
    return draw_tiles([Tile([np.zeros((60, 80, 3), np.uint8)], ['a'], '')], ('x',), ('h', 'g'))


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """A folder of one photo."""
    (tmp_path / 'photos/hat').mkdir(parents=True)
    Image.new('RGB', (8, 8), 'red').save(tmp_path / 'photos/hat/a.png')
    return tmp_path / 'photos'


def test_photos_are_not_replaced(photos: Path, tmp_path: Path) -> None:
    """The photo itself, by a link too; any file in a tree of photos or in a folder of photos."""
    photo = photos / 'hat/a.png'
    link = tmp_path / 'link.png'
    link.symlink_to(photo)
    for path in (photo, photos / 'hat/../hat/a.png', link):
        with pytest.raises(ArgumentError, match=r'would replace the photo .*hat/a\.png'):
            check_sheet(path, photos=[photo])
        with pytest.raises(ArgumentError, match=r'would lie in the photo folder .*photos'):
            check_sheet(path, trees=[photos])
        with pytest.raises(ArgumentError, match=r'would lie in the photo folder .*hat'):
            check_sheet(path, folders=photo_folders([photo, 's3://bucket/b.png']))
    with pytest.raises(ArgumentError, match='be taken for a photo'):
        check_sheet(photos / 'new/sheet.png', trees=[photos])
    check_sheet(photos / 'hat/sheet.png', photos=[photo])  # beside a photo that was named alone
    check_sheet(photos / 'sheet.png', folders=photo_folders([photo]))


@pytest.mark.parametrize('name', ['sheet.png', 'sheet.jpg'])
def test_default_name(sheet: Image.Image, tmp_path: Path, name: str) -> None:
    """Sheets are replaced, those of version 0.1 too; another picture only if it was named."""
    path = tmp_path / name
    check_sheet(path, named=False)
    (save_png if name.endswith('png') else save_jpeg)(sheet, path)
    check_sheet(path, named=False)
    sheet.save(path)  # without a mark, as version 0.1 did
    check_sheet(path, named=False)
    Image.new('RGB', (64, 48), 'white').save(path, exif=Image.Exif(), dpi=(72, 72))
    for _ in range(2):
        with pytest.raises(
            ArgumentError, match=f'{name} is not a sheet of ours. Name it with --out'
        ):
            check_sheet(path, named=False)
        check_sheet(path, named=True)
        path.write_text('mine')


def test_reports(sheet: Image.Image, tmp_path: Path) -> None:
    """Ours is replaced, with its picture, marked or not; a foreign file of either kind is not."""
    figures, picture = tmp_path / 'a.json', tmp_path / 'a.png'
    check_report(figures, picture, ['settings'])
    sheet.save(picture)
    with pytest.raises(ArgumentError, match=r'a\.png is there, but was not written by this tool'):
        check_report(figures, picture, ['settings'])
    save_png(sheet, picture)
    check_report(figures, picture, ['settings'])
    sheet.save(picture)
    figures.write_text(json.dumps({'settings': {}}))
    check_report(figures, picture, ['settings'])
    for content in ('{"mine": 1}', '[1]', 'no JSON'):
        figures.write_text(content)
        with pytest.raises(ArgumentError, match=r'a\.json is there, but was not written by'):
            check_report(figures, picture, ['settings'])
