"""Metrics for mmengine's Evaluator, each imported when it is used or built."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bgremoval_mm.registry import load_class
from bgremoval_mm.utils.lazy_exports import lazy_exports

if TYPE_CHECKING:
    from bgremoval_mm.evaluation.metrics.classwise_accuracy import ClasswiseAccuracy

__all__ = ['ClasswiseAccuracy']

if not TYPE_CHECKING:
    __getattr__, __dir__ = lazy_exports(__name__, __all__, load_class)
