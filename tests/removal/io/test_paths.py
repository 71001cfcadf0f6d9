"""One rule for the name of an image below the folder of images, and callers that agree on it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from PIL import Image

from bgremoval_mm.analysis import annotated_datasets
from bgremoval_mm.datasets.transforms import load_removed, remove_background
from bgremoval_mm.removal.errors import ArgumentError
from bgremoval_mm.removal.io.paths import path_below
from bgremoval_mm.removal.io.scan import scan_tree


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder: photos on another disk, a link to them, a link to a folder within."""
    disk = tmp_path / 'disk' / 'photos'
    for name in ('train/a.jpg', '..a.jpg', '...b/c.jpg'):
        (disk / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new('RGB', (2, 2)).save(disk / name)
    (tmp_path / 'more').mkdir()
    Image.new('RGB', (2, 2)).save(tmp_path / 'more' / 'd.jpg')
    (disk / 'linked').symlink_to(tmp_path / 'more')
    (disk / 'e.jpg').symlink_to(tmp_path / 'more' / 'd.jpg')
    work = tmp_path / 'work'
    (work / 'data').mkdir(parents=True)
    (work / 'data' / 'photos').symlink_to(disk)
    monkeypatch.chdir(work)
    return tmp_path


ROOTS = (
    'data/photos',
    'data/photos/',
    './data//photos',
    '{0}/work/data/photos',
    '../work/data/photos',
    '{0}/disk/photos',
    '../disk/photos/',
    'data/photos/train/..',
    'data/photos/../photos',
)


@pytest.mark.parametrize('root', ROOTS)
def test_every_spelling_gives_the_scans_names(tree: Path, root: str) -> None:
    """Links, `..`, slashes, relative paths, in the folder or in the image: the name is the same."""
    root = root.format(tree)
    names = scan_tree(Path(root)).images
    assert names == ['e.jpg', 'linked/d.jpg', 'train/a.jpg']
    names += ['..a.jpg', '...b/c.jpg']  # hidden from a scan, but not above the folder
    for spelling in ROOTS:
        assert [path_below(f'{spelling.format(tree)}/{name}', root) for name in names] == names


def test_a_link_that_a_path_leads_out_of(tree: Path) -> None:
    """`linked/..` is the folder above the link's target, as for the file system."""
    (tree / 'more' / 'sub').mkdir()
    (tree / 'work' / 'out').symlink_to(tree / 'more' / 'sub')
    assert Path('out/../d.jpg').is_file()
    assert path_below('out/../d.jpg', tree / 'more') == 'd.jpg'
    with pytest.raises(ArgumentError, match='does not lie in'):
        path_below('out/../d.jpg', 'out')


def test_links_to_single_photos(tree: Path) -> None:
    """A split made of links finds the photos; a link to a cache keeps its name."""
    os.link(tree / 'more' / 'd.jpg', tree / 'disk' / 'photos' / '.cache')
    (tree / 'disk' / 'photos' / 'f.jpg').symlink_to('.cache')
    (tree / 'split.jpg').symlink_to(tree / 'disk' / 'photos' / 'train' / 'a.jpg')
    assert path_below(tree / 'split.jpg', 'data/photos') == 'train/a.jpg'
    assert path_below(tree / 'disk' / 'photos' / 'f.jpg', 'data/photos') == 'f.jpg'


def test_a_folder_without_a_name(tree: Path) -> None:
    """An empty root is the working folder, and `/` the whole tree."""
    assert path_below(tree / 'work' / 'data' / 'x.jpg', '') == 'data/x.jpg'
    assert path_below('data/x.jpg', '') == 'data/x.jpg'
    assert path_below('/a/x.jpg', '/') == 'a/x.jpg'
    with pytest.raises(ArgumentError, match='does not lie in'):
        path_below('/x.jpg', '')


def test_addresses() -> None:
    """Paths of a file client are names like others."""
    assert path_below('s3://shop/photos/a/b.jpg', 's3://shop/photos/') == 'a/b.jpg'


@pytest.mark.parametrize(
    'path', ['data/photos', 'data/photos2/a.jpg', 'a.jpg', 'data/photos/../a.jpg']
)
def test_outside(tree: Path, path: str) -> None:
    """An image elsewhere, and the folder itself, are refused, both being named."""
    with pytest.raises(ArgumentError, match=f'`img_root` must be .* {path} does not lie in data/p'):
        path_below(path, 'data/photos')


def test_callers_share_it() -> None:
    """Masks, removed images and annotated images are named by the same function."""
    assert remove_background.name_below is path_below
    assert load_removed.path_below is path_below
    assert annotated_datasets.path_below is path_below
