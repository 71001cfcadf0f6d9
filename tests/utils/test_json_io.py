"""JSON files: what is written can be read, and what is no object is refused by name."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from bgremoval_mm.utils.json_io import read_json, read_json_object, write_json


def test_object_is_read_as_it_was_written(tmp_path: Path) -> None:
    """Folders are made, numpy's values become JSON's, NaN becomes null."""
    path = tmp_path / 'a/figures.json'
    write_json(path, {'é': np.float32(0.5), 'none': float('nan'), 'list': np.arange(2)})
    assert read_json_object(path) == {'é': 0.5, 'none': None, 'list': [0, 1]}


def test_names_that_are_no_unicode_survive(tmp_path: Path) -> None:
    """As of a folder from an old archive; the file itself is UTF-8 all the same."""
    path, name = tmp_path / 'names.json', os.fsdecode(b'M\xf6bel/M\xc3\xb6bel.jpg')
    write_json(path, {name: [name]})
    assert read_json_object(path) == {name: [name]}
    assert '\\udcf6bel/Möbel.jpg' in path.read_bytes().decode()


@pytest.mark.parametrize(
    ('content', 'reason'),
    [(b'{"a": ', 'is not JSON'), (b'\xff{}', 'is not JSON'), (b'[1]', 'but holds a list')],
)
def test_anything_else_is_refused(content: bytes, reason: str, tmp_path: Path) -> None:
    """The message names the file."""
    path = tmp_path / 'x.json'
    path.write_bytes(content)
    with pytest.raises(ValueError, match=f'x.json .*{reason}'):
        read_json_object(path)


def test_missing_file(tmp_path: Path) -> None:
    """A file that is not there is told apart from one that is damaged."""
    with pytest.raises(FileNotFoundError):
        read_json_object(tmp_path / 'x.json')
    assert read_json(tmp_path / 'x.json') is None
