"""Clothing10: which files belong to it, and what is refused."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from bgremoval_mm import Clothing10


def test_folders_of_a_network_disk(clothing10_root: Path) -> None:
    """Thumbnails that a disk keeps beside photos are no class."""
    for name in ('@eaDir', '__MACOSX', '.cache'):
        (clothing10_root / 'train' / name / 'hat').mkdir(parents=True)
        shutil.copy(clothing10_root / 'train/hat/train 0.jpg', clothing10_root / 'train' / name)
    assert len(Clothing10(clothing10_root)) == 30


def test_folders_of_the_subsets(clothing10_root: Path) -> None:
    """The folder of 'val' is called `validation`; files that are not images are ignored."""
    for subset, folder, count in (('train', 'train', 3), ('val', 'validation', 2)):
        dataset = Clothing10(clothing10_root, subset)
        paths = [dataset[index]['img_path'] for index in range(len(dataset))]
        expected = sorted(str(path) for path in (clothing10_root / folder).rglob('*.jpg'))
        assert paths == expected
        assert len(paths) == 10 * count


def test_images_are_told_by_content(clothing10_root: Path) -> None:
    """An image without a suffix is one, hidden files and folders are not."""
    hats = clothing10_root / 'train' / 'hat'
    photo = next(hats.glob('*.jpg'))
    shutil.copy(photo, hats / 'no suffix')
    shutil.copy(photo, hats / '._hidden.jpg')
    (clothing10_root / 'train' / '.ipynb_checkpoints').mkdir()
    dataset = Clothing10(clothing10_root)
    names = [Path(dataset[i]['img_path']).name for i in range(len(dataset))]
    assert len(names) == 31
    assert 'no suffix' in names


@pytest.mark.parametrize('name', ['nowhere', 'train', 'README.md'])
def test_wrong_root(clothing10_root: Path, name: str) -> None:
    """The error says what was looked for, what is there, and the command that gets it."""
    root = clothing10_root / name
    with pytest.raises(FileNotFoundError) as caught:
        Clothing10(root)
    text = str(caught.value)
    assert 'the folder of Clothing10, with train/, validation/, test/ in it' in text
    there = {
        'nowhere': 'does not exist',
        'train': 'holds dress/, hat/, longsleeve/, outwear/, pants/ and 5 more',
        'README.md': 'is a file',
    }
    assert f'{root} {there[name]}' in text
    assert f'`python tools/prepare_dataset.py clothing10 --dst {root}`' in text


def test_missing_subset(clothing10_root: Path) -> None:
    """A dataset without one of its three folders is not complete, whatever is asked for."""
    shutil.rmtree(clothing10_root / 'validation')
    with pytest.raises(FileNotFoundError, match=r'holds LICENSE, README\.md, test/, train/'):
        Clothing10(clothing10_root, 'train')


@pytest.mark.parametrize('how', ['missing', 'empty', 'no image'])
def test_class_without_images(clothing10_root: Path, how: str) -> None:
    """A class without an image is an error that names it."""
    folder = clothing10_root / 'test' / 'skirt'
    shutil.rmtree(folder)
    if how != 'missing':
        folder.mkdir()
    if how == 'no image':
        (folder / 'list.txt').write_text('nothing')
    expected = f'{clothing10_root / "test"} must hold images of every class, .* none of skirt. '
    with pytest.raises(FileNotFoundError, match=expected):
        Clothing10(clothing10_root, 'test')
    assert len(Clothing10(clothing10_root, 'train')) == 30


def test_folder_that_is_no_class(clothing10_root: Path) -> None:
    """A label outside the table is an error that names it and the classes."""
    (clothing10_root / 'train' / 'trousers').mkdir()
    expected = r'are not classes of Clothing10: trousers\. The classes are dress, hat, '
    with pytest.raises(ValueError, match=expected):
        Clothing10(clothing10_root)


def test_image_outside_the_classes(clothing10_root: Path) -> None:
    """An image beside the folders of the classes has no label."""
    photo = next((clothing10_root / 'train' / 'hat').glob('*.jpg'))
    shutil.copy(photo, clothing10_root / 'train' / 'lost.jpg')
    with pytest.raises(ValueError, match=r'images outside the folders of the classes: lost\.jpg'):
        Clothing10(clothing10_root)


def test_folder_that_cannot_be_read(clothing10_root: Path) -> None:
    """A link to a folder that it lies in is reported, not followed."""
    (clothing10_root / 'train' / 'hat' / 'loop').symlink_to('..')
    expected = re.escape(f'{clothing10_root / "train"} cannot be read: hat/loop: a link to')
    with pytest.raises(OSError, match=expected):
        Clothing10(clothing10_root)


@pytest.mark.real
def test_real_photos(repository: Path) -> None:
    """The real dataset has 3,068, 341 and 372 photographs."""
    root = repository / 'data' / 'clothing10'
    if not root.is_dir():
        pytest.skip('needs data/clothing10: python tools/prepare_dataset.py clothing10')
    counts = [len(Clothing10(root, subset)) for subset in ('train', 'val', 'test')]
    assert counts == [3068, 341, 372]
