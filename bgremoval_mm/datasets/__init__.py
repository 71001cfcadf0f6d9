"""Data sets and transforms, registered in mmengine's root registries."""

from bgremoval_mm.datasets.transforms import RemoveBackground
from bgremoval_mm.datasets.wrappers import RembgConcatDataset, RembgDataset

__all__ = ['RembgConcatDataset', 'RembgDataset', 'RemoveBackground']
