"""Reading JSON objects, and writing JSON files that are whole or not there."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bgremoval_mm.utils.atomic import write_atomically

__all__ = ['read_json', 'write_json']


def read_json(path: Path) -> dict[str, Any] | None:
    """Read a JSON object; None if there is no such file.

    Raises:
        ValueError: If the file holds something else; the message names it.
    """
    try:
        content = json.loads(path.read_text(encoding='utf-8'))
    except FileNotFoundError:
        return None
    except ValueError as err:
        msg = f'{path} is not JSON: {err}'
        raise ValueError(msg) from err
    if not isinstance(content, Mapping):
        msg = f'{path} must hold a JSON object, but holds a {type(content).__name__}'
        raise ValueError(msg)  # noqa: TRY004  # the file's fault
    return dict(content)


def write_json(path: str | Path, content: Any) -> None:
    """Write JSON to a temporary name in the same folder, then move it.

    Args:
        path: The file. Its folder is made if it is missing.
        content: Dicts, lists, strings and numbers, numpy's included. NaN and infinity become
            ``null``, since JSON has no word for them.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps(_plain(content), indent=2, ensure_ascii=False, allow_nan=False)
    write_atomically(path, f'{text}\n'.encode())


def _plain(content: Any) -> Any:
    """Return the same content in JSON's own types."""
    if isinstance(content, dict):
        return {str(key): _plain(value) for key, value in content.items()}
    if isinstance(content, list | tuple):
        return [_plain(value) for value in content]
    if hasattr(content, 'tolist'):  # numpy arrays and scalars, torch tensors
        return _plain(content.tolist())
    if isinstance(content, float) and not math.isfinite(content):
        return None
    return content
