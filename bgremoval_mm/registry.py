"""The registries that every class of this package is entered in: mmengine's roots.

A root entry is found by its short name under every ``default_scope`` (mmpretrain, mmdet, mmseg or
none), because a lookup climbs from the codebase's registry to the root; mmcv shares its transforms
in the same way. A registry of our own with its own scope would answer to
``type='bgremoval_mm.RemoveBackground'`` only. The price is that names are global, hence the
specific names (``RembgDataset``, never ``Dataset``).
"""

from __future__ import annotations

from mmengine.registry import DATASETS, HOOKS, METRICS, TRANSFORMS

__all__ = ['DATASETS', 'HOOKS', 'METRICS', 'TRANSFORMS']
