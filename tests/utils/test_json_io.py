"""Reading JSON objects."""

from __future__ import annotations

from pathlib import Path

import pytest

from bgremoval_mm.utils.json_io import read_json


def test_torn_files_are_named(tmp_path: Path) -> None:
    """A file that is no JSON object is an error with its name; a missing one is none."""
    assert read_json(tmp_path / 'none.json') is None
    (tmp_path / 'torn.json').write_text('{"a": ')
    with pytest.raises(ValueError, match=r'torn.json is not JSON'):
        read_json(tmp_path / 'torn.json')
    (tmp_path / 'list.json').write_text('[]')
    with pytest.raises(ValueError, match=r'list.json must hold a JSON object, but holds a list'):
        read_json(tmp_path / 'list.json')
