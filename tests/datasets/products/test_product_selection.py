"""Choosing photos of a catalogue; predictions are tested with the command."""

from __future__ import annotations

from pathlib import Path

import pytest

from bgremoval_mm.datasets.products.manifest import read_manifest
from bgremoval_mm.datasets.products.selection import rows_with
from bgremoval_mm.removal.errors import ArgumentError


def test_rows_with_values(catalogue: Path) -> None:
    """Numbers and texts, one or several; what is not there is an error."""
    manifest = read_manifest(catalogue)
    assert len(rows_with(manifest, {'is_person': 0})) == 12
    assert len(rows_with(manifest, {'is_person': '0', 'category': ['belts', 'shoes']})) == 8
    with pytest.raises(ArgumentError, match=r"must name columns of .*, but got 'person'"):
        rows_with(manifest, {'person': 0})
    with pytest.raises(ArgumentError, match=r'column is_person \(0, 1\), but got 2'):
        rows_with(manifest, {'is_person': 2})
