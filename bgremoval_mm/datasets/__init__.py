"""Data sets and transforms, registered in mmengine's root registries."""

from bgremoval_mm.datasets.clothing10 import Clothing10
from bgremoval_mm.datasets.fashionstyle14 import FashionStyle14
from bgremoval_mm.datasets.transforms import RemoveBackground
from bgremoval_mm.datasets.wrappers import RembgConcatDataset, RembgDataset

__all__ = [
    'Clothing10',
    'FashionStyle14',
    'RembgConcatDataset',
    'RembgDataset',
    'RemoveBackground',
]
