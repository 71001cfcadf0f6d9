"""ChangeBackground: the same masks as RemoveBackground, another background."""

from __future__ import annotations

import os
import pickle
from pathlib import Path

import numpy as np
import pytest
from mmengine.registry import TRANSFORMS
from PIL import Image

from bgremoval_mm.datasets import ChangeBackground, RemoveBackground
from bgremoval_mm.datasets.removal_settings import RemovalSettings
from bgremoval_mm.removal import MaskStore, read_image
from bgremoval_mm.removal.errors import ArgumentError

COLOURS = {'a.png': (250, 0, 0), 'b.png': (0, 250, 0), 'c.png': (0, 0, 250)}


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Three photos of 32 x 32 pixels with a white square before a colour, and their masks."""
    root = tmp_path / 'photos'
    root.mkdir()
    store = MaskStore(tmp_path / 'masks', 'u2netp')
    mask = np.zeros((32, 32), np.uint8)
    mask[8:24, 8:24] = 255
    for name, colour in COLOURS.items():
        pixels = np.full((32, 32, 3), colour, np.uint8)
        pixels[8:24, 8:24] = 255
        Image.fromarray(pixels).save(root / name)
        store.put(name, read_image(root / name), mask, constant=False)
    return root


def change(tree: Path, condition: str, **options: object) -> ChangeBackground:
    """The transform, as a pipeline builds it."""
    return TRANSFORMS.build(
        {
            'type': 'ChangeBackground',
            'condition': condition,
            'donors': [str(tree / name) for name in COLOURS],
            'model': 'u2netp',
            'mask_dir': str(tree.parent / 'masks'),
            'img_root': str(tree),
            'on_missing': 'error',
            **options,
        }
    )


def results(tree: Path, name: str = 'a.png') -> dict:
    """A photo as a loader gives it: BGR."""
    rgb = read_image(tree / name).rgb
    return {'img': np.ascontiguousarray(rgb[..., ::-1]), 'img_path': str(tree / name)}


def corner(transformed: dict) -> tuple[int, ...]:
    """Colour of the first pixel, RGB."""
    return tuple(int(level) for level in transformed['img'][0, 0, ::-1])


def test_conditions(tree: Path) -> None:
    """What is before the background stays, but with the background only."""
    assert corner(change(tree, 'original')(results(tree))) == COLOURS['a.png']
    assert corner(change(tree, 'removed', fill=7)(results(tree))) == (7, 7, 7)
    assert corner(change(tree, 'blurred')(results(tree))) == COLOURS['a.png']
    for condition in ('original', 'removed', 'blurred', 'replaced'):
        assert (change(tree, condition)(results(tree))['img'][10:22, 10:22] == 255).all()
    alone = change(tree, 'background_only')(results(tree))
    assert np.abs(alone['img'].astype(int) - COLOURS['a.png'][::-1]).max() <= 4


def test_removed_is_remove_background(tree: Path) -> None:
    """The same transform, pixel for pixel."""
    removal = RemoveBackground('u2netp', mask_dir=str(tree.parent / 'masks'), img_root=str(tree))
    expected = removal(results(tree))['img']
    assert (change(tree, 'removed')(results(tree))['img'] == expected).all()


def test_replaced_by_another_photos_background(tree: Path) -> None:
    """One of the others, without its foreground; the seed decides, and nothing else."""
    seen = set()
    for seed in range(20):
        transform = change(tree, 'replaced', seed=seed)
        found = corner(transform(results(tree)))
        assert found in (COLOURS['b.png'], COLOURS['c.png'])
        assert corner(pickle.loads(pickle.dumps(transform))(results(tree))) == found
        picture = transform(results(tree))['img']
        outside = np.ones((32, 32), bool)
        outside[8:24, 8:24] = False
        assert np.abs(picture[outside].astype(int) - found[::-1]).max() <= 4
        seen.add(found)
    assert len(seen) == 2


@pytest.mark.parametrize('path', [{}, {'img_path': None}])
def test_replaced_of_an_array_that_was_never_a_file(tree: Path, tiny_model, path: dict) -> None:
    """As inferencers give it: its mask is computed, and the seed alone decides."""
    tiny_model('u2netp')
    image = results(tree)['img']
    donors = [str(tree / 'b.png'), str(tree / 'c.png')]
    transform = ChangeBackground('replaced', donors=donors, model='u2netp', device='cpu')
    first, again = (transform({'img': image.copy(), **path})['img'] for _ in range(2))
    np.testing.assert_array_equal(first, again)
    assert first.shape == image.shape


def test_condition_can_be_set(tree: Path) -> None:
    """As an audit does between two tests."""
    transform = change(tree, 'original')
    transform.set('removed')
    assert corner(transform(results(tree))) == (0, 0, 0)


def test_donors_of_a_folder(tree: Path) -> None:
    """A folder stands for the images in it, in the order of their names."""
    (tree / 'notes.txt').write_text('no photo')
    for donors in (str(tree), tree):
        transform = change(tree, 'replaced', donors=donors)
        assert transform.donors == [str(tree / name) for name in COLOURS]


def test_donors_from_a_macs_archive(tree: Path) -> None:
    """AppleDouble files, their folder and hidden files are no donors."""
    (tree / '__MACOSX').mkdir()
    (tree / '.trash').mkdir()
    for name in ('._a.png', '__MACOSX/._a.png', '.trash/d.png', '.DS_Store'):
        (tree / name).write_bytes(b'\0\x05\x16\x07\0\x02\0\0Mac OS X        ' + bytes(200))
    transform = change(tree, 'replaced', donors=str(tree))
    assert transform.donors == [str(tree / name) for name in COLOURS]


@pytest.mark.parametrize(
    ('content', 'reason'),
    [
        (b'no photo', 'is none: not an image: the file begins with'),
        (b'', 'is none: the file is empty'),
        (b'\xff\xd8\xff\xe0\0', 'is none: cannot be opened: a damaged JPEG'),
    ],
    ids=['text', 'empty', 'cut'],
)
def test_broken_donors_are_refused_at_once(tree: Path, content: bytes, reason: str) -> None:
    """A donor that is not an image is named when the transform is made, in a folder or a list."""
    broken = tree / 'd\n.jpg'
    broken.write_bytes(content)
    for donors in (str(tree), [str(tree / 'a.png'), str(broken)]):
        with pytest.raises(
            ArgumentError, match=rf'`donors` must be images, but .*d\\n\.jpg {reason}'
        ):
            change(tree, 'replaced', donors=donors)


def test_donors_of_other_kinds(tree: Path) -> None:
    """What the engine reads may be a donor; other pictures and pipes are refused."""
    picture = Image.new('RGB', (8, 8), (9, 9, 9))
    picture.save(tree / 'd.ppm')
    picture.save(tree / 'd.ico')
    os.mkfifo(tree / 'pipe.png')
    names = [str(tree / name) for name in ('a.png', 'd.ppm')]
    assert change(tree, 'replaced', donors=names).donors == names
    with pytest.raises(ArgumentError, match=r'd\.ico is none: not an image of a kind that is read'):
        change(tree, 'replaced', donors=[*names, str(tree / 'd.ico')])
    with pytest.raises(ArgumentError, match=r'pipe\.png is none: not a regular file but a'):
        change(tree, 'replaced', donors=[*names, str(tree / 'pipe.png')])


def test_donors_without_a_place_in_the_store(tree: Path, tmp_path: Path) -> None:
    """Donors whose masks the store cannot hold are found out when the transform is made."""
    (tmp_path / 'other').mkdir()
    for name in ('a.png', 'b.png'):
        Image.new('RGB', (8, 8)).save(tmp_path / 'other' / name)
    with pytest.raises(ArgumentError, match=r'other/a\.png does not lie in'):
        change(tree, 'replaced', donors=str(tmp_path / 'other'))
    transform = change(
        tree, 'replaced', donors=str(tmp_path / 'other'), mask_dir=None, on_missing='compute'
    )
    assert len(transform.donors) == 2


def test_as_an_augmentation(tree: Path) -> None:
    """With prob below 1, some photos keep their background."""
    transform = change(tree, 'replaced', prob=0.5)
    np.random.seed(0)  # noqa: NPY002  # the generator that mmengine seeds
    found = [corner(transform(results(tree))) == COLOURS['a.png'] for _ in range(40)]
    assert 8 < sum(found) < 32


def test_wrong_arguments(tree: Path) -> None:
    """Errors name the argument, what is allowed and what came."""
    with pytest.raises(ValueError, match='`condition` must be one of original, removed, replaced'):
        change(tree, 'inverted')
    for condition in ('replaced', 'blurred', 'background_only'):
        with pytest.raises(ValueError, match=f"`fill` must .*'removed' only, but got '{condition}"):
            change(tree, condition, fill=0)
    with pytest.raises(ValueError, match='`donors` must be at least 2 files, but got 1'):
        change(tree, 'replaced', donors=['a.png'])
    with pytest.raises(ValueError, match=r'there is no file .*none\.png'):
        change(tree, 'replaced', donors=[str(tree / 'none.png'), str(tree / 'no.png')])
    with pytest.raises(ValueError, match=r"must be a folder or a list of files, but got '.*none'"):
        change(tree, 'replaced', donors=str(tree / 'none'))
    assert "condition='replaced'" in repr(change(tree, 'replaced'))


def test_donor_that_is_damaged_inside(tree: Path) -> None:
    """What a look at the head does not find is named when it is borrowed."""
    content = (tree / 'b.png').read_bytes()
    (tree / 'b.png').write_bytes(content[:60])
    transform = change(tree, 'replaced', donors=[str(tree / 'b.png'), str(tree / 'a.png')])
    with pytest.raises(OSError, match=r'b\.png, whose background .*a\.png is to get, cannot be'):
        transform(results(tree))


def test_photos_of_one_name(tmp_path: Path) -> None:
    """Catalogues have a front.jpg in each folder: below `img_root` the whole path decides."""
    for index in range(30):
        Image.new('RGB', (32, 32), (index, 9, 8)).save(tmp_path / f'{index}.png')
    paths = [str(tmp_path / f'shop/{item}/front.jpg') for item in range(12)]

    def backgrounds(**options: object) -> list[tuple[int, ...]]:
        step = ChangeBackground('replaced', bank=str(tmp_path), **options)
        image, mask = np.full((8, 8, 3), 200, np.uint8), np.zeros((8, 8), np.uint8)
        samples = [{'img': image, 'fg_mask': mask, 'img_path': path} for path in paths]
        return [corner(step(each)) for each in samples]

    assert len(set(backgrounds(img_root=str(tmp_path / 'shop')))) > 6
    assert len(set(backgrounds())) == 1  # nothing says which folder is the photos' own


def test_photos_of_a_bank(tmp_path: Path) -> None:
    """'replaced' may take whole photos of a bank, one by name and seed, and no donors then."""
    for index in range(5):
        Image.new('RGB', (64, 48), (index, 9, 8)).save(tmp_path / f'{index}.png')
    change = ChangeBackground('replaced', bank=str(tmp_path))
    image = np.full((20, 30, 3), 200, np.uint8)
    mask = np.zeros((20, 30), np.uint8)
    mask[5:15] = 255
    seen = set()
    for seed in range(40):
        change.set('replaced', seed)
        results = {'img': image, 'fg_mask': mask, 'img_path': 'a.jpg'}
        once, again = (change(dict(results))['img'] for _ in range(2))
        np.testing.assert_array_equal(once, again)
        assert (once[5:15] == 200).all()
        assert (once[:5] == once[0, 0]).all()
        seen.add(tuple(once[0, 0]))
    assert seen == {(8, 9, index) for index in range(5)}
    with pytest.raises(ValueError, match='`donors` must not be given with `bank`'):
        ChangeBackground(donors=str(tmp_path), bank=str(tmp_path))
    (settings,) = RemovalSettings.of(
        {
            'type': 'X',
            'pipeline': [{'type': 'ChangeBackground', 'bank': 'b'}],
        }
    )
    assert (settings.condition, settings.bank) == ('replaced', ('b',))
