"""Names of classes in configs."""

from __future__ import annotations

from typing import Any

__all__ = ['class_name']


def class_name(kind: Any) -> str:
    """Return the name of a class that a config gives as ``type``, without its scope or module.

    >>> class_name('mmseg.Resize')
    'Resize'

    Args:
        kind: Its name, or the class itself, as in configs in Python's own style.
    """
    return str(getattr(kind, '__name__', kind)).rpartition('.')[2]
