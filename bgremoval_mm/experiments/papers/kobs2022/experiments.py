"""The work's experiments as data: five losses on three datasets, and on one that anyone can get.

Kobs and Hotho, "On Background Bias in Deep Metric Learning" (ICMV 2022). The settings are those of
the configs; ``configs/_base_/losses`` has the hyper-parameters of the losses.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal

from bgremoval_mm.experiments.base import BGAUG, BGVAL, ORIGINAL, Experiment, Variant

__all__ = ['EXPERIMENTS', 'ITEM', 'Cars', 'Groceries', 'MetricLearning', 'Retrieval']

ITEM = 'Tables 1 and 2'


@dataclass(frozen=True, kw_only=True)
class MetricLearning(Experiment):
    """An embedding, trained with one loss on photos as they are or on replaced backgrounds.

    `model` is the name of the loss, since the network is the same in all of them.
    In the variant *bgaug* the backgrounds of training and of validation are replaced, as in the
    work. All variants are tested alike, on photos as they are and on replaced backgrounds.
    """

    variants: ClassVar[tuple[Variant, ...]] = (ORIGINAL, BGAUG)
    tested: ClassVar[Literal['last', 'best']] = 'best'
    item: ClassVar[str] = ITEM
    network: ClassVar[str] = 'bn-inception'
    folder: ClassVar[str] = 'metric_learning/bn_inception'

    def config_name(self, dataset: str, suffix: str) -> str:
        """Return the name of a config."""
        return f'{self.network}_{self.model}_1xb32_{dataset}{suffix}'


@dataclass(frozen=True, kw_only=True)
class Cars(MetricLearning):
    """A loss on Cars196, where the work also selects a plain training on replaced backgrounds."""

    datasets: ClassVar[Mapping[str, int]] = {'cars196': 74}
    variants: ClassVar[tuple[Variant, ...]] = (ORIGINAL, BGAUG, BGVAL)


@dataclass(frozen=True, kw_only=True)
class Retrieval(MetricLearning):
    """A loss on CUB-200-2011 and on Stanford Online Products."""

    datasets: ClassVar[Mapping[str, int]] = {'cub200': 75, 'sop': 8489}


@dataclass(frozen=True, kw_only=True)
class Groceries(MetricLearning):
    """A loss on Grocery Store, not the work's: a small network, with the settings for Cars196."""

    datasets: ClassVar[Mapping[str, int]] = {'grocery-store': 30}
    network: ClassVar[str] = 'efficientnet-lite0'
    folder: ClassVar[str] = 'metric_learning/efficientnet_lite'


_LOSSES = {
    'arcface': 'ArcFace',
    'contrastive': 'Contrastive',
    'multi-similarity': 'Multi-Similarity',
    'normalized-softmax': 'Normalised Softmax',
    'triplet': 'Triplet',
}

EXPERIMENTS: tuple[MetricLearning, ...] = tuple(
    kind(model=loss, title=title)
    for kind in (Cars, Retrieval, Groceries)
    for loss, title in _LOSSES.items()
)
"""All of them, loss by loss in the order of the work's tables."""
