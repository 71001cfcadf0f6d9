"""Names that a package hands out when they are first asked for (PEP 562)."""

from __future__ import annotations

import sys
from collections.abc import Callable, Collection
from importlib import import_module
from typing import Any

__all__ = ['lazy_exports']


def lazy_exports(
    package: str, names: Collection[str], load: Callable[[str], Any]
) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """Return a package's ``__getattr__`` and ``__dir__``.

    A name is loaded once; so are modules of the package, of which ``import package`` alone is
    enough to use ``package.module``.

    Args:
        package: Full name of the package.
        names: What it hands out.
        load: Imports what a name stands for, and returns it.
    """

    def get(name: str) -> Any:
        if name in names:
            value = load(name)
        else:
            value = None if name.startswith('_') else _module(f'{package}.{name}')
            if value is None:
                msg = f'module {package!r} has no attribute {name!r}'
                raise AttributeError(msg, name=name, obj=sys.modules[package])
        setattr(sys.modules[package], name, value)
        return value

    def names_and_globals() -> list[str]:
        return sorted({*names, *vars(sys.modules[package])})

    return get, names_and_globals


def _module(path: str) -> Any:
    """Import a module; None if there is none of that name."""
    try:
        return import_module(path)
    except ModuleNotFoundError as err:
        if err.name == path:
            return None
        raise
