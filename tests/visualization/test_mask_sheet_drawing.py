"""The contact sheet of masks, on a store that tiny weights filled."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bgremoval_mm.removal import ImageError, MaskStore, read_image, remove_tree, resize
from bgremoval_mm.removal.errors import ArgumentError
from bgremoval_mm.removal.images.thumbnails import thumbnail
from bgremoval_mm.removal.io.manifest import Record
from bgremoval_mm.removal.review.ranking import rank, read_ranking
from bgremoval_mm.visualization.contact_sheet import Tile
from bgremoval_mm.visualization.mask_sheet import (
    check_target,
    draw_mask_sheet,
    make_tile,
    write_mask_sheet,
)
from tests.limits import lower_limits

NAME = 'hat/4.png'  # not a JPEG, so that its pixels are what the fixture made


@pytest.fixture
def store(tiny_model, image_tree: Path, tmp_path: Path) -> MaskStore:
    """A store with a mask of each of the six images of `image_tree`."""
    tiny_model('u2netp')
    remove_tree(image_tree, tmp_path / 'masks', 'u2netp', device='cpu', progress=False)
    return MaskStore(tmp_path / 'masks', 'u2netp')


def tile_of(store: MaskStore, images: Path, name: str = NAME) -> Tile:
    """The tile of one image."""
    return make_tile(store.manifest.read()[name], store, images)


def test_tile_shows_what_training_sees(store: MaskStore, image_tree: Path) -> None:
    """Original and mask as they are; black behind the mask, the original within it."""
    tile = tile_of(store, image_tree)
    original = np.asarray(Image.open(image_tree / NAME))
    stored = store.get(NAME)
    assert stored is not None
    mask = resize(stored.mask, (original.shape[1], original.shape[0]))
    np.testing.assert_array_equal(tile.pictures[0], original)
    np.testing.assert_array_equal(tile.pictures[1], mask)
    expected = np.rint(original * (mask[..., None] / 255.0))
    np.testing.assert_array_equal(tile.pictures[2], expected)
    assert (mask == 0).any()
    assert mask.max() == 255
    quality = store.manifest.read()[NAME].quality
    assert quality is not None
    assert tile.caption == [
        NAME,
        f'foreground {100 * quality.foreground:.1f}%, confidence {quality.confidence:.3f}',
    ]
    assert tile.warning == 'mask is uncertain'  # the tiny model is sure of nothing


@pytest.mark.parametrize('name', [NAME, 'hat/0.jpg'])
def test_large_photo_is_shown(
    store: MaskStore, image_tree: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """One that `--max-pixels` or `--max-bytes` let in when the mask was made."""
    lower_limits(monkeypatch)
    monkeypatch.setattr(Image, 'MAX_IMAGE_PIXELS', 10)  # Pillow's own, which is as low
    tile = tile_of(store, image_tree, name)
    assert all(isinstance(each, np.ndarray) for each in tile.pictures)
    assert tile.warning == 'mask is uncertain'


def test_flags_are_a_warning(store: MaskStore, image_tree: Path) -> None:
    """A flagged mask is shown with its flags in the warning line."""
    source = read_image(image_tree / NAME)
    record = store.put(NAME, source, np.zeros((8, 8), np.uint8), constant=True)
    assert make_tile(record, store, image_tree).warning == 'mask is constant, empty'


def test_what_is_gone_or_changed_is_said(store: MaskStore, image_tree: Path) -> None:
    """A missing image, a missing or damaged mask and a changed image give words, not an error."""
    store.path('hat/0.jpg').unlink()
    tile = tile_of(store, image_tree, 'hat/0.jpg')
    assert isinstance(tile.pictures[0], np.ndarray)
    assert list(tile.pictures[1:]) == ['mask is gone', 'cannot be shown']
    assert tile.warning == 'the mask is not there any more: make it again'

    store.path('hat/2.jpg').write_bytes(b'no mask')
    tile = tile_of(store, image_tree, 'hat/2.jpg')
    assert list(tile.pictures[1:]) == ['mask is damaged', 'cannot be shown']
    assert tile.warning == 'delete the mask and make it again'

    bf16 = MaskStore(store.folder.parent, 'u2netp', 'bf16')
    tile = tile_of(bf16, image_tree, 'dress/1.jpg')
    assert tile.pictures[2] == 'out of date'
    assert tile.warning == 'the mask was made in another precision (fp32, not bf16)'

    (image_tree / 'dress/1.jpg').unlink()
    tile = tile_of(store, image_tree, 'dress/1.jpg')
    assert (tile.pictures[0], tile.pictures[2]) == ('image is gone', 'cannot be shown')
    assert tile.warning == 'the image is not there any more'
    assert isinstance(tile.pictures[1], np.ndarray)

    (image_tree / 'dress/3.jpg').write_bytes(b'\xff\xd8\xff no photograph')
    tile = tile_of(store, image_tree, 'dress/3.jpg')
    assert tile.pictures[0] == 'image cannot be read'
    assert tile.warning.startswith('not an image: the file begins with')

    Image.new('RGB', (9, 9), 'red').save(image_tree / NAME)
    tile = tile_of(store, image_tree)
    assert tile.pictures[2] == 'out of date'
    assert tile.warning == 'the mask was made from other content than the file has now'

    # All of them together make a sheet.
    ranking = rank(store.manifest.read().values())
    assert len(ranking.masks) == 6
    assert draw_mask_sheet(ranking, store, image_tree).width > 1000


def test_sheet_is_written(store: MaskStore, image_tree: Path, tmp_path: Path) -> None:
    """A PNG in a new folder; more masks make a taller one, up to as many as there are."""
    ranking = read_ranking(tmp_path / 'masks', 'u2netp')
    sizes = []
    for number in (1, 5, 6, 50):
        write_mask_sheet(tmp_path / 'new' / 's.png', ranking, store, image_tree, number)
        with Image.open(tmp_path / 'new' / 's.png') as image:
            assert image.format == 'PNG'
            sizes.append(image.size)
    assert sizes[0][0] < sizes[1][0]
    assert sizes[0][1] < sizes[1][1]
    assert sizes[1] == sizes[2] == sizes[3]


def test_image_root_that_does_not_fit(store: MaskStore, image_tree: Path, tmp_path: Path) -> None:
    """A folder that holds none of the images is refused with an example of what it should hold."""
    ranking = read_ranking(tmp_path / 'masks', 'u2netp')
    with pytest.raises(ValueError, match=r'none of the 6 images of .* is in .*hat \(for example'):
        draw_mask_sheet(ranking, store, image_tree / 'hat')


def test_nothing_to_show(store: MaskStore, image_tree: Path) -> None:
    """No mask at all, and a number below 1."""
    failed = rank([Record('a.jpg', 'error', 'u2netp', 'sha256:0', error='empty')])
    with pytest.raises(ValueError, match=r'no mask to show: 0 masks, 0 flagged, 1 failed'):
        draw_mask_sheet(failed, store, image_tree)
    with pytest.raises(ValueError, match='`number` must be at least 1, but got 0'):
        draw_mask_sheet(failed, store, image_tree, 0)


def test_sheet_is_never_taken_for_image_or_mask(
    store: MaskStore, image_tree: Path, tmp_path: Path
) -> None:
    """Not in the image folder, not over a mask, not under another suffix."""
    ranking = read_ranking(tmp_path / 'masks', 'u2netp')
    with pytest.raises(ValueError, match=r'would lie in the image folder .* taken for an image'):
        check_target(image_tree / 'hat' / 'sheet.png', store, image_tree, ranking)
    with pytest.raises(ValueError, match=r'is the mask of the image hat/4\.png'):
        check_target(store.path(NAME), store, image_tree, ranking)
    with pytest.raises(ValueError, match=r'must end in \.png, but got .*sheet\.jpg'):
        check_target(tmp_path / 'sheet.jpg', store, image_tree, ranking)
    check_target(store.folder / 'least_trusted.png', store, image_tree, ranking)
    # The store of a single image may lie beside the image.
    check_target(store.folder / 'least_trusted.png', store, tmp_path, ranking)


@pytest.mark.parametrize('orientation', [1, 6])
def test_thumbnail_is_the_photograph_upright_and_small(orientation: int, tmp_path: Path) -> None:
    """A JPEG of 1600 x 800 pixels, red on the left: at most 200 pixels, turned by its EXIF."""
    pixels = np.zeros((800, 1600, 3), np.uint8)
    pixels[:, :800, 0] = 250
    exif = Image.Exif()
    exif[274] = orientation
    path = tmp_path / 'a.jpg'
    Image.fromarray(pixels).save(path, exif=exif, quality=95)
    small = thumbnail(path, 200)
    whole = read_image(path).rgb
    assert small.shape == ((100, 200, 3) if orientation == 1 else (200, 100, 3))
    step = 8
    expected = whole[step // 2 :: step, step // 2 :: step].astype(int)
    middle = np.abs(small.astype(int) - expected).max(axis=2)
    assert np.median(middle) <= 3  # but for the edge between the colours
    assert small[0, 0, 0] > 200
    assert small[-1, -1, 0] < 50


def test_thumbnail_of_other_formats(tmp_path: Path) -> None:
    """16-bit grey is scaled, transparency laid on white, as read_image does; text is refused."""
    Image.fromarray(np.full((4, 6), 25700, np.uint16)).save(tmp_path / 'deep.png')
    assert (thumbnail(tmp_path / 'deep.png', 100) == 100).all()
    Image.new('RGBA', (6, 4), (0, 0, 0, 0)).save(tmp_path / 'clear.png')
    assert (thumbnail(tmp_path / 'clear.png', 100) == 255).all()
    Image.new('CMYK', (6, 4), (0, 0, 0, 0)).save(tmp_path / 'print.jpg')
    assert thumbnail(tmp_path / 'print.jpg', 100).shape == (4, 6, 3)
    (tmp_path / 'text.jpg').write_text('hello')
    with pytest.raises(ImageError, match='not an image: the file begins with'):
        thumbnail(tmp_path / 'text.jpg', 100)
    with pytest.raises(FileNotFoundError):
        thumbnail(tmp_path / 'none.jpg', 100)
    whole = tmp_path / 'whole.jpg'
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)).save(whole)
    (tmp_path / 'torn.jpg').write_bytes(whole.read_bytes()[:1500])
    with pytest.raises(ImageError, match=r'cannot be decoded: .*truncated'):
        thumbnail(tmp_path / 'torn.jpg', 100)


def test_sheet_never_goes_over_a_mask_of_another_model(
    store: MaskStore, image_tree: Path, tmp_path: Path
) -> None:
    """Masks of other models lie beside this store's folder: they are known by what they carry."""
    image = next(image_tree.rglob('*.jpg'))
    other = MaskStore(tmp_path / 'masks', 'u2net')
    other.put('a.jpg', read_image(image), np.zeros((8, 8), np.uint8), constant=False)
    with pytest.raises(ArgumentError, match=r'a\.jpg\.png is a mask of a mask store'):
        check_target(other.path('a.jpg'), store, image_tree, rank([]))
