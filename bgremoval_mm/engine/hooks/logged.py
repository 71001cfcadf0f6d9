"""Values and steps as mmengine's LoggerHook writes them, and differences among the metrics."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from mmengine.hooks import LoggerHook
from mmengine.runner import IterBasedTrainLoop, Runner

from bgremoval_mm.engine.comparison import Score, differences
from bgremoval_mm.engine.work_dir import DIFF_PREFIX

__all__ = ['as_logged', 'is_number', 'logs_by_epoch', 'publish', 'scores']


def logs_by_epoch(runner: Runner) -> bool:
    """Tell whether validations are filed under the epoch, as LoggerHook decides."""
    if isinstance(runner.train_loop, IterBasedTrainLoop):  # its epoch stays 0
        return False
    loggers = [hook for hook in runner.hooks if isinstance(hook, LoggerHook)]
    return all(hook.log_metric_by_epoch for hook in loggers)


def is_number(value: Any) -> bool:
    """Tell whether a metric is one number, as mmengine's RuntimeInfoHook decides; no bool."""
    if isinstance(value, np.ndarray | torch.Tensor):
        return bool(np.prod(value.shape) == 1)
    return isinstance(value, int | float | np.number) and not isinstance(value, bool)


def as_logged(runner: Runner, phase: str, name: str, value: float) -> float:
    """Return the value that LoggerHook writes, and so the one in the baseline's file.

    LogProcessor averages losses (all names that match its pattern) over its window.
    """
    log = f'{phase}/{name}'
    if re.search(runner.log_processor.mean_pattern, name) is None:
        return value
    if log not in runner.message_hub.log_scalars:
        return value
    return float(runner.message_hub.get_scalar(log).mean(runner.log_processor.window_size))


def publish(
    runner: Runner, phase: str, values: Mapping[str, float], reference: Mapping[str, float]
) -> None:
    """Put the differences into the message hub, where LoggerHook finds them."""
    hub = runner.message_hub
    # LoggerHook writes all that the hub has: without this, a difference would be written again at
    # epochs that have none, and differences of losses would be averaged.
    for name in [name for name in hub.log_scalars if name.startswith(f'{phase}/{DIFF_PREFIX}')]:
        hub.log_scalars.pop(name)
    compared = differences(scores(reference), scores(values))
    for metric, each in compared.items():
        if each.diff is not None:
            hub.update_scalar(f'{phase}/{DIFF_PREFIX}{metric}', each.diff)


def scores(values: Mapping[str, float]) -> dict[str, Score]:
    """Return scores without a step."""
    return {metric: Score(value) for metric, value in values.items()}
