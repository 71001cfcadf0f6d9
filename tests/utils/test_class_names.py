"""Names of classes in configs."""

from __future__ import annotations

from pathlib import Path

import pytest

from bgremoval_mm.utils.class_names import class_name


@pytest.mark.parametrize('kind', ['Path', 'pathlib.Path', Path])
def test_scopes_and_classes(kind: object) -> None:
    """A name with or without a scope, and the class itself, have one name."""
    assert class_name(kind) == 'Path'


def test_no_type() -> None:
    """A part of a config that names no class has no name."""
    assert class_name('') == ''
