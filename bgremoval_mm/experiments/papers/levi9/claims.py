"""What the work says in words, held against results."""

from __future__ import annotations

from bgremoval_mm.experiments.base import Claim, Verdict
from bgremoval_mm.experiments.papers.levi9.exhibits import ranked
from bgremoval_mm.experiments.papers.levi9.experiments import NETWORKS, TRIAL
from bgremoval_mm.experiments.papers.levi9.published import IOU, TARGET
from bgremoval_mm.experiments.report.groups import Group
from bgremoval_mm.experiments.report.judging import Others, judge_signs, show, sign_of

__all__ = ['CLAIMS']


def _target(group: Group, _: Others) -> Verdict:
    (cell,) = group.cells
    found = cell.mean(IOU, 'u2net')
    return Verdict(judge_signs([sign_of(found, TARGET)], 1), f'U²-Net: IoU {show(found, 4, "-")}')


def _choice(group: Group, _: Others) -> Verdict:
    (cell,) = group.cells
    found = [cell.pair(name).difference(IOU) for name in ('basnet', 'mask-rcnn')]
    figures = f'BASNet {show(found[0], 4)}; Mask R-CNN {show(found[1], 4)}'
    return Verdict(judge_signs(map(sign_of, found), -1), figures)


def _combination(group: Group, _: Others) -> Verdict:
    rankings = [(cell.experiment.title, ranked(cell, IOU)) for cell in group.cells]
    figures = '; '.join(
        f'{title} ' + (', '.join(f'{name} {mean:.4f}' for name, mean, _ in found) or 'not run')
        for title, found in rankings
    )
    return Verdict('undecided', figures)


CLAIMS: tuple[Claim, ...] = (
    Claim(
        'N-a',
        NETWORKS,
        'U²-Net reaches an IoU of at least 0.99 on photos of the catalogue.',
        f'Interval of the IoU of U²-Net above {TARGET}.',
        _target,
    ),
    Claim(
        'N-b',
        NETWORKS,
        'After Mask R-CNN and BASNet, U²-Net was chosen.',
        'Intervals of the IoU of both minus that of U²-Net below 0.',
        _choice,
    ),
    Claim(
        'A',
        TRIAL,
        'Small tests picked the combination of augmentations; the work has no numbers of them.',
        'None: the augmentations are ranked.',
        _combination,
    ),
)
