"""The one listing of images: litter, special files, links, loops, names of any bytes."""

from __future__ import annotations

import os
import socket
import subprocess
import unicodedata
from pathlib import Path

import pytest
from PIL import Image

from bgremoval_mm.removal.backends.int8 import calibration_photos
from bgremoval_mm.removal.errors import ArgumentError
from bgremoval_mm.removal.io import scan
from bgremoval_mm.removal.io.scan import list_images, scan_tree


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    """A small photo, beside the folder `in` of the tests."""
    path = tmp_path / 'photo.jpg'
    Image.new('RGB', (4, 4)).save(path)
    return path


@pytest.fixture
def root(tmp_path: Path, photo: Path) -> Path:
    """A folder with one photo, a.jpg."""
    folder = tmp_path / 'in'
    folder.mkdir()
    (folder / 'a.jpg').write_bytes(photo.read_bytes())
    return folder


@pytest.mark.parametrize(
    'litter',
    [
        '._a.jpg',
        '__MACOSX/._a.jpg',
        '__MACOSX/b.jpg',
        '@eaDir/a.jpg/SYNOPHOTO_THUMB_M.jpg',
        '#recycle/b.jpg',
        '$RECYCLE.BIN/b.jpg',
        '.git/b.jpg',
        'Thumbs.db',
        'sub/@EADIR/b.jpg',
    ],
)
def test_litter_is_passed_over_by_every_listing(root: Path, litter: str) -> None:
    """What systems leave beside photos is neither an image of a job nor one to calibrate with."""
    path = root / litter
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b'\0\5\x16\7')
    found = scan_tree(root)
    assert (found.images, found.unreadable, len(found.ignored)) == (['a.jpg'], {}, 1)
    assert list_images(root) == [root / 'a.jpg']
    assert calibration_photos(str(root)) == [root / 'a.jpg']


def test_no_images_is_an_error_that_names_the_folder(tmp_path: Path, photo: Path) -> None:
    """An empty folder and one that is not there; one image is a list of one."""
    (tmp_path / 'empty').mkdir()
    with pytest.raises(ArgumentError, match=r'empty must be a folder with images, but there is no'):
        list_images(tmp_path / 'empty')
    with pytest.raises(ArgumentError, match=r'gone must be a folder .* No such file'):
        list_images(str(tmp_path / 'gone'))
    with pytest.raises(ArgumentError, match=r'`calibration` must be .* none in .*empty'):
        calibration_photos(str(tmp_path / 'empty'))
    assert list_images(photo) == [photo]


def test_special_files_are_never_opened(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Named as images they are listed with what they are; others, and links to them, ignored."""
    for name in ('fifo', 'fifo.jpg'):
        os.mkfifo(root / name)
    monkeypatch.chdir(root)  # the path of a socket is short
    with socket.socket(socket.AF_UNIX) as one, socket.socket(socket.AF_UNIX) as two:
        one.bind('socket')
        two.bind('socket.png')
    for link, target in {
        'zero': '/dev/zero',
        'zero.jpg': '/dev/zero',
        'link.webp': 'fifo',
        'gone.jpg': 'nowhere',
        'me.jpg': 'me.jpg',
        'me': 'me',
    }.items():
        (root / link).symlink_to(target)
    found = scan_tree(root)
    assert found.images == ['a.jpg']
    assert found.ignored == ['fifo', 'socket', 'zero']
    circle = 'the file cannot be read: Too many levels of symbolic links'
    assert found.unreadable == {
        'fifo.jpg': 'a named pipe (FIFO), not a file',
        'gone.jpg': 'a link to something that is not there',
        'link.webp': 'a link to a named pipe (FIFO), not a file',
        'me': circle,
        'me.jpg': circle,
        'socket.png': 'a socket, not a file',
        'zero.jpg': 'a link to a character device, not a file',
    }


def test_links_to_the_own_folder_are_cut_off(root: Path) -> None:
    """However many there are, the folder's photos are listed once."""
    for name in 'xyz':
        (root / name).symlink_to('.')
    found = scan_tree(root)
    assert found.images == ['a.jpg']
    assert found.unreadable == dict.fromkeys('xyz', 'a link to a folder that it lies in')


def test_folders_that_link_to_each_other(tmp_path: Path, photo: Path) -> None:
    """Ten folders, ten! ways: each photo under its folder and once by each link to it."""
    root = tmp_path / 'in'
    for one in range(10):
        folder = root / str(one)
        folder.mkdir(parents=True)
        (folder / 'a.jpg').write_bytes(photo.read_bytes())
        for other in set(range(10)) - {one}:
            (folder / f'to{other}').symlink_to(f'../{other}')
    found = scan_tree(root)
    own = {f'{one}/a.jpg' for one in range(10)}
    linked = {f'{one}/to{other}/a.jpg' for one in range(10) for other in range(10) if one != other}
    assert set(found.images) == own | linked
    assert len(found.images) == 100
    assert found.unreadable['0/to1/to0'] == 'a link to a folder that it lies in'
    assert found.unreadable['0/to1/to2'] == 'the second link of a circle of links'


def test_two_links_to_one_folder_are_two_folders(root: Path, tmp_path: Path) -> None:
    """Links that lead in no circle are followed, below links too."""
    (root / 'best').mkdir()
    (root / 'best/all').symlink_to(tmp_path / 'other')
    (tmp_path / 'other/deep').mkdir(parents=True)
    (tmp_path / 'other/deep/b.png').write_bytes(b'\x89PNG\r\n\x1a\n')
    (tmp_path / 'other/again').symlink_to('deep')
    (root / 'fold').symlink_to('best')
    found = scan_tree(root)
    assert found.images == [
        'a.jpg',
        'best/all/again/b.png',
        'best/all/deep/b.png',
        'fold/all/again/b.png',
        'fold/all/deep/b.png',
    ]
    assert found.unreadable == {}


def test_links_that_double_at_each_level(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two to the power of 20 ways are not walked: the folder is named."""
    monkeypatch.setattr(scan, '_MOST_WAYS', 5)
    for level in range(21):
        (tmp_path / f'{level:02}').mkdir()
        for name in 'ab' if level < 20 else '':
            (tmp_path / f'{level:02}' / name).symlink_to(f'../{level + 1:02}')
    (tmp_path / '20/x.jpg').touch()
    found = scan_tree(tmp_path)
    assert '20/x.jpg' in found.images
    assert len(found.images) < 20
    assert 'links below links lead to this folder in more than 5 ways' in found.unreadable.values()


def test_trees_deeper_than_pythons_stack(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A thousand and two hundred folders in each other."""
    root = tmp_path / 'in'
    root.mkdir()
    monkeypatch.chdir(root)
    for _ in range(1200):
        Path('d').mkdir()
        os.chdir('d')
    Path('a.jpg').touch()
    try:
        assert scan_tree(root).images == ['d/' * 1200 + 'a.jpg']
    finally:
        # Python's own rmtree is recursive.
        subprocess.run(['rm', '-r', str(root)], check=True)


def test_what_goes_away_while_it_is_listed_is_not_there(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file and a folder that vanish after their folder was listed are no failures."""
    (root / 'b.jpg').touch()
    (root / 'sub').mkdir()
    real = os.scandir

    def scandir(path):
        entries = list(real(path))
        (root / 'b.jpg').unlink(missing_ok=True)
        if (root / 'sub').exists():
            (root / 'sub').rmdir()
        return entries

    monkeypatch.setattr(scan.os, 'scandir', scandir)
    found = scan_tree(root)
    assert (found.images, found.unreadable) == (['a.jpg'], {})


def test_names_are_bytes(root: Path) -> None:
    """Names of any bytes, of 255 bytes, and of two normal forms are names of their own."""
    names = [
        b'Mu\xf1oz.jpg',
        b'a\nb.jpg',
        b'esc\x1b[2J.jpg',
        b'[1]*?.jpg',
        'line\u2028end.jpg'.encode(),
        b'x' * 251 + b'.jpg',
        unicodedata.normalize('NFC', 'é.jpg').encode(),
        unicodedata.normalize('NFD', 'é.jpg').encode(),
    ]
    for name in names:
        (root / os.fsdecode(name)).touch()
    assert sorted(map(os.fsencode, scan_tree(root).images)) == sorted([b'a.jpg', *names])
