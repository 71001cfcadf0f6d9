"""The tables of a file of routes: what each of their keys may be."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, replace
from typing import Any

from bgremoval_mm.pipeline.gate import Gate
from bgremoval_mm.pipeline.product_types import TypeOptions
from bgremoval_mm.pipeline.route import Route
from bgremoval_mm.removal.errors import ArgumentError
from bgremoval_mm.removal.options import Framing, OutputOptions

__all__ = ['route_of', 'types_of']

_PLACES = ('model', 'folder', 'publish')
_FRAMING = tuple(each.name for each in fields(Framing))
_OUTPUT = (
    'output', 'fill', 'file_format', 'edges', 'matting', 'threshold', 'shadow', 'convert_srgb',
    'second_model',
)  # fmt: skip


def route_of(entry: Mapping[str, Any]) -> Route:
    """Return what a table ``[[route]]`` says.

    Raises:
        ArgumentError: If it has another key, or a value that is not allowed.
        TypeError: If it is no table.
    """
    allowed = ('name', 'match', 'types', *_PLACES, 'gate', *_OUTPUT, *_FRAMING)
    unknown = sorted(set(entry) - set(allowed))
    if unknown:
        msg = f'unknown: {", ".join(unknown)}; known: {", ".join(allowed)}'
        raise ArgumentError(msg)
    for key in ('name', *_PLACES):
        if not isinstance(entry.get(key, 'x'), str):
            msg = f'`{key}` must be a text, but got {entry[key]!r}'
            raise ArgumentError(msg)
    if not entry.get('name'):
        msg = '`name` is missing'
        raise ArgumentError(msg)
    options: dict[str, Any] = {'output': 'rgba'} | {k: entry[k] for k in _OUTPUT if k in entry}
    framing = {name: entry[name] for name in _FRAMING if name in entry}
    if framing:
        options['framing'] = Framing(**framing)
    gate = entry.get('gate', {})
    known = [each.name for each in fields(Gate)]
    if not isinstance(gate, dict) or set(gate) - set(known):
        msg = f'`gate` must be a table of {", ".join(known)}, but got {gate!r}'
        raise ArgumentError(msg)
    if 'flags' in gate:
        gate = gate | {'flags': _texts(gate, 'flags', ())}
    route = Route(
        entry['name'],
        _texts(entry, 'match', ('*',)),
        output=OutputOptions(**options),
        gate=Gate(**gate),
        types=_texts(entry, 'types', ()),
    )
    return replace(route, **{key: entry[key] for key in _PLACES if key in entry})


def types_of(entry: object) -> TypeOptions:
    """Return what a table ``[types]`` says.

    Raises:
        ArgumentError: If it is no table, or has another key.
    """
    known = [each.name for each in fields(TypeOptions)]
    if not isinstance(entry, dict) or set(entry) - set(known):
        msg = f'`types` must be a table of {", ".join(known)}, but got {entry!r}'
        raise ArgumentError(msg)
    return TypeOptions(**entry)


def _texts(entry: Mapping[str, Any], key: str, default: tuple[str, ...]) -> tuple[str, ...]:
    value = entry.get(key, list(default))
    texts = [value] if isinstance(value, str) else value
    if not isinstance(texts, list) or not all(isinstance(each, str) for each in texts):
        msg = f'`{key}` must be a text or a list of them, but got {value!r}'
        raise ArgumentError(msg)
    return tuple(texts)
