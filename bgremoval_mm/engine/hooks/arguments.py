"""The arguments of DiffMetricsHook, checked as far as they can be without a run."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bgremoval_mm.engine.hooks.logged import is_number
from bgremoval_mm.removal.errors import ArgumentError

__all__ = ['checked_baseline', 'checked_metrics']


def checked_baseline(baseline: Any) -> str | Mapping[str, float]:
    """Return the baseline, checked as far as it can be without a run."""
    if isinstance(baseline, str | Path):
        return str(baseline)
    if not isinstance(baseline, Mapping):
        msg = (
            "`baseline` must be 'auto', a path or a dict of metric names and numbers, "
            f'but got {baseline!r}'
        )
        raise TypeError(msg)
    tta = baseline.get('tta')
    numbers = {key: value for key, value in baseline.items() if key != 'tta'}
    wrong = {key: value for key, value in numbers.items() if not is_number(value)}
    if tta not in (None, True, False):
        wrong['tta'] = tta
    if wrong or not numbers:
        msg = (
            '`baseline` as a dict must map metric names to numbers, besides `tta` as True or '
            f'False, but got {wrong or dict(baseline)}'
        )
        raise ArgumentError(msg)
    checked: dict[str, float | bool] = {str(key): float(value) for key, value in numbers.items()}
    return checked if tta is None else {**checked, 'tta': bool(tta)}


def checked_metrics(metrics: Any) -> list[str] | None:
    """Return the names in ``metrics`` as a list."""
    if metrics is None:
        return None
    names = [metrics] if isinstance(metrics, str) else metrics
    if not isinstance(names, list | tuple) or not all(isinstance(name, str) for name in names):
        msg = f'`metrics` must be None or a list of metric names, but got {metrics!r}'
        raise TypeError(msg)
    return list(names)
