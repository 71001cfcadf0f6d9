"""Results of several formats in one folder: the manifest's last record says which one holds."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from bgremoval_mm.removal.io.manifest import Record, writing
from bgremoval_mm.removal.io.storage import Place
from bgremoval_mm.removal.options import FILE_FORMATS

__all__ = ['delete_superseded', 'format_of', 'result_of']


def format_of(record: Record) -> str:
    """Return the format of a record's result, of ``FILE_FORMATS``."""
    return str(record.params.get('format', 'png'))


def result_of(record: Record) -> str:
    """Return the name of the file that a record is on, below its folder.

    It follows from the record's own parameters: another run may have written another format.
    """
    return record.path + FILE_FORMATS[format_of(record)]


def delete_superseded(
    place: Place, images: Iterable[str], formats: Mapping[str, Iterable[str]]
) -> None:
    """Delete the results in earlier formats of images that now have another one.

    Args:
        place: The folder of the results.
        images: Paths of images whose new result is written and recorded.
        formats: By path, the other formats in which the manifest says that they were written.

    Raises:
        TargetWriteError: If they cannot be deleted.
    """
    for image in images if formats else ():
        for each in formats.get(image, ()):
            if each in FILE_FORMATS:
                with writing():
                    place.delete(image + FILE_FORMATS[each])
