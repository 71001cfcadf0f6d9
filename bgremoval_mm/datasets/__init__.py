"""Data sets and transforms, registered in mmengine's root registries.

The data sets that derive from mmdet's and mmsegmentation's are registered by functions that import
them when one is built: importing this package must load no codebase, and work without any.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from bgremoval_mm.datasets.change_background import ChangeBackground
from bgremoval_mm.datasets.clothing10 import Clothing10
from bgremoval_mm.datasets.fashionstyle14 import FashionStyle14
from bgremoval_mm.datasets.transforms import RemoveBackground
from bgremoval_mm.datasets.wrappers import RembgConcatDataset, RembgDataset
from bgremoval_mm.registry import DATASETS

if TYPE_CHECKING:
    from bgremoval_mm.datasets.instances import CCP, Fashionpedia
    from bgremoval_mm.datasets.semantic import CCPSemantic, FashionpediaSemantic

__all__ = [
    'CCP',
    'CCPSemantic',
    'ChangeBackground',
    'Clothing10',
    'FashionStyle14',
    'Fashionpedia',
    'FashionpediaSemantic',
    'RembgConcatDataset',
    'RembgDataset',
    'RemoveBackground',
]

# Name: module here, codebase that it imports, extra that brings the codebase.
_LAZY = {
    'CCP': ('instances', 'mmdet', 'det'),
    'CCPSemantic': ('semantic', 'mmseg', 'seg'),
    'Fashionpedia': ('instances', 'mmdet', 'det'),
    'FashionpediaSemantic': ('semantic', 'mmseg', 'seg'),
}


def _load(name: str) -> Any:
    module, codebase, extra = _LAZY[name]
    if find_spec(codebase) is None:
        msg = f'{name} needs {codebase}: pip install "bgremoval_mm[{extra}]"'
        raise ImportError(msg)
    return getattr(import_module(f'{__name__}.{module}'), name)


def _stand_in(name: str) -> Callable[..., Any]:
    """A function that builds a data set, and takes what it takes."""

    def build(*args: Any, **kwargs: Any) -> Any:
        return _load(name)(*args, **kwargs)

    return build


for _name in _LAZY:
    DATASETS.register_module(name=_name, module=_stand_in(_name))


def __getattr__(name: str) -> Any:
    """Import a data set of a codebase at the first use of its name."""
    if name in _LAZY:
        return _load(name)
    msg = f'module {__name__!r} has no attribute {name!r}'
    raise AttributeError(msg)
