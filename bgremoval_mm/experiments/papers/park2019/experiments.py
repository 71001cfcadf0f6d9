"""The work's experiments as data: four backbones, three losses, three benchmarks, and open photos.

Park et al., "Study on Fashion Image Retrieval Methods for Efficient Fashion Visual
Search" (CVPR workshops 2019). The settings are those of the configs; docs/defaults.md has what the
work leaves open.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from bgremoval_mm.experiments.base import (
    BGAUG,
    ORIGINAL,
    REMBG,
    REMBG_QUERIES,
    Experiment,
    Variant,
)

__all__ = [
    'CATEGORY_ITEM',
    'CONSUMER_ITEM',
    'EXPERIMENTS',
    'IN_SHOP_ITEM',
    'LOSSES',
    'OPEN_ITEM',
    'STREET_ITEM',
    'Categories',
    'ConsumerToShop',
    'InShop',
    'OpenPhotos',
    'Retrieval',
    'StreetToShop',
]

IN_SHOP_ITEM = 'Table 1 and Fig. 3'
CATEGORY_ITEM = 'Table 2'
CONSUMER_ITEM = 'Fig. 4'
OPEN_ITEM = 'Open photos'
STREET_ITEM = 'Street to shop (simulated)'

LOSSES = {'oc': 'OC', 'oc-os': 'OC+OS', 'oc-is': 'OC+IS'}
"""Loss, as configs are named, to what the work calls it."""

NETWORKS = {
    'resnet50': 'ResNet50',
    'densenet121': 'DenseNet121',
    'seresnet50': 'SEResNet50',
    'seresnext50': 'SEResNeXt50',
}
"""Backbone, as configs are named, to what the work calls it."""


@dataclass(frozen=True, kw_only=True)
class Retrieval(Experiment):
    """A backbone with a loss, ``<backbone>_<loss>`` as `model`.

    In the variant *rembg* backgrounds are removed everywhere, in training, queries and gallery. In
    *bgaug* they are replaced in training; the test is on photos as they are.
    """

    variants: ClassVar[tuple[Variant, ...]] = (ORIGINAL, REMBG, BGAUG)
    folder: ClassVar[str] = 'retrieval/deepfashion'
    batch_size: ClassVar[int] = 64

    def config_name(self, dataset: str, suffix: str) -> str:
        """Return the name of a config."""
        return f'{self.model}_1xb{self.batch_size}_{dataset}{suffix}'


@dataclass(frozen=True, kw_only=True)
class InShop(Retrieval):
    """A row of Table 1, or a curve of Fig. 3; two of the curves are of rows of the table."""

    item: ClassVar[str] = IN_SHOP_ITEM
    datasets: ClassVar[Mapping[str, int]] = {'inshop': 23}


@dataclass(frozen=True, kw_only=True)
class Categories(Retrieval):
    """A row of Table 2: categories alone."""

    item: ClassVar[str] = CATEGORY_ITEM
    datasets: ClassVar[Mapping[str, int]] = {'category': 46}


@dataclass(frozen=True, kw_only=True)
class ConsumerToShop(Retrieval):
    """A curve of Fig. 4."""

    item: ClassVar[str] = CONSUMER_ITEM
    datasets: ClassVar[Mapping[str, int]] = {'consumer2shop': 50}


@dataclass(frozen=True, kw_only=True)
class OpenPhotos(Retrieval):
    """A loss on photos that anyone can get, not the work's, with a small network.

    There, backgrounds are also removed in the queries alone, which are the photos of customers.
    """

    item: ClassVar[str] = OPEN_ITEM
    datasets: ClassVar[Mapping[str, int]] = {'luma-items': 10, 'groceries': 43}
    variants: ClassVar[tuple[Variant, ...]] = (ORIGINAL, REMBG, REMBG_QUERIES, BGAUG)
    folder: ClassVar[str] = 'retrieval/efficientnet_lite'
    batch_size: ClassVar[int] = 32


@dataclass(frozen=True, kw_only=True)
class StreetToShop(OpenPhotos):
    """The networks of Luma's items, whose queries are laid before the photos of a bank.

    Backgrounds are removed by masks that are predicted on these queries.
    """

    item: ClassVar[str] = STREET_ITEM
    datasets: ClassVar[Mapping[str, int]] = {'luma-street': 10}


def _model(network: str, loss: str) -> dict[str, str]:
    titles = NETWORKS | {'efficientnet-lite0': 'EfficientNet-Lite0'}
    return {'model': f'{network}_{loss}', 'title': f'{titles[network]}, {LOSSES[loss]}'}


EXPERIMENTS: tuple[Retrieval, ...] = (
    *(InShop(**_model(name, loss)) for name in ('resnet50', 'densenet121') for loss in LOSSES),
    *(InShop(**_model(name, 'oc-is')) for name in ('seresnet50', 'seresnext50')),
    *(Categories(**_model(name, 'oc')) for name in NETWORKS),
    *(ConsumerToShop(**_model(name, 'oc-is')) for name in NETWORKS),
    *(OpenPhotos(**_model('efficientnet-lite0', loss)) for loss in LOSSES),
    *(StreetToShop(**_model('efficientnet-lite0', loss)) for loss in LOSSES),
)
"""All of them, in the order of the work's tables and figures."""
