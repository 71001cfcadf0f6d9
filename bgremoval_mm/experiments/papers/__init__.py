"""The published works, one package each, imported when it is asked for."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING

from bgremoval_mm.removal.errors import ArgumentError

if TYPE_CHECKING:
    from bgremoval_mm.experiments.base import Work

__all__ = ['WORKS', 'load_work']

WORKS = ('liang2023', 'kobs2022', 'schindler2017', 'levi9', 'park2019')
"""Names of the packages. The results of earlier releases, which name no work, are the first's."""


def load_work(name: str) -> Work:
    """Import a work.

    Args:
        name: One of ``WORKS``, or the full name of a module of your own that defines ``WORK``.

    Raises:
        ArgumentError: If there is no such work, or it has another name.
    """
    module = f'{__name__}.{name}' if name in WORKS else name
    try:
        found = find_spec(module)
    except (ModuleNotFoundError, ValueError):
        found = None
    work: Work | None = None if found is None else getattr(import_module(module), 'WORK', None)
    if work is None:
        msg = (
            f'`work` must be one of {", ".join(WORKS)}, or a module that can be imported and '
            f'defines WORK, but got {name!r}'
        )
        raise ArgumentError(msg)
    if work.name != name:
        msg = f'`work` must be called as its WORK.name, {work.name!r}, but got {name!r}'
        raise ArgumentError(msg)
    return work
