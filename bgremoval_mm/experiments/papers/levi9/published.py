"""The numbers that the works print: the catalogue's IoU, and Tables 3 and 4 of U2-Net's paper."""

from __future__ import annotations

from collections.abc import Mapping

from bgremoval_mm.experiments.base import Published
from bgremoval_mm.experiments.papers.levi9.experiments import NETWORKS, SIX_SETS

__all__ = ['IOU', 'MAX_F', 'MEASURES', 'PUBLISHED', 'SETS', 'STATED', 'TABLES', 'TARGET']

IOU, MAX_F = 'saliency/IoU', 'saliency/maxF'
MEASURES = ('maxF', 'MAE', 'wF', 'S', 'relaxF')
"""In the order of the paper's tables."""

TARGET = 0.99
"""The IoU that the catalogue asked for."""

# Set, number of its photos; measures of U2-Net, then of U2-NetP.
_TABLES = """
    DUT-OMRON 5168  .823 .054 .757 .847 .702  .813 .060 .731 .837 .676
    DUTS-TE   5019  .873 .044 .804 .861 .765  .852 .054 .763 .847 .723
    HKU-IS    4447  .935 .031 .890 .916 .812  .928 .037 .867 .908 .794
    ECSSD     1000  .951 .033 .910 .928 .836  .943 .041 .885 .918 .808
    PASCAL-S   850  .859 .074 .797 .844 .657  .849 .086 .768 .831 .627
    SOD        300  .861 .108 .748 .786 .613  .841 .124 .697 .759 .559
"""


def _tables() -> dict[str, dict[str, dict[str, float]]]:
    found = {}
    for line in _TABLES.strip().splitlines():
        name, _, *cells = line.split()
        numbers = [float(cell) for cell in cells]
        found[name] = {
            'u2net': dict(zip(MEASURES, numbers[:5], strict=True)),
            'u2netp': dict(zip(MEASURES, numbers[5:], strict=True)),
        }
    return found


TABLES: Mapping[str, Mapping[str, Mapping[str, float]]] = _tables()
"""Set, then variant, then measure, a fraction."""

SETS = tuple(TABLES)

STATED: Mapping[str, str] = {
    'pairs of photo and human mask': '32,000',
    'training, validation': '25,600, 6,400 (slides); about 26,000, 6,000 (article)',
    'clusters': 'five by PCA and k-means, white products by hand',
    'size': '320 x 320',
    'augmentation': 'upside down, crops; chosen by small tests',
    'training': '30 epochs in 9 hours on 20 machines with a GPU each',
    'IoU': '0.994, and 0.99 from epoch 24 on',
    'best and worst cluster': 'shorts; white products and beachwear',
    'masks corrected by hand': 'about 600 of 10,000',
}
"""What the catalogue's article and slides state of the training and its result."""

PUBLISHED: tuple[Published, ...] = (
    Published(
        item=NETWORKS, model='remover', metric=IOU, values={'u2net': 0.994}, datasets=('pairs',)
    ),
    *(
        Published(
            item=SIX_SETS,
            model='u2net-duts',
            metric=f'{MAX_F}/{name}',
            values={variant: measures['maxF'] for variant, measures in table.items()},
            datasets=('duts',),
        )
        for name, table in TABLES.items()
    ),
)
"""As fractions."""
