"""The list of images that are left out of training: one path a line."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from urllib.parse import unquote_to_bytes

from bgremoval_mm.removal.errors import ArgumentError
from bgremoval_mm.removal.review.verdicts import exact_form
from bgremoval_mm.utils.atomic import write_atomically
from bgremoval_mm.utils.text import printable

__all__ = ['check_left_out', 'read_left_out', 'update_left_out', 'write_left_out']

_HEAD = '# Images that are left out, by their paths below the image folder, percent-encoded.'


def read_left_out(file: str | Path) -> set[str]:
    """Read a list of images; lines that are empty or begin with ``#`` say nothing.

    Args:
        file: The list.

    Returns:
        Paths below the image folder, as ``os.listdir`` spells them.

    Raises:
        ArgumentError: If it cannot be such a list: it is not text, or a path is absolute.
        OSError: If it cannot be read.
    """
    return {path for _, path in _lines(file) if path is not None}


def update_left_out(file: str | Path, added: Iterable[str], removed: Iterable[str]) -> None:
    """Enter images into a list, and take others off it; everything else in it stays.

    Args:
        file: The list; made if it is not there.
        added: Paths below the image folder, as ``os.listdir`` spells them.
        removed: The same.

    Raises:
        ArgumentError: As `read_left_out`.
        OSError: If it cannot be read or written.
    """
    file = Path(file)
    if not file.exists():
        write_left_out(file, added)
        return
    lines, gone = _lines(file), set(removed)
    new = set(added) - {path for _, path in lines}
    kept = [line for line, path in lines if path not in gone]
    _write(file, [*kept, *map(exact_form, sorted(new))])


def check_left_out(file: Path) -> None:
    """Refuse a file for a list that is there and no list: it would be lost.

    Raises:
        ArgumentError: If it does not begin as a list does.
    """
    if file.exists():
        with file.open('rb') as lines:
            if lines.readline().decode('utf-8-sig', errors='replace').strip() != _HEAD:
                msg = f'{printable(file)} is there and no list of images: choose another file'
                raise ArgumentError(msg)


def write_left_out(file: str | Path, paths: Iterable[str]) -> None:
    """Write a list of images.

    Args:
        file: The list. Its folder is made if it is missing.
        paths: Paths below the image folder, as ``os.listdir`` spells them.
    """
    _write(Path(file), [_HEAD, *map(exact_form, sorted(paths))])


def _write(file: Path, lines: Iterable[str]) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(file, ''.join(f'{line}\n' for line in lines).encode())


def _lines(file: str | Path) -> list[tuple[str, str | None]]:
    """Return the lines of a list, each with its path; None where it says nothing."""
    try:
        # Editors put a byte order mark before what they save as UTF-8.
        lines = Path(file).read_text(encoding='utf-8-sig').splitlines()
    except UnicodeDecodeError as err:
        msg = f'{printable(file)} must be a text file with a path on each line, but it is no text'
        raise ArgumentError(msg) from err
    found: list[tuple[str, str | None]] = []
    for number, line in enumerate(lines, 1):
        if not line.strip() or line.startswith('#'):
            found.append((line, None))
            continue
        path = unquote_to_bytes(line.strip()).decode('utf-8', 'surrogateescape')
        if path.startswith('/') or ',' in line:
            msg = (
                f'{printable(file)}, line {number}: must be a path below the image folder, '
                f'percent-encoded, but got {printable(line)!r}'
            )
            raise ArgumentError(msg)
        found.append((line, path))
    return found
