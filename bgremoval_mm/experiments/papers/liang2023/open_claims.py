"""The claims about Fig. 6 judged on open weights, and what lessens the loss by a removal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from bgremoval_mm.evaluation.statistics import Estimate, seed_interval
from bgremoval_mm.experiments.base import ORIGINAL, REMBG, Claim, Exhibit, Verdict
from bgremoval_mm.experiments.papers.liang2023.claims import (
    judge_all_worse,
    judge_classes,
    judge_gains,
)
from bgremoval_mm.experiments.papers.liang2023.differences import TOP1
from bgremoval_mm.experiments.papers.liang2023.open_weights import GENTLER, OPEN, OpenWeights
from bgremoval_mm.experiments.report.groups import Cell, Group
from bgremoval_mm.experiments.report.judging import Others, show
from bgremoval_mm.experiments.report.words import GAP

__all__ = ['OPEN_CLAIMS', 'open_exhibits']


def _fine_tuned(group: Group, variant: str) -> list[Cell]:
    """Return the fine-tuned networks of which both the originals and a variant were run."""
    return [
        cell
        for cell in group.cells
        if isinstance(cell.experiment, OpenWeights)
        and cell.experiment.is_fine_tuned
        and {ORIGINAL.name, variant} <= set(cell.results)
    ]


def _worse(group: Group, others: Others) -> Verdict:
    return judge_all_worse(replace(group, cells=_fine_tuned(group, REMBG.name)), others)


def _pretrained_better(group: Group, _: Others) -> Verdict:
    return judge_gains(
        (cell, group.cell(cell.experiment.from_scratch))
        for cell in _fine_tuned(group, ORIGINAL.name)
        if isinstance(cell.experiment, OpenWeights)
    )


def _classes_worse(group: Group, others: Others) -> Verdict:
    return judge_classes(replace(group, cells=_fine_tuned(group, REMBG.name)), others)


OPEN_CLAIMS: tuple[Claim, ...] = (
    Claim(
        'O-a',
        OPEN,
        'Every pre-trained network is worse on removed images (F6-a).',
        'Intervals of all fine-tuned networks that were run below 0.',
        _worse,
    ),
    Claim(
        'O-b',
        OPEN,
        'Pre-trained networks beat those from scratch (F6-b).',
        'Intervals of (fine-tuned) - (from scratch) on originals above 0, of those that were run.',
        _pretrained_better,
    ),
    Claim(
        'O-d',
        OPEN,
        'Removal lowers the accuracy of most categories (F6-d).',
        'More classes worse than better, averaged over the fine-tuned networks that were run; '
        'sign test below 0.05.',
        _classes_worse,
    ),
)


def open_exhibits(group: Group) -> Sequence[Exhibit]:
    """Show how much of the loss by the removal other treatments of the background give back."""
    rows = tuple(row for cell in group.cells for row in _given_back(cell))
    if not rows:
        return ()
    caption = (
        'Top-1 accuracy in percentage points, mean over the seeds that the runs have in common and '
        '95 % interval over seeds. "Given back" is the accuracy minus that with the background '
        'removed as elsewhere (black, soft edges); its share of the loss is shown where the '
        'interval of the loss lies below 0. All are tested as they are treated; without flagged '
        'masks means training photos only.'
    )
    title = 'What gives back the loss by the removal'
    return [Exhibit(name='given_back', title=title, caption=caption, rows=rows)]


def _given_back(cell: Cell) -> Iterator[dict[str, str]]:
    """Yield a row for each treatment that was run beside the original and the plain removal."""
    for variant in GENTLER:
        original, plain, values = (
            cell.values(TOP1, name) for name in (ORIGINAL.name, REMBG.name, variant.name)
        )
        seeds = sorted(original.keys() & plain.keys() & values.keys())
        if seeds:
            loss = seed_interval([plain[seed] - original[seed] for seed in seeds])
            gain = seed_interval([values[seed] - plain[seed] for seed in seeds])
            change = seed_interval([values[seed] - original[seed] for seed in seeds])
            yield {
                'network': cell.experiment.title,
                'variant': variant.title,
                'removed minus original': show(loss),
                'variant minus original': show(change),
                'given back': show(gain),
                'share of the loss': _share(gain, loss),
                'seeds': ' '.join(map(str, seeds)),
            }


def _share(gain: Estimate, loss: Estimate) -> str:
    if loss.sign >= 0:
        return GAP
    return f'{-gain.mean / loss.mean:.0%}'
