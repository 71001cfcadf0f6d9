"""The settings that a result was made with, as its record in the manifest tells them."""

from __future__ import annotations

from typing import Any

from bgremoval_mm.removal.errors import ArgumentError
from bgremoval_mm.removal.io.manifest import Record
from bgremoval_mm.removal.options import FILE_FORMATS
from bgremoval_mm.utils.text import printable

__all__ = ['describe', 'settings_of', 'suffix_of']


def suffix_of(record: Record) -> str:
    """Return what is appended to the image's name for its result, with its dot.

    Raises:
        ArgumentError: If the record is of a version that knows other formats.
    """
    file_format = record.params.get('format', 'png')
    if file_format not in FILE_FORMATS:
        msg = (
            f'the result of {printable(record.path)} must have a format of '
            f'{", ".join(FILE_FORMATS)}, but the manifest says {printable(file_format)!r}'
        )
        raise ArgumentError(msg)
    return FILE_FORMATS[file_format]


def settings_of(record: Record) -> dict[str, Any]:
    """Return all that an image's pixels depend on: results of other settings do not mix.

    The file format is not among them: it changes where the result lies, not what it shows.
    """
    params = {key: value for key, value in record.params.items() if key != 'format'}
    return {'model': record.model, 'model_hash': record.model_hash, **params}


def describe(record: Record) -> str:
    """Return the settings in words.

    >>> describe(Record('a.jpg', 'ok', 'u2net', '', {'output': 'rgb', 'fill': [0, 0, 0]}))
    'model u2net, output rgb, fill 0,0,0'
    """
    settings = settings_of(record)
    del settings['model_hash']
    return ', '.join(f'{key} {_plain(value)}' for key, value in settings.items())


def _plain(value: Any) -> str:
    return ','.join(map(_plain, value)) if isinstance(value, list | tuple) else str(value)
