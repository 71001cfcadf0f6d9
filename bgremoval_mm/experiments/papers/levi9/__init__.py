"""Levi9 and Wehkamp: U2-Net for a catalogue; and the paper of U2-Net, Qin et al., for its tests."""

from bgremoval_mm.experiments.base import Dataset, Metric, Work
from bgremoval_mm.experiments.papers.levi9.claims import CLAIMS
from bgremoval_mm.experiments.papers.levi9.exhibits import (
    network_exhibits,
    set_exhibits,
    trial_exhibits,
)
from bgremoval_mm.experiments.papers.levi9.experiments import (
    EXPERIMENTS,
    NETWORKS,
    SIX_SETS,
    TRIAL,
)
from bgremoval_mm.experiments.papers.levi9.published import IOU, MAX_F, PUBLISHED, SETS

__all__ = ['WORK']

_IOU = Metric(IOU, 'IoU', 'fraction')

WORK = Work(
    name='levi9',
    title='Levi9 and Wehkamp',
    citation=(
        'Levi9 and Wehkamp: background removal by U²-Net in the production of a catalogue (article '
        'and slides); Qin et al.: U²-Net: Going Deeper with Nested U-Structure for Salient Object '
        'Detection, Pattern Recognition 106, 2020'
    ),
    experiments=EXPERIMENTS,
    metrics={
        NETWORKS: (_IOU, Metric('saliency/MAE', 'MAE', 'fraction')),
        TRIAL: (_IOU,),
        SIX_SETS: tuple(Metric(f'{MAX_F}/{name}', f'maxF, {name}', 'fraction') for name in SETS),
    },
    datasets={
        'pairs': Dataset('pairs of your own', is_own=False),
        'duts': Dataset('trained on DUTS'),
    },
    published=PUBLISHED,
    claims=CLAIMS,
    heading='Networks and augmentations for background removal',
    exhibits={NETWORKS: network_exhibits, TRIAL: trial_exhibits, SIX_SETS: set_exhibits},
)
