"""The config inside a checkpoint, read without being run.

mmengine writes it as Python: assignments of literals and of calls of ``dict``. To run that text, as
``Config.fromstring`` does, would be to run whatever else somebody has put into the file.
"""

from __future__ import annotations

import ast
from typing import Any

from bgremoval_mm.removal.errors import ArgumentError

__all__ = ['read_literals']


def read_literals(text: str) -> dict[str, Any]:
    """Return what a config's text assigns.

    Args:
        text: As mmengine's ``Config.pretty_text`` gives it.

    Returns:
        Value by name. What is neither a literal nor ``dict(...)`` of such is left out.

    Raises:
        ArgumentError: If it is not Python.
    """
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError) as err:
        msg = f'the config in the checkpoint cannot be read: {err}'
        raise ArgumentError(msg) from err
    found: dict[str, Any] = {}
    for node in tree.body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            value = _value(node.value)
            if value is not _UNKNOWN:
                found[node.targets[0].id] = value
    return found


_UNKNOWN = object()


def _value(node: ast.expr) -> Any:
    if isinstance(node, ast.Call):
        if not isinstance(node.func, ast.Name) or node.func.id != 'dict' or node.args:
            return _UNKNOWN
        return _known({each.arg: _value(each.value) for each in node.keywords if each.arg})
    if isinstance(node, ast.Dict):
        keys = [_UNKNOWN if key is None else _value(key) for key in node.keys]
        values = map(_value, node.values)
        return _known({key: value for key, value in zip(keys, values, strict=True) if _is_key(key)})
    if isinstance(node, ast.List | ast.Tuple):
        items = [_value(each) for each in node.elts]
        if _UNKNOWN in items:
            return _UNKNOWN
        return tuple(items) if isinstance(node, ast.Tuple) else items
    try:
        return ast.literal_eval(node)
    except (ValueError, TypeError, SyntaxError):
        return _UNKNOWN


def _known(values: dict[Any, Any]) -> dict[Any, Any]:
    return {key: value for key, value in values.items() if value is not _UNKNOWN}


def _is_key(key: Any) -> bool:
    return isinstance(key, str | int)
