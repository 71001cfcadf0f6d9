"""Putting a dataset in its place: in one step, and nothing that does not belong to it."""

from __future__ import annotations

import shutil
import stat
import zipfile
from argparse import Namespace
from pathlib import Path, PurePosixPath

import pytest

from bgremoval_mm.datasets.prepare import install as module
from bgremoval_mm.datasets.prepare.check_report import PreparationError
from bgremoval_mm.datasets.prepare.install import (
    Layout,
    install,
    is_there,
    link,
    obtain_any,
)

LAYOUT = Layout('Two', ('train', 'test.csv'))


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A small dataset with things that do not belong to it."""
    root = tmp_path / 'source'
    files = ('train/a/1 ガ.jpg', 'train/b/2', 'test.csv', 'LICENSE', 'readme.txt')
    others = ('setup.py', 'notes/README.md', 'train/.DS_Store', '.git/config')
    for name in files + others:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(name)
    return root


KEPT = {'train/a/1 ガ.jpg', 'train/b/2', 'test.csv', 'LICENSE', 'readme.txt'}


def files_of(root: Path) -> dict[str, str]:
    """Content by relative path."""
    found = (path for path in root.rglob('*') if path.is_file())
    return {path.relative_to(root).as_posix(): path.read_text() for path in found}


def zipped(source: Path, archive: Path, top: str = '') -> Path:
    """The folder as a zip file, below a folder `top`."""
    with zipfile.ZipFile(archive, 'w') as file:
        for name, text in files_of(source).items():
            file.writestr(f'{top}{name}', text)
    return archive


@pytest.mark.parametrize('kind', ['folder', 'folder in folder', 'zip', 'zip with a folder', 'mac'])
def test_copied(source: Path, tmp_path: Path, kind: str) -> None:
    """From folder or zip, at the top or one folder down, the same files arrive."""
    src = source
    if kind == 'folder in folder':
        src = tmp_path / 'outer'
        src.mkdir()
        source.rename(src / 'source-HEAD')
    elif kind != 'folder':
        top = '' if kind == 'zip' else 'source-HEAD/'
        src = zipped(source, tmp_path / 'a.zip', top)
    if kind == 'mac':
        with zipfile.ZipFile(src, 'a') as archive:
            archive.writestr('__MACOSX/source-HEAD/train/a/._1.jpg', '')
            archive.writestr('.DS_Store', '')
            archive.writestr('source-HEAD/train/@eaDir/1.jpg', '')
    before = sorted(tmp_path.iterdir())
    dst = tmp_path / 'data' / 'two'
    install(LAYOUT, src, dst, progress=False)
    assert files_of(dst) == {name: name for name in KEPT}
    assert sorted(tmp_path.iterdir()) == sorted([*before, tmp_path / 'data'])
    assert list(dst.parent.iterdir()) == [dst]


@pytest.mark.parametrize('encoding', ['utf-8', 'cp932'])
def test_names_without_the_utf8_flag(tmp_path: Path, encoding: str) -> None:
    """Japanese names are read from archives that do not say how they are written."""
    archive = tmp_path / 'a.zip'
    name = 'train/コピー.jpg'
    with zipfile.ZipFile(archive, 'w') as file:
        file.writestr('test.csv', '')
        file.writestr('train/' + 'x' * len('コピー'.encode(encoding)) + '.jpg', 'photo')
    raw = archive.read_bytes()
    placeholder = b'x' * len('コピー'.encode(encoding))
    assert raw.count(placeholder) == 2  # local header and directory
    archive.write_bytes(raw.replace(placeholder, 'コピー'.encode(encoding)))
    install(LAYOUT, archive, tmp_path / 'two', progress=False)
    assert files_of(tmp_path / 'two')[name] == 'photo'


@pytest.mark.parametrize(
    'name', ['train/../../evil.txt', '/train/evil.txt', '../evil.txt', 'train\\..\\evil.txt']
)
def test_unsafe_paths(source: Path, tmp_path: Path, name: str) -> None:
    """A path that leads out of the folder ends the installation before anything is written."""
    archive = zipped(source, tmp_path / 'a.zip')
    with zipfile.ZipFile(archive, 'a') as file:
        file.writestr(zipfile.ZipInfo('x'), '')
        file.filelist[-1].filename = name  # writestr would fix it
    before = sorted(tmp_path.rglob('*'))
    with pytest.raises(PreparationError, match=r'unsafe path .*; nothing was unpacked'):
        install(LAYOUT, archive, tmp_path / 'two', progress=False)
    assert sorted(tmp_path.rglob('*')) == before


def test_link_in_an_archive(source: Path, tmp_path: Path) -> None:
    """Symbolic links are not unpacked: one could lead anywhere."""
    archive = zipped(source, tmp_path / 'a.zip')
    info = zipfile.ZipInfo('train/link')
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(archive, 'a') as file:
        file.writestr(info, '/etc')
    with pytest.raises(PreparationError, match="holds the link 'train/link'"):
        install(LAYOUT, archive, tmp_path / 'two', progress=False)
    assert not (tmp_path / 'two').exists()


def test_links_in_a_folder(source: Path, tmp_path: Path) -> None:
    """What they lead to is copied; what cannot be had ends the installation before it begins."""
    (source / 'train').rename(tmp_path / 'disk')
    (tmp_path / 'disk/b').rename(tmp_path / 'other')
    (tmp_path / 'disk/b').symlink_to(tmp_path / 'other')
    (source / 'train').symlink_to(tmp_path / 'disk')
    install(LAYOUT, source, tmp_path / 'two', progress=False)
    assert files_of(tmp_path / 'two') == {name: name for name in KEPT}
    (source / 'notes/link.jpg').symlink_to('nowhere')
    (tmp_path / 'other/3.jpg').symlink_to('nowhere')
    message = r'source cannot be read: train/b/3\.jpg: a link to something that is not there$'
    with pytest.raises(PreparationError, match=message):
        install(LAYOUT, source, tmp_path / 'three', progress=False)
    assert not (tmp_path / 'three').exists()


@pytest.mark.parametrize('name', ['train/b/2', 'train/b/2/3'])
@pytest.mark.filterwarnings('ignore:Duplicate name')
def test_twice_in_an_archive(source: Path, tmp_path: Path, name: str) -> None:
    """Two files of one name, or a file that is a folder too, are told as they are named there."""
    archive = zipped(source, tmp_path / 'a.zip')
    with zipfile.ZipFile(archive, 'a') as file:
        file.writestr(name, 'again')
    with pytest.raises(PreparationError, match=rf'a\.zip holds {name} more than once$'):
        install(LAYOUT, archive, tmp_path / 'two', progress=False)
    assert not (tmp_path / 'two').exists()


def test_damaged_copy_in_one_of_several_layouts(tmp_path: Path) -> None:
    """The error is that of the layout that fits, not that it is no other one."""
    archive = tmp_path / 'a.zip'
    with zipfile.ZipFile(archive, 'w') as file:
        file.writestr('train/a', 'a photo')
        file.writestr('test.csv', '')
    archive.write_bytes(archive.read_bytes().replace(b'a photo', b'A PHOTO'))
    args = Namespace(dst=tmp_path / 'two', src=archive, link=False)
    with pytest.raises(PreparationError, match=r'a\.zip is damaged: train/a: Bad CRC-32'):
        obtain_any((Layout('Two', ('whole',)), LAYOUT), 'https://nowhere', args)


def test_damaged_archive(source: Path, tmp_path: Path) -> None:
    """A file whose checksum is wrong leaves nothing behind."""
    archive = zipped(source, tmp_path / 'a.zip')
    raw = archive.read_bytes()
    assert raw.count(b'train/b/2') == 3  # two headers and the content
    at = raw.index(b'train/b/2', raw.index(b'train/b/2') + 1)
    archive.write_bytes(raw[:at] + b'TRAIN' + raw[at + 5 :])
    before = sorted(tmp_path.rglob('*'))
    with pytest.raises(PreparationError, match=r'a\.zip is damaged: train/b/2: Bad CRC-32'):
        install(LAYOUT, archive, tmp_path / 'two', progress=False)
    assert sorted(tmp_path.rglob('*')) == before


def test_something_else(source: Path, tmp_path: Path) -> None:
    """An archive of something else is named with what it lacks and holds."""
    (source / 'test.csv').unlink()
    expected = (
        'is not Two: it must hold train, test.csv, .* but has no test.csv; it holds LICENSE, '
    )
    with pytest.raises(PreparationError, match=expected):
        install(LAYOUT, source, tmp_path / 'two', progress=False)
    (tmp_path / 'text.zip').write_text('no zip')
    damaged = 'is not a zip file, or a damaged one'
    for name, state in (('text.zip', damaged), ('x', 'does not exist')):
        with pytest.raises(PreparationError, match=f'{tmp_path / name} {state}'):
            install(LAYOUT, tmp_path / name, tmp_path / 'two', progress=False)
    assert not (tmp_path / 'two').exists()


def test_zip_file_whose_list_is_damaged(tmp_path: Path) -> None:
    """Its end is whole, so that it is known as a zip file."""
    file = tmp_path / 'a.zip'
    with zipfile.ZipFile(file, 'w') as archive:
        archive.writestr('train/a.jpg', b'x')
    content = file.read_bytes()
    file.write_bytes(content.replace(b'PK\1\2', rb'PK\9\9'))
    with pytest.raises(PreparationError, match='is not a zip file, or a damaged one'):
        install(LAYOUT, file, tmp_path / 'two', progress=False)


def test_name_in_a_field_of_its_own() -> None:
    """Newer Pythons read it, and give a name that cp437 does not have."""
    assert module._name_in_zip(zipfile.ZipInfo('モード/a.jpg')) == 'モード/a.jpg'


def test_full_disk(source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Too little room is noticed before anything is copied."""
    size = sum(len(name.encode()) for name in KEPT)
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(module.shutil, 'disk_usage', lambda _: usage._replace(free=size - 1))
    with pytest.raises(PreparationError, match=f'needs {size} bytes, but .* has {size - 1} left'):
        install(LAYOUT, source, tmp_path / 'two', progress=False)
    monkeypatch.setattr(module.shutil, 'disk_usage', lambda _: usage._replace(free=size))
    install(LAYOUT, source, tmp_path / 'two', progress=False)


def test_is_there(tmp_path: Path) -> None:
    """An empty folder is no dataset; a file in its place is an error."""
    assert not is_there(tmp_path / 'nothing')
    assert not is_there(tmp_path)
    (tmp_path / 'file').write_text('')
    assert is_there(tmp_path)
    (tmp_path / 'dangling').symlink_to('nowhere')
    for name in ('file', 'dangling'):
        with pytest.raises(PreparationError, match=f'{name} must be a folder or not there'):
            is_there(tmp_path / name)


def test_places_that_nothing_can_be_moved_to(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are refused before anything is fetched; what lies in them can be used."""
    (tmp_path / 'disk').mkdir()
    (tmp_path / 'link').symlink_to(tmp_path / 'disk')
    monkeypatch.chdir(tmp_path / 'disk')
    for place in (tmp_path / 'link', Path()):
        with pytest.raises(PreparationError, match=f'choose a folder below it, such as {tmp_path}'):
            is_there(place)
    install(LAYOUT, source, tmp_path / 'disk/dataset', progress=False)
    assert is_there(tmp_path / 'link')


def test_into_an_empty_folder(source: Path, tmp_path: Path) -> None:
    """An empty folder that was made before is filled, or replaced by a link."""
    for name in ('copied', 'linked'):
        (tmp_path / name).mkdir()
    install(LAYOUT, source, tmp_path / 'copied', progress=False)
    assert set(files_of(tmp_path / 'copied')) == KEPT
    link(LAYOUT, source, tmp_path / 'linked')
    assert (tmp_path / 'linked').readlink() == source


def test_link_to_something_else(source: Path, tmp_path: Path) -> None:
    """A folder without the dataset is not linked to."""
    with pytest.raises(PreparationError, match=r'needs a folder with train, test\.csv, but'):
        link(LAYOUT, source / 'train', tmp_path / 'two')
    with pytest.raises(PreparationError, match='does not exist'):
        link(LAYOUT, source / 'gone', tmp_path / 'two')
    assert not (tmp_path / 'two').exists()


def test_what_belongs_to_a_data_set() -> None:
    """The named files and folders, licence and readme at the top; nothing hidden."""
    for name in KEPT:
        assert LAYOUT.wants(PurePosixPath(name))
    for name in ('setup.py', 'notes/README.md', 'train/.DS_Store', '.git/config', 'tests.csv'):
        assert not LAYOUT.wants(PurePosixPath(name))
