"""Background removal inside OpenMMLab training: transforms, datasets, hooks and an engine.

Importing the package, as configs do with
``custom_imports = dict(imports=['bgremoval_mm'], allow_failed_imports=False)``, registers every
public class in mmengine's root registries and makes mmengine's checkpoints loadable on a current
torch: at once if mmengine is imported already, else as soon as it is. The import itself loads
nothing but Python's own modules.

Where mmengine is not installed there is nothing to register with, and only the engine,
``bgremoval_mm.removal``, can be used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from bgremoval_mm.compat import keep_compatible
from bgremoval_mm.moved import keep_old_paths
from bgremoval_mm.registry import CLASSES, lazy_register, load_class
from bgremoval_mm.utils.lazy_exports import lazy_exports
from bgremoval_mm.version import __version__

if TYPE_CHECKING:
    from bgremoval_mm.datasets import (
        CCP,
        CCPSemantic,
        ChangeBackground,
        Clothing10,
        Fashionpedia,
        FashionpediaSemantic,
        FashionStyle14,
        LoadForegroundMask,
        RembgConcatDataset,
        RembgDataset,
        RemoveBackground,
        ReplaceBackground,
    )
    from bgremoval_mm.engine.hooks import DiffMetricsHook, DisjointBanksHook, EpochSeedHook
    from bgremoval_mm.evaluation.metrics import ClasswiseAccuracy

__all__ = [
    'CCP',
    'CCPSemantic',
    'ChangeBackground',
    'ClasswiseAccuracy',
    'Clothing10',
    'DiffMetricsHook',
    'DisjointBanksHook',
    'EpochSeedHook',
    'FashionStyle14',
    'Fashionpedia',
    'FashionpediaSemantic',
    'LoadForegroundMask',
    'RembgConcatDataset',
    'RembgDataset',
    'RemoveBackground',
    'ReplaceBackground',
    '__version__',
]

if not TYPE_CHECKING:
    __getattr__, __dir__ = lazy_exports(__name__, __all__, load_class)

lazy_register(CLASSES.values())
keep_compatible()
keep_old_paths()
