"""The list of images that are left out of training."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from bgremoval_mm.removal.errors import ArgumentError
from bgremoval_mm.removal.review.left_out import (
    check_left_out,
    read_left_out,
    update_left_out,
    write_left_out,
)

NAMES = [b'a.jpg', b'two\nlines', b'Mu\xf1oz', b'# not a comment', b'a, b', b' blank ', b'100 %41']


def test_every_name_comes_back(tmp_path: Path) -> None:
    """Whatever bytes a file name has, on a line of its own."""
    file = tmp_path / 'lists/left_out.txt'
    names = {os.fsdecode(name) for name in NAMES}
    write_left_out(file, names)
    assert read_left_out(file) == names
    assert len(file.read_text(encoding='ascii').splitlines()) == 1 + len(names)


def test_only_a_list_is_written_over(tmp_path: Path) -> None:
    """Another file stays; one that is not there, and a list, may be written."""
    file = tmp_path / 'left_out.txt'
    check_left_out(file)
    write_left_out(file, ['a.jpg'])
    check_left_out(file)
    for content in (b'', b'a.jpg\n', b'\xff\xd8\xff'):
        file.write_bytes(content)
        with pytest.raises(ArgumentError, match=r'left_out\.txt is there and no list of images'):
            check_left_out(file)


@pytest.mark.parametrize('encoding', ['utf-8', 'utf-8-sig'])
def test_list_written_by_hand(tmp_path: Path, encoding: str) -> None:
    """Plain paths, comments and empty lines, and the mark that an editor puts first."""
    file = tmp_path / 'left_out.txt'
    for head in ('# mine\n\n', ''):
        file.write_text(f'{head}train/a b.jpg\ntrain/é.jpg\n', encoding=encoding)
        assert read_left_out(file) == {'train/a b.jpg', 'train/é.jpg'}
    write_left_out(file, ['a.jpg'])
    file.write_text(file.read_text(encoding='utf-8'), encoding=encoding)
    check_left_out(file)


def test_what_a_person_wrote_stays(tmp_path: Path) -> None:
    """Comments, empty lines and their order, where images are entered and taken off."""
    file = tmp_path / 'new/left_out.txt'
    update_left_out(file, ['b.jpg', 'a.jpg'], [])
    assert read_left_out(file) == {'a.jpg', 'b.jpg'}
    file.write_bytes(b'# torn labels\r\nz z.jpg\r\na%2Ejpg\r\n\r\n# of the old studio\r\nb.jpg\r\n')
    update_left_out(file, ['a.jpg', 'd 1.jpg', 'c.jpg'], ['b.jpg', 'gone.jpg'])
    assert file.read_text() == (
        '# torn labels\nz z.jpg\na%2Ejpg\n\n# of the old studio\nc.jpg\nd%201.jpg\n'
    )
    with pytest.raises(ArgumentError, match='there and no list of images'):
        check_left_out(file)


@pytest.mark.parametrize(
    ('content', 'message'),
    [
        (b'path,verdict\na.jpg,reject\n', r"line 1: must be a path below .* got 'path,verdict'"),
        (b'/data/a.jpg\n', r"line 1: must be a path below the image folder.*'/data/a.jpg'"),
        (b'\xff\xd8\xff\xe0', 'must be a text file with a path on each line'),
    ],
)
def test_other_files_are_refused(tmp_path: Path, content: bytes, message: str) -> None:
    """A verdict file, absolute paths, a photo."""
    file = tmp_path / 'left_out.txt'
    file.write_bytes(content)
    with pytest.raises(ArgumentError, match=message):
        read_left_out(file)
