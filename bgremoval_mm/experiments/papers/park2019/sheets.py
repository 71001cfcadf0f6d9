"""Queries and what was found for them, with ranks in green and red, as in the work's Fig. 2."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from pathlib import Path

from PIL import Image

from bgremoval_mm.experiments.base import ORIGINAL, Exhibit
from bgremoval_mm.experiments.papers.park2019.published import hit
from bgremoval_mm.experiments.report.groups import Cell, Group
from bgremoval_mm.experiments.runner.runs import HITS
from bgremoval_mm.removal.errors import ArgumentError
from bgremoval_mm.visualization.retrieval_sheet import draw_retrieval_sheet, read_hits

__all__ = ['query_exhibits']

_QUERIES = 6
_WIDTH = 1200  # pixels: the page holds its pictures


def query_exhibits(group: Group) -> Sequence[Exhibit]:
    """Return sheets of the same queries, one for each variant of the network that finds most.

    Networks that were run in fewer variants than others are skipped. A run without its hits, or
    whose photos are elsewhere, has none.

    Args:
        group: Its results.
    """
    best = _best(group)
    return [] if best is None else list(_sheets(best))


def _best(group: Group) -> Cell | None:
    """Return the network with the highest top-5 accuracy on photos as they are."""
    means = [(cell, cell.mean(hit(5), ORIGINAL.name)) for cell in group.cells]
    run = {cell.experiment.model: (len(cell.results), mean.mean) for cell, mean in means if mean}
    return group.cell(max(run, key=lambda model: run[model])) if run else None


def _sheets(cell: Cell) -> Iterator[Exhibit]:
    for variant in cell.experiment.variants:
        by_seed = cell.results.get(variant.name, {})
        if not by_seed:
            continue
        seed = min(by_seed)
        picture = _draw(by_seed[seed].runs[0].folder / HITS, cell.experiment.title, variant.title)
        if picture:
            yield Exhibit(
                name=f'queries_{variant.name}',
                title=f'Queries and what was found, {variant.title}',
                caption=(
                    f'{cell.experiment.title}, {variant.title}, seed {seed}: queries, evenly '
                    'spaced over the test, with the first three photos that were found. Ranks on '
                    'green show the item of the query, on red another one. Photos as they are on '
                    'disk.'
                ),
                picture=picture,
                alt=f'Queries with three photos each, found by {cell.experiment.title}.',
            )


def _draw(hits: Path, network: str, variant: str) -> bytes:
    """Draw a sheet as a PNG file; b'' where files are missing."""
    try:
        queries = read_hits(hits, _QUERIES)
    except (OSError, ArgumentError):
        return b''
    if not all(Path(query.photo).is_file() for query in queries):  # type: ignore[arg-type]
        return b''
    sheet = draw_retrieval_sheet(queries, (network, variant), names=False)
    sheet.thumbnail((_WIDTH, sheet.height), Image.Resampling.LANCZOS)
    content = io.BytesIO()
    sheet.save(content, 'PNG')
    return content.getvalue()
