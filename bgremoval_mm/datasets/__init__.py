"""Datasets and transforms, each imported when it is used or built.

Importing this package loads no codebase, and works without any. Those that derive from mmdet's and
mmsegmentation's datasets need these; :mod:`bgremoval_mm.registry` has the table.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from bgremoval_mm.registry import load_class
from bgremoval_mm.utils.lazy_exports import lazy_exports

if TYPE_CHECKING:
    from bgremoval_mm.datasets.clothing10 import Clothing10
    from bgremoval_mm.datasets.concat import RembgConcatDataset
    from bgremoval_mm.datasets.fashionstyle14 import FashionStyle14
    from bgremoval_mm.datasets.instances import CCP, Fashionpedia
    from bgremoval_mm.datasets.semantic import CCPSemantic, FashionpediaSemantic
    from bgremoval_mm.datasets.transforms.change_background import ChangeBackground
    from bgremoval_mm.datasets.transforms.load_foreground_mask import LoadForegroundMask
    from bgremoval_mm.datasets.transforms.remove_background import RemoveBackground
    from bgremoval_mm.datasets.transforms.replace_background import ReplaceBackground
    from bgremoval_mm.datasets.wrappers import RembgDataset

__all__ = [
    'CCP',
    'CCPSemantic',
    'ChangeBackground',
    'Clothing10',
    'FashionStyle14',
    'Fashionpedia',
    'FashionpediaSemantic',
    'LoadForegroundMask',
    'RembgConcatDataset',
    'RembgDataset',
    'RemoveBackground',
    'ReplaceBackground',
]

if not TYPE_CHECKING:
    __getattr__, __dir__ = lazy_exports(__name__, __all__, load_class)
