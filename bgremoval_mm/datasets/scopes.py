"""Which codebase the classes of a dataset's config come from, where no default scope says so."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from mmengine.config.utils import MODULE2PACKAGE
from mmengine.registry import DefaultScope

from bgremoval_mm.datasets.unwrap import children_of
from bgremoval_mm.registry import DATASETS
from bgremoval_mm.removal.errors import ArgumentError

__all__ = ['accepts', 'scope_of']


def scope_of(config: dict[str, Any]) -> str | None:
    """Find the scope in which the datasets of a config are to be built.

    Tools such as mmpretrain's ``verify_dataset.py`` set no default scope and build from their own
    codebase's registry, which a wrapper is not told of.

    Returns:
        The one codebase that has all the classes that mmengine's roots lack: among those that are
        imported, else among those that are installed. None if a default scope is set, or every
        class is found without one.

    Raises:
        ArgumentError: If there is no such codebase, or more than one.
    """
    if DefaultScope.get_current_instance() is not None:
        return None
    names = sorted({name for name in _plain_names(config) if DATASETS.get(name) is None})
    if not names:
        return None
    found = _scopes_with(names)
    if not found:
        for codebase in MODULE2PACKAGE:
            if find_spec(codebase) is not None:
                import_module(f'{codebase}.registry')
        found = _scopes_with(names)
    if len(found) != 1:
        where = f'several codebases have it: {", ".join(found)}' if found else 'no codebase has it'
        msg = (
            f'the type of a dataset must be known, but of {", ".join(names)} {where}. Write its '
            f"codebase before it (type='{found[0] if found else 'mmpretrain'}.{names[0]}'), import "
            'the module that registers it, or set `default_scope`'
        )
        raise ArgumentError(msg)
    return found[0]


def _plain_names(config: Any) -> Iterator[str]:
    """Yield names of classes that do not say which codebase they come from."""
    if isinstance(config, dict):
        kind = config.get('type')
        if isinstance(kind, str) and '.' not in kind and '_scope_' not in config:
            yield kind
        for each in children_of(config).values():
            yield from _plain_names(each)


def _scopes_with(names: list[str]) -> list[str]:
    return [
        scope
        for scope, registry in sorted(DATASETS.children.items())
        if all(registry.get(name) is not None for name in names)
    ]


def accepts(config: dict[str, Any], argument: str) -> bool:
    """Tell whether the class of a config takes an argument; True if the class is not found."""
    kind = config.get('type')
    if isinstance(kind, str):
        with DATASETS.switch_scope_and_registry(config.get('_scope_')) as registry:
            kind = registry.get(kind)
    if kind is None:
        return True
    parameters = inspect.signature(kind).parameters.values()
    return any(each.name == argument or each.kind is each.VAR_KEYWORD for each in parameters)
