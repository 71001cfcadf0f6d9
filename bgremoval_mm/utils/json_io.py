"""Reading a JSON object from a file, and writing JSON files atomically."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

from bgremoval_mm.utils.atomic import write_atomically
from bgremoval_mm.utils.text import printable

__all__ = ['read_json', 'read_json_object', 'write_json']


def read_json(path: str | Path) -> dict[str, Any] | None:
    """Read a file that holds one JSON object; None if there is no such file.

    Raises:
        ValueError: If it holds something else; the message names the file.
    """
    try:
        return read_json_object(path)
    except FileNotFoundError:
        return None


def read_json_object(path: str | Path) -> dict[str, Any]:
    """Read a file that holds one JSON object.

    Raises:
        OSError: If it cannot be read; FileNotFoundError, if it is not there.
        ValueError: If it holds something else; the message names the file.
    """
    try:
        content = json.loads(Path(path).read_bytes())
    except ValueError as err:  # a UnicodeDecodeError too
        msg = f'{printable(path)} is not JSON: {printable(err)}'
        raise ValueError(msg) from err
    if not isinstance(content, dict):
        msg = f'{printable(path)} must hold a JSON object, but holds a {type(content).__name__}'
        raise ValueError(msg)  # noqa: TRY004  # the file's fault
    return content


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
    # What is left of bytes in names that are no UTF-8 is written as JSON's own \udcXX.
    write_atomically(path, f'{text}\n'.encode(errors='backslashreplace'))


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
