"""The limits of what is read, lowered, so that a test's small photos are too large for them."""

from __future__ import annotations

import pytest

from bgremoval_mm.removal.images.thumbnails import thumbnail
from bgremoval_mm.removal.io import manifest
from bgremoval_mm.removal.options import JobOptions

__all__ = ['lower_limits']


def lower_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make 10 pixels and 10 bytes the most that is read, unless more is asked for."""
    monkeypatch.setattr(manifest, 'MAX_PIXELS', 10)
    monkeypatch.setattr(manifest, 'MAX_BYTES', 10)
    monkeypatch.setattr(thumbnail, '__defaults__', (10, 10))
    made = JobOptions.__init__
    defaults = made.__defaults__
    assert defaults is not None
    names = list(JobOptions.__dataclass_fields__)
    low = [
        10 if name.startswith('max_') else value
        for name, value in zip(names, defaults, strict=True)
    ]
    monkeypatch.setattr(made, '__defaults__', tuple(low))
