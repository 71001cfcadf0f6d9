"""The catalogue's models: which there are, which are here, and fetching them."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from bgremoval_mm.removal import CATALOGUE, WeightsError, fetch_weights, find_weights

__all__ = ['fetch', 'listing']


def listing() -> str:
    """A table of all models: name, input side in pixels, licence, where the file is."""
    rows = [('model', 'input', 'licence', 'file')]
    for spec in CATALOGUE.values():
        found = find_weights(spec)
        rows.append((spec.name, str(spec.size), spec.licence, str(found or 'not fetched yet')))
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    return '\n'.join(
        '  '.join(f'{cell:{width}}' for cell, width in zip(row, [*widths, 0], strict=True))
        for row in rows
    )


def fetch(models: Sequence[str], accept_licence: bool = False) -> int:
    """Fetch and verify models; 1 if anything failed."""
    failed = 0
    for model in models:
        try:
            path = fetch_weights(model, accept_licence)
            print(f'{model}: {path} (verified)')
        except WeightsError as err:
            failed += 1
            print(f'{model}: {err}', file=sys.stderr)
    return 1 if failed else 0
