"""The files and settings of results, as their records in the manifest tell them.

A folder may hold results of several runs, so each image's last record counts.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import fields
from typing import Any

from bgremoval_mm.removal.errors import ArgumentError
from bgremoval_mm.removal.io.manifest import Record, writing
from bgremoval_mm.removal.io.storage import Storage
from bgremoval_mm.removal.options import FILE_FORMATS, Framing
from bgremoval_mm.utils.text import printable

__all__ = [
    'FRAMING',
    'delete_superseded',
    'describe_settings',
    'format_of',
    'settings_of',
    'suffix_of',
]

# The parameters of results whose pixels do not lie where the image's do.
FRAMING = frozenset(each.name for each in fields(Framing))


def format_of(record: Record) -> str:
    """Return the format of a record's result; a later version may know others than we do."""
    return str(record.params.get('format', 'png'))


def suffix_of(record: Record) -> str:
    """Return what is appended to the image's name for its result, with its dot.

    Raises:
        ArgumentError: If the record is of a version that knows other formats.
    """
    file_format = format_of(record)
    if file_format not in FILE_FORMATS:
        msg = (
            f'the result of {printable(record.path)} must have a format of '
            f'{", ".join(FILE_FORMATS)}, but the manifest says {printable(file_format)!r}'
        )
        raise ArgumentError(msg)
    return FILE_FORMATS[file_format]


def settings_of(record: Record) -> dict[str, Any]:
    """Return all settings that an image's pixels depend on: results of other settings do not mix.

    The file format is not among them: it changes where the result lies, not what it shows.
    """
    params = {key: value for key, value in record.params.items() if key != 'format'}
    return {'model': record.model, 'model_hash': record.model_hash, **params}


def describe_settings(record: Record) -> str:
    """Return the settings in words.

    >>> describe_settings(Record('a.jpg', 'ok', 'u2net', '', {'output': 'rgb', 'fill': [0, 0, 0]}))
    'model u2net, output rgb, fill 0,0,0'
    """
    settings = settings_of(record)
    del settings['model_hash']
    settings.pop('network', None)  # of a model whose name holds its file's hash
    return ', '.join(f'{key} {_plain(value)}' for key, value in settings.items())


def _plain(value: Any) -> str:
    return ','.join(map(_plain, value)) if isinstance(value, list | tuple) else str(value)


def delete_superseded(
    storage: Storage, images: Iterable[str], formats: Mapping[str, Iterable[str]]
) -> None:
    """Delete the results in earlier formats of images that now have another one.

    Args:
        storage: The folder of the results.
        images: Paths of images whose new result is written and recorded.
        formats: By path, the other formats in which the manifest says that they were written.

    Raises:
        TargetWriteError: If they cannot be deleted.
    """
    for image in images if formats else ():
        for each in formats.get(image, ()):
            # The manifest tells of them for ever: a store is not asked again about each.
            if each in FILE_FORMATS and storage.exists(name := image + FILE_FORMATS[each]):
                with writing():
                    storage.delete(name)
