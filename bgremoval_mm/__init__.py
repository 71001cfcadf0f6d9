"""Background removal inside OpenMMLab training: transforms, data sets, hooks and an engine.

Importing the package, as configs do with
``custom_imports = dict(imports=['bgremoval_mm'], allow_failed_imports=False)``, registers every
public class in mmengine's root registries and makes mmengine's checkpoints loadable on a current
torch. It loads no ONNX Runtime, no model and none of mmpretrain, mmdet and mmsegmentation.

Where mmengine is not installed there is nothing to register with, and only the engine,
``bgremoval_mm.removal``, can be used.
"""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from bgremoval_mm.version import __version__

if TYPE_CHECKING:
    from bgremoval_mm.datasets import CCP, CCPSemantic, Fashionpedia, FashionpediaSemantic
    from bgremoval_mm.hooks import DiffMetricsHook, EpochSeedHook

if find_spec('mmengine') is not None:
    from bgremoval_mm import datasets, hooks
    from bgremoval_mm.compat import allow_mmengine_checkpoints
    from bgremoval_mm.datasets import (
        ChangeBackground,
        Clothing10,
        FashionStyle14,
        RembgConcatDataset,
        RembgDataset,
        RemoveBackground,
    )
    from bgremoval_mm.metrics import ClasswiseAccuracy

    allow_mmengine_checkpoints()

__all__ = [
    'CCP',
    'CCPSemantic',
    'ChangeBackground',
    'ClasswiseAccuracy',
    'Clothing10',
    'DiffMetricsHook',
    'EpochSeedHook',
    'FashionStyle14',
    'Fashionpedia',
    'FashionpediaSemantic',
    'RembgConcatDataset',
    'RembgDataset',
    'RemoveBackground',
    '__version__',
]


def __getattr__(name: str) -> Any:
    """Hand out at their first use the names whose import is slow: hooks, and some data sets."""
    if 'hooks' in globals() and name in __all__:
        return getattr(hooks if name in hooks.__all__ else datasets, name)
    msg = f'module {__name__!r} has no attribute {name!r}'
    if name in __all__:
        msg = f'{name} needs OpenMMLab: pip install "bgremoval_mm[cls]" (or det, seg, all)'
    raise AttributeError(msg)
