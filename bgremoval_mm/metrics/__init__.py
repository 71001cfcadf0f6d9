"""Metrics for mmengine's Evaluator, registered under the names below."""

from __future__ import annotations

from bgremoval_mm.metrics.classwise_accuracy import ClasswiseAccuracy

__all__ = ['ClasswiseAccuracy']
