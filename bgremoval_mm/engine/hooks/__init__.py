"""Hooks for mmengine's Runner, each imported when it is used or when a Runner builds it.

Importing ``mmengine.hooks`` costs most of a second (it pulls in ``torch.distributed.fsdp`` and
sympy), which everyone who only wants the transform would pay.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from bgremoval_mm.registry import load_class
from bgremoval_mm.utils.lazy_exports import lazy_exports

if TYPE_CHECKING:
    from bgremoval_mm.engine.hooks.diff_metrics import DiffMetricsHook
    from bgremoval_mm.engine.hooks.disjoint_banks import DisjointBanksHook
    from bgremoval_mm.engine.hooks.epoch_seed import EpochSeedHook

__all__ = ['DiffMetricsHook', 'DisjointBanksHook', 'EpochSeedHook']

if not TYPE_CHECKING:
    __getattr__, __dir__ = lazy_exports(__name__, __all__, load_class)
