"""Reading lists of paths, and finding the files that they mean."""

from __future__ import annotations

import hashlib
from pathlib import Path
from unicodedata import normalize

import pytest

from bgremoval_mm.datasets.formats.split_lists import (
    ImageTree,
    Subset,
    digest,
    encode_list,
    match_with_disk,
    parse_line,
    parse_list,
    read_list,
    shared_paths,
)

CLASSES = ('gal', 'mode')


def subset(*paths: str) -> Subset:
    """A list whose files are all there."""
    return Subset(Path('list.csv'), paths, (), 0)


@pytest.mark.parametrize(
    ('line', 'path'),
    [
        ('dataset/gal/a.jpg', 'dataset/gal/a.jpg'),
        ('dataset/gal/mig (5)', 'dataset/gal/mig (5)'),
        ('dataset/gal/a, b.jpg', 'dataset/gal/a, b.jpg'),
        ('dataset/gal/ESS-209 のコピー.jpg', 'dataset/gal/ESS-209 のコピー.jpg'),
        ('dataset/gal/a.jpg\r', 'dataset/gal/a.jpg'),
        ('  dataset/gal/a.jpg\t', 'dataset/gal/a.jpg'),
        ('"dataset/gal/a, b.jpg"', 'dataset/gal/a, b.jpg'),
        ('"dataset/gal/a ""b"".jpg"', 'dataset/gal/a "b".jpg'),
        ('dataset/gal/"', 'dataset/gal/"'),
        ('dataset\\gal\\a.jpg', 'dataset/gal/a.jpg'),
        ('./dataset/gal/a.jpg', 'dataset/gal/a.jpg'),
        ('FashionStyle14_v1/dataset/gal/a.jpg', 'dataset/gal/a.jpg'),
        ('.\\FashionStyle14_v1\\dataset\\gal\\a.jpg', 'dataset/gal/a.jpg'),
        ('dataset/gal/sub/a.jpg', 'dataset/gal/sub/a.jpg'),
        ('', None),
        (' \r', None),
        ('""', None),
    ],
)
def test_lines(line: str, path: str | None) -> None:
    """A line is one path, however it was written; a comma separates nothing."""
    assert parse_line(line) == path


@pytest.mark.parametrize(
    'line',
    [
        'path',
        'images/gal/a.jpg',
        'dataset/gal',
        'dataset/a.jpg',
        '/dataset/gal/a.jpg',
        'dataset/gal/../../a.jpg',
        'gal/a.jpg',
    ],
)
def test_lines_that_are_no_path(line: str) -> None:
    """A header, or a path elsewhere, is refused."""
    with pytest.raises(ValueError, match='each line must be a path dataset/<class>/<file>, but'):
        parse_line(line)


def test_list_with_everything(tmp_path: Path) -> None:
    """A byte order mark, CRLF, blank lines, and characters at which Python would split lines."""
    file = tmp_path / 'train.csv'
    file.write_bytes(
        '\ufeffdataset/gal/a.jpg\r\n\r\ndataset/mode/b\u2028\x85c.jpg\ndataset/gal/a.jpg'.encode()
    )
    assert read_list(file, CLASSES) == [
        'dataset/gal/a.jpg',
        'dataset/mode/b\u2028\x85c.jpg',
        'dataset/gal/a.jpg',
    ]


def test_names_that_are_no_utf8(tmp_path: Path) -> None:
    """Bytes of another encoding find the file with the same bytes in its name."""
    raw = 'コピー.jpg'.encode('cp932')
    name = raw.decode('utf-8', 'surrogateescape')
    (tmp_path / 'dataset' / 'gal').mkdir(parents=True)
    (tmp_path / 'dataset' / 'gal' / name).write_bytes(b'')
    file = tmp_path / 'train.csv'
    file.write_bytes(b'dataset/gal/' + raw + b'\n')
    found = match_with_disk(file, read_list(file, CLASSES), ImageTree.of(tmp_path, CLASSES))
    assert found.paths == (f'dataset/gal/{name}',)
    assert encode_list(found.paths) == file.read_bytes()
    assert len(digest({'train': found})) == 64


def test_wrong_lines(tmp_path: Path) -> None:
    """Each wrong line is given with file and number; reading for use stops at the first."""
    file = tmp_path / 'val.csv'
    file.write_text('dataset/gal/a.jpg\n\ndataset/punk/b.jpg\nelsewhere/c.jpg\n')
    paths, problems = parse_list(file, CLASSES)
    assert paths == ['dataset/gal/a.jpg']
    assert problems == [
        f"{file}, line 3: `label` must be one of 'gal', 'mode', but got 'punk'",
        f"{file}, line 4: each line must be a path dataset/<class>/<file>, but got "
        "'elsewhere/c.jpg'",
    ]  # fmt: skip
    with pytest.raises(ValueError, match=r"line 3: .* but got 'punk' \(1 more lines are wrong\)"):
        read_list(file, CLASSES)


@pytest.mark.parametrize(('on_disk', 'listed'), [('NFD', 'NFC'), ('NFC', 'NFD')])
def test_other_normalisation(tmp_path: Path, on_disk: str, listed: str) -> None:
    """A name is found in either Unicode form, and given as it is on disk."""
    path = 'dataset/gal/ガ é.jpg'
    there = normalize(on_disk, path)
    (tmp_path / 'dataset' / 'gal').mkdir(parents=True)
    (tmp_path / there).write_bytes(b'')
    tree = ImageTree.of(tmp_path, CLASSES)
    assert normalize(listed, path) != there
    assert tree.find(normalize(listed, path)) == there
    assert tree.find('dataset/gal/other.jpg') is None
    # Where both forms are on disk they are two files.
    (tmp_path / normalize(listed, path)).write_bytes(b'')
    tree = ImageTree.of(tmp_path, CLASSES)
    assert [tree.find(normalize(form, path)) for form in ('NFC', 'NFD')] == [
        normalize('NFC', path),
        normalize('NFD', path),
    ]


def test_match_with_disk(tmp_path: Path) -> None:
    """Found and missing files, each once and in order; repetitions of both are counted."""
    (tmp_path / 'dataset' / 'gal').mkdir(parents=True)
    for name in ('b', 'a'):
        (tmp_path / 'dataset' / 'gal' / name).write_bytes(b'')
    listed = [f'dataset/gal/{name}' for name in ('b', 'x', 'a', 'b', 'x', 'y')]
    found = match_with_disk(tmp_path / 'l.csv', listed, ImageTree.of(tmp_path, CLASSES))
    assert found.paths == ('dataset/gal/b', 'dataset/gal/a')
    assert found.missing == ('dataset/gal/x', 'dataset/gal/y')
    assert found.duplicates == 2
    assert found.counts == {'gal': 2}


def test_shared_paths() -> None:
    """Images of several subsets are found."""
    subsets = {'train': subset('dataset/gal/b', 'dataset/gal/a'), 'val': subset('dataset/gal/b')}
    assert shared_paths(subsets) == ['dataset/gal/b']


def test_digest() -> None:
    """The digest is over subset, order and composed names, so equal on a Mac and elsewhere."""
    name = 'dataset/gal/ガ.jpg'
    composed, decomposed = normalize('NFC', name), normalize('NFD', name)
    subsets = {'train': subset(decomposed, 'dataset/mode/a'), 'val': subset('dataset/gal/c')}
    text = f'train\t{composed}\ntrain\tdataset/mode/a\nval\tdataset/gal/c\n'
    assert digest(subsets) == hashlib.sha256(text.encode()).hexdigest()
    assert digest({**subsets, 'train': subset(composed, 'dataset/mode/a')}) == digest(subsets)
    assert digest({**subsets, 'train': subset('dataset/mode/a', composed)}) != digest(subsets)


@pytest.mark.parametrize('name', ['a\nb.jpg', 'a\\b.jpg', 'a.jpg '])
def test_names_that_no_list_can_hold(name: str) -> None:
    """A name that would be read back as another one is refused."""
    with pytest.raises(ValueError, match='cannot stand in a list of names: rename the file'):
        encode_list([f'dataset/gal/{name}'])
