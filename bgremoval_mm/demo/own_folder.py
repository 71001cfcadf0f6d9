"""Folders that the demo may empty: only those that it made, and nothing that others put there."""

from __future__ import annotations

from collections.abc import Callable, Container
from pathlib import Path
from typing import Any

from bgremoval_mm.utils.atomic import is_leftover
from bgremoval_mm.utils.json_io import read_json_object
from bgremoval_mm.utils.text import printable

_IGNORED = ('.DS_Store', 'Thumbs.db')  # which file managers leave


def read_own(
    folder: Path, name: str, is_own: Callable[[dict[str, Any]], bool]
) -> dict[str, Any] | None:
    """Read the JSON object by which the demo knows a folder that it made.

    Args:
        folder: The folder.
        name: Name of the file in it.
        is_own: Whether the demo wrote this content; may fail on content of another form.

    Returns:
        The content, or None if the folder is empty or missing.

    Raises:
        FileExistsError: The folder belongs to somebody else.
    """
    try:
        content = read_json_object(folder / name)
        if is_own(content):
            return content
        problem = f'its {name} is not one that the demo wrote'
    except FileNotFoundError:
        if not folder.exists() or not any(folder.iterdir()):
            return None
        problem = f'holds no {name}'
    except (AttributeError, TypeError, ValueError):
        problem = f'its {name} is not one that the demo wrote'
    msg = (
        f'{printable(folder)} exists, but {problem}: move the folder away, or choose another --out'
    )
    raise FileExistsError(msg)


def strays(folder: Path, own: Container[Path]) -> list[Path]:
    """List the files and links in a folder, at any depth, that are not the demo's own."""
    return [
        path
        for path in sorted(folder.rglob('*'))
        if path not in own
        and (path.is_symlink() or not path.is_dir())
        and path.name not in _IGNORED
        and not is_leftover(path.name)
    ]
