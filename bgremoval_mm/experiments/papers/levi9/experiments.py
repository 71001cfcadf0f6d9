"""The work's experiments as data: networks, augmentations, and the test of U2-Net's paper.

What is compared with a baseline here is no background, but a network or an augmentation: these are
the variants. The settings are those of the configs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal

from bgremoval_mm.experiments.base import Experiment, Variant

__all__ = ['EXPERIMENTS', 'NETWORKS', 'SIX_SETS', 'TRIAL', 'Networks', 'SixSets', 'Trial']

NETWORKS, TRIAL, SIX_SETS = 'Networks', 'Augmentation', 'Six sets'

_CONFIGS = {
    '-u2net': 'u2net/u2net_1xb12-30e_{}-320x320',
    '-basnet': 'basnet/basnet_1xb8-30e_{}-256x256',
    '-mask-rcnn': 'mask_rcnn/mask-rcnn_r50_fpn_1xb12-30e_{}-320x320',
}


@dataclass(frozen=True, kw_only=True)
class Networks(Experiment):
    """The networks that were tried, on the same pairs of photo and mask."""

    item: ClassVar[str] = NETWORKS
    folder: ClassVar[str] = 'saliency'
    datasets: ClassVar[Mapping[str, int]] = {'pairs': 2}
    tested: ClassVar[Literal['last', 'best']] = 'best'
    variants: ClassVar[tuple[Variant, ...]] = (
        Variant('u2net', '-u2net', 'U²-Net', 'U²-Net'),
        Variant('basnet', '-basnet', 'BASNet', 'BASNet'),
        Variant('mask-rcnn', '-mask-rcnn', 'Mask R-CNN', 'Mask R-CNN'),
    )

    def config_name(self, dataset: str, suffix: str) -> str:
        """Return the name of a config, with its folder."""
        return _CONFIGS[suffix].format(dataset)


@dataclass(frozen=True, kw_only=True)
class Trial(Experiment):
    """A network with each of the augmentations that the work tried."""

    item: ClassVar[str] = TRIAL
    folder: ClassVar[str] = 'saliency/augmentation'
    datasets: ClassVar[Mapping[str, int]] = {'pairs': 2}
    tested: ClassVar[Literal['last', 'best']] = 'best'
    variants: ClassVar[tuple[Variant, ...]] = (
        Variant('none', '', 'no augmentation', 'none'),
        Variant('flip', '-augflip', 'half upside down', 'flip'),
        Variant('crop', '-augcrop', 'random crops', 'crop'),
        Variant('both', '-augboth', 'random crops, half upside down', 'both'),
    )

    def config_name(self, dataset: str, suffix: str) -> str:
        """Return the name of a config."""
        return f'{self.model}_1xb12-30e-trial_{dataset}-320x320{suffix}'


@dataclass(frozen=True, kw_only=True)
class SixSets(Experiment):
    """U2-Net and U2-NetP, trained on DUTS and tested on the six sets of their paper."""

    item: ClassVar[str] = SIX_SETS
    folder: ClassVar[str] = 'saliency/u2net'
    datasets: ClassVar[Mapping[str, int]] = {'duts': 2}
    variants: ClassVar[tuple[Variant, ...]] = (
        Variant('u2net', '', 'U²-Net', 'U²-Net'),
        Variant('u2netp', 'p', 'U²-NetP', 'U²-NetP'),
    )

    def config_name(self, dataset: str, suffix: str) -> str:
        """Return the name of a config."""
        del dataset  # all are trained on DUTS
        return f'u2net{suffix}_1xb12-600k_six-sets-320x320'


EXPERIMENTS: tuple[Experiment, ...] = (
    Networks(model='remover', title='Removal model'),
    Trial(model='u2net', title='U²-Net'),
    Trial(model='u2netp', title='U²-NetP'),
    SixSets(model='u2net-duts', title='U²-Net'),
)
"""All of them."""
