"""The result of checking a copy of a dataset, and how it is shown."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from bgremoval_mm.removal.errors import BgremovalError

if TYPE_CHECKING:
    from rich.table import Table

Counts = Mapping[str, Mapping[str, int]]
"""Number of images by subset, then class."""

_SHOWN = 5


class PreparationError(BgremovalError, RuntimeError):
    """The dataset cannot be obtained; the message says why, and what can be done."""


@dataclass
class CheckReport:
    """The result of checking a copy of a dataset.

    Attributes:
        name: Name of the dataset.
        root: Its folder.
        tables: Counts of images, by the name of the split.
        known: What the counts of a complete copy are, if that is known.
        errors: Why it cannot be used, if it cannot.
        warnings: What its user should know.
        notes: What else there is to say.
        details: Full lists for the JSON file, of which errors and warnings show the beginning.
    """

    name: str
    root: str
    tables: dict[str, Counts] = field(default_factory=dict)
    known: Counts | None = None
    errors: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    details: dict[str, Any] = field(default_factory=dict)

    @property
    def usable(self) -> bool:
        """Whether a training can run on it."""
        return not self.errors

    def as_dict(self) -> dict[str, Any]:
        """Return the content for a JSON file."""
        # A name whose bytes are not UTF-8 cannot stand in JSON, so it is written with escapes.
        return {'usable': self.usable, **_printable(vars(self))}

    def lines(self) -> list[str]:
        """Return the lines to print below the tables."""
        kinds = (('error', self.errors), ('warning', self.warnings), ('note', self.notes))
        return [_printable(f'{kind}: {text}') for kind, texts in kinds for text in texts]


def counts_table(title: str, counts: Counts, known: Counts | None = None) -> Table:
    """Draw a table of counts with one row per class, one column per subset, and sums.

    Args:
        title: Heading of the table.
        counts: What was found.
        known: What should be found; a number that differs is shown with the difference.
    """
    from rich.table import Table  # a package of OpenMMLab's, which `bgremoval` does without

    table = Table(title=title, show_footer=True)
    classes = list(dict.fromkeys(name for subset in counts.values() for name in subset))
    total = sum(sum(subset.values()) for subset in counts.values())
    table.add_column('class', footer='all')
    for subset, by_class in counts.items():
        table.add_column(subset, footer=f'{sum(by_class.values()):,}', justify='right')
    if len(counts) > 1:
        table.add_column('all', footer=f'{total:,}', justify='right')
    for name in classes:
        cells = []
        for subset, by_class in counts.items():
            found = by_class.get(name, 0)
            gap = found - known[subset].get(name, 0) if known else 0
            cells.append(f'{found:,} ({gap:+,})' if gap else f'{found:,}')
        if len(counts) > 1:
            cells.append(f'{sum(by_class.get(name, 0) for by_class in counts.values()):,}')
        table.add_row(name, *cells)
    return table


def listing(entries: Iterable[str]) -> str:
    """List the first entries, one per line, and say how many more there are."""
    entries = list(entries)
    more = [f'and {len(entries) - _SHOWN:,} more'] if len(entries) > _SHOWN else []
    return ''.join(f'\n    {entry}' for entry in [*entries[:_SHOWN], *more])


def _printable(content: Any) -> Any:
    if isinstance(content, str):
        return content.encode('utf-8', 'backslashreplace').decode()
    if isinstance(content, dict):
        return {_printable(key): _printable(value) for key, value in content.items()}
    if isinstance(content, list | tuple):
        return [_printable(value) for value in content]
    return content
