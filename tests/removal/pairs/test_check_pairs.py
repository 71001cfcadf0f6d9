"""Checking pairs: each reason for which one is rejected, the split, and the odd ones."""

from __future__ import annotations

import struct
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bgremoval_mm.removal.errors import ArgumentError
from bgremoval_mm.removal.pairs.check import check_pairs, oddness
from bgremoval_mm.removal.pairs.inspection import PairError, binary_mask, inspect_pair
from bgremoval_mm.removal.pairs.manifest import (
    Pair,
    check_manifest_target,
    read_manifest,
    write_manifest,
)
from bgremoval_mm.removal.pairs.split import deal_out
from tests.removal.images.test_colour import profile


def with_exif(path: Path, orientation: int) -> None:
    """Writes an EXIF orientation into a picture."""
    with Image.open(path) as picture:
        picture.load()
        exif = picture.getexif()
        exif[0x0112] = orientation
        picture.save(path, exif=exif)


def test_photos_that_trainings_cannot_load(tmp_path: Path, write_pair: Callable[..., None]) -> None:
    """Pillow reads more kinds than OpenCV: one such photo would end the training."""
    for index, name in enumerate(('a', 'b')):
        write_pair(f'{name}.png', seed=index)
    photo = tmp_path / 'images/b.png'
    with Image.open(photo) as picture:
        picture.convert('RGB').save(photo.with_suffix('.tga'))
    photo.unlink()
    report = check_pairs(tmp_path / 'images', tmp_path / 'masks', tmp_path / 'pairs.csv')
    assert [Path(each.image).name for each in report.pairs] == ['a.png']
    (rejection,) = report.rejections
    assert (rejection.image, rejection.kind) == ('b.tga', 'unreadable photo')
    assert 'OpenCV, which loads photos in trainings, cannot read' in rejection.reason


@pytest.mark.parametrize('orientation', [3, 6])
def test_photos_that_trainings_do_not_turn(
    tmp_path: Path, write_pair: Callable[..., None], orientation: int
) -> None:
    """OpenCV loads AVIF as it is stored: the mask would lie beside the object without a word."""
    write_pair('a.png', size=(40, 40))
    photo = tmp_path / 'images/a.png'
    exif = Image.Exif()
    exif[0x0112] = orientation
    with Image.open(photo) as picture:
        picture.save(photo.with_suffix('.avif'), exif=exif)
        picture.save(photo.with_suffix('.jpg'), exif=exif)
    photo.unlink()
    for name in ('a.jpg.png', 'a.avif.png'):
        (tmp_path / 'masks' / name).write_bytes((tmp_path / 'masks/a.png').read_bytes())
    (tmp_path / 'masks/a.png').unlink()
    report = check_pairs(
        tmp_path / 'images', tmp_path / 'masks', tmp_path / 'm.csv', progress=False
    )
    assert [pair.image for pair in report.pairs] == ['images/a.jpg']
    (rejection,) = report.rejections
    assert (rejection.image, rejection.kind) == ('a.avif', 'orientation')
    assert f'upright (EXIF orientation {orientation}); save it as' in rejection.reason


def test_every_reason(tmp_path: Path, write_pair: Callable[..., None]) -> None:
    """One good pair, and one of each kind of bad ones."""
    names = [
        'good',
        'size',
        'turned',
        'exif',
        'empty',
        'full',
        'soft',
        'labels',
        'colour',
        'photo',
        'mask',
        'twice',
        'lone',
    ]
    for index, name in enumerate(names):
        write_pair(f'x/{name}.png', seed=index)
    images, masks = tmp_path / 'images/x', tmp_path / 'masks/x'
    (masks / 'lone.png').unlink()
    Image.new('L', (39, 30), 255).save(masks / 'size.png')
    with_exif(images / 'turned.png', 6)
    with_exif(masks / 'exif.png', 3)
    Image.new('L', (40, 30), 0).save(masks / 'empty.png')
    Image.new('L', (40, 30), 255).save(masks / 'full.png')
    soft = np.tile(np.linspace(0, 255, 40).astype(np.uint8), (30, 1))
    Image.fromarray(soft).save(masks / 'soft.png')
    Image.fromarray(np.arange(1200, dtype=np.uint8).reshape(30, 40) % 20).save(masks / 'labels.png')
    Image.new('RGB', (40, 30), 'red').save(masks / 'colour.png')
    (images / 'photo.png').write_bytes(b'no photo')
    content = (masks / 'mask.png').read_bytes()
    (masks / 'mask.png').write_bytes(content[: len(content) // 2])
    with Image.open(images / 'good.png') as good:  # the same pixels in another file
        good.save(images / 'twice.png', compress_level=0)

    report = check_pairs(
        tmp_path / 'images', tmp_path / 'masks', tmp_path / 'pairs/manifest.csv', progress=False
    )
    assert [pair.image for pair in report.pairs] == ['../images/x/good.png']
    assert {Path(each.image).stem: each.kind for each in report.rejections} == {
        'size': 'size',
        'turned': 'orientation',
        'exif': 'orientation',
        'empty': 'empty mask',
        'full': 'full mask',
        'soft': 'non-binary mask',
        'labels': 'non-binary mask',
        'colour': 'non-binary mask',
        'photo': 'unreadable photo',
        'mask': 'unreadable mask',
        'twice': 'duplicate photo',
        'lone': 'no mask',
    }
    reasons = {Path(each.image).stem: each.reason for each in report.rejections}
    assert reasons['turned'] == (
        'the photo has 30 x 40 pixels upright (EXIF orientation 6), the mask 40 x 30'
    )
    assert reasons['size'] == 'the photo has 40 x 30 pixels, the mask 39 x 30'
    assert reasons['twice'] == 'it shows pixel by pixel what x/good.png shows'
    assert report.counts()['non-binary mask'] == 3
    (pair,) = report.pairs
    assert (pair.width, pair.height, pair.foreground) == (40, 30, 144 / 1200)
    assert pair.mask == '../masks/x/good.png'


@pytest.mark.parametrize('top', [1, 255])
def test_masks_with_a_colour_profile(
    tmp_path: Path, write_pair: Callable[..., None], top: int
) -> None:
    """Editors embed one in grey pictures: the foreground is what trainings take it for."""
    load = pytest.importorskip('bgremoval_mm.datasets.transforms.load_saliency_mask')
    write_pair('a.png')
    levels = np.zeros((30, 40), np.uint8)
    levels[:, 20:], levels[:, 19] = top, 100 * (top > 1)  # 100 is 170 of sRGB
    linear = profile(b'GRAY', b'mntr', b'XYZ ', {b'kTRC': b'curv' + struct.pack('>4xI', 0)})
    Image.fromarray(levels).save(tmp_path / 'masks/a.png', icc_profile=linear)
    found = inspect_pair((tmp_path / 'images/a.png', tmp_path / 'masks/a.png'))
    assert found.foreground == 0.5
    assert load.read_foreground(tmp_path / 'masks/a.png').mean() == 0.5


def test_a_turned_photo_with_an_upright_mask(
    tmp_path: Path, write_pair: Callable[..., None]
) -> None:
    """EXIF is heeded: the mask is for the photo as one sees it."""
    write_pair('1.png')
    with_exif(tmp_path / 'images/1.png', 6)
    with Image.open(tmp_path / 'masks/1.png') as mask:
        mask.transpose(Image.Transpose.ROTATE_270).save(tmp_path / 'masks/1.png')
    report = check_pairs(
        tmp_path / 'images', tmp_path / 'masks', tmp_path / 'm.csv', progress=False
    )
    assert [(pair.width, pair.height) for pair in report.pairs] == [(30, 40)]


def test_duplicates_across_splits(tmp_path: Path, write_pair: Callable[..., None]) -> None:
    """A photo of both splits is kept in the first and told of the second; splits are kept."""
    write_pair('1.png')
    write_pair('2.png')
    (tmp_path / 'images/3.png').write_bytes((tmp_path / 'images/1.png').read_bytes())
    (tmp_path / 'masks/3.png').write_bytes((tmp_path / 'masks/1.png').read_bytes())
    file = tmp_path / 'list.csv'
    file.write_text('image,split\n1.png,train\n2.png,val\n3.png,val\n')
    where = (tmp_path / 'images', tmp_path / 'masks', tmp_path / 'm.csv', file)
    report = check_pairs(*where, progress=False)
    assert [(pair.split, pair.split_by) for pair in report.pairs] == [
        ('train', 'given'),
        ('val', 'given'),
    ]
    (rejection,) = report.rejections
    assert rejection.reason == 'it shows pixel by pixel what 1.png in train shows'
    with pytest.raises(ArgumentError, match='gives the splits, so `val_share` and `seed` must be'):
        check_pairs(*where, seed=1)
    file.write_text('image,mask\n1.png,1.png\n')
    with pytest.raises(ArgumentError, match='names every mask, so `mask_suffix` must be left out'):
        check_pairs(*where, mask_suffix='_mask')


@pytest.mark.parametrize(
    ('levels', 'message'),
    [
        ([0] * 10 + [1] * 10, ''),
        ([0] * 10 + [255] * 10, ''),
        ([2] * 10 + [253] * 10, ''),
        ([0] * 50 + [255] * 47 + [100] * 3, ''),
        ([0] * 50 + [255] * 44 + [100] * 6, '6.0% of its pixels have levels from 3 to 252'),
        ([0] * 10 + [127] * 10, 'its highest level is 127, which is neither 1 nor 128 or more'),
        ([0] * 20, 'empty mask: 0.00% of it is foreground'),
        ([1] * 20, 'full mask: 0.00% of it is background'),
        ([0] * 2000 + [255], 'empty mask: 0.05% of it is foreground'),
    ],
)
def test_the_rule_of_binary_masks(levels: list[int], message: str) -> None:
    """Levels 0 and 1, or 0 and 255 with few between; neither empty nor full."""
    mask = np.array([levels], np.uint8)
    if message:
        with pytest.raises(PairError, match=message):
            binary_mask(mask)
    else:
        foreground, _ = binary_mask(mask)
        assert foreground.tolist() == (mask >= min(128, mask.max())).tolist()


def made_up(count: int, clusters: int = 2, items: int = 0) -> list[Pair]:
    """Pairs with clusters in turn, and items of consecutive photos."""
    return [
        Pair(
            f'{index}.jpg', f'{index}.png', 1, 1, f'hash{index}', '', 0.5,
            cluster=str(index % clusters), item=f'item{index // items}' if items else '',
        )
        for index in range(count)
    ]  # fmt: skip


def test_split_is_stratified_and_deterministic() -> None:
    """A fifth of each cluster, whatever the order; another seed gives another one."""
    pairs = made_up(100, clusters=4)
    dealt = deal_out(pairs)
    counts = Counter((pair.cluster, pair.split) for pair in dealt)
    assert counts == {(str(c), s): n for c in range(4) for s, n in (('train', 20), ('val', 5))}
    again = deal_out(pairs[::-1])
    assert {pair.image: pair.split for pair in again} == {p.image: p.split for p in dealt}
    assert [pair.split for pair in deal_out(pairs, seed=1)] != [pair.split for pair in dealt]
    # A new photo moves no other one from training to validation and back by its mere name.
    assert [pair.image for pair in dealt] == [pair.image for pair in pairs]
    with pytest.raises(ArgumentError, match='`share` must be between 0 and 1, but got 1'):
        deal_out(pairs, share=1)


def test_an_item_is_in_one_split() -> None:
    """The photos of a product stay together, also across clusters."""
    dealt = deal_out(made_up(120, clusters=2, items=3))
    splits: dict[str, set[str]] = {}
    for pair in dealt:
        splits.setdefault(pair.item, set()).add(pair.split)
    assert all(len(each) == 1 for each in splits.values())
    assert sum(pair.split == 'val' for pair in dealt) == 24


@pytest.mark.parametrize(('count', 'clusters', 'size'), [(100, 5, 5), (80, 5, 8), (30, 1, 10)])
def test_large_items_validate_too(count: int, clusters: int, size: int) -> None:
    """About a fifth does, also where no product fits into the fifth of its cluster."""
    pairs = [
        replace(pair, item=f'{index // size}', cluster=f'{index // size % clusters}')
        for index, pair in enumerate(made_up(count))
    ]
    dealt = deal_out(pairs)
    validating = sum(pair.split == 'val' for pair in dealt)
    assert abs(validating - 0.2 * count) <= size / 2
    assert len({(pair.item, pair.split) for pair in dealt}) == count // size
    again = deal_out(pairs[::-1])
    assert {pair.image: pair.split for pair in again} == {p.image: p.split for p in dealt}


@pytest.mark.parametrize('size', [1, 2, 3, 7])
def test_many_small_clusters_validate_too(size: int) -> None:
    """About a fifth of all photos does, though a fifth of each cluster is rounded."""
    pairs = made_up(40 * size, clusters=40)
    validating = [pair for pair in deal_out(pairs) if pair.split == 'val']
    assert abs(len(validating) - 0.2 * len(pairs)) <= 1
    of_each = Counter(pair.cluster for pair in validating)
    assert max(of_each.values()) <= 0.2 * size + 1


def test_the_oddest_come_first() -> None:
    """By distance from the median in interquartile ranges, with the figure that is odd."""
    figures = [{'share': 0.5 + 0.01 * (i % 5), 'parts': 1.0} for i in range(20)]
    figures[7]['parts'] = 9.0
    figures[3]['share'] = 0.9
    order = oddness(figures)
    assert [index for index, _ in order[:2]] == [3, 7]
    assert (order[0][1], order[1][1]) == ('share 0.9', 'parts 9')
    assert oddness([]) == []


def test_manifest(tmp_path: Path) -> None:
    """It is read as it was written, and another file is refused."""
    pairs = [*made_up(3), replace(made_up(1)[0], image='a, "b"\udce9.jpg')]
    pairs = deal_out(pairs)
    write_manifest(tmp_path / 'new' / 'manifest.csv', pairs)
    assert read_manifest(tmp_path / 'new' / 'manifest.csv') == pairs
    edited = tmp_path / 'edited.csv'  # a spreadsheet puts a byte order mark before it
    edited.write_bytes(b'\xef\xbb\xbf' + (tmp_path / 'new' / 'manifest.csv').read_bytes())
    assert read_manifest(edited) == pairs
    other = tmp_path / 'other.csv'
    other.write_text('image,label\na,b\n')
    with pytest.raises(ArgumentError, match=r'must be a manifest .* but has image, label'):
        check_manifest_target(other)
    content = (tmp_path / 'new' / 'manifest.csv').read_text(errors='surrogateescape')
    for bad, message in (
        (content.replace(',1,1,', ',one,1,', 1), 'line 2: not a row of a manifest'),
        (content.replace('train', 'trian', 1), "split must be train, val, test, but is 'trian'"),
    ):
        other.write_text(bad, errors='surrogateescape')
        with pytest.raises(ArgumentError, match=message):
            read_manifest(other)
