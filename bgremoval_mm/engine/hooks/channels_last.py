"""ChannelsLastHook: convolutions compute in the memory format that is fast on a CPU."""

from __future__ import annotations

import torch
from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper
from mmengine.runner import Runner

from bgremoval_mm.registry import HOOKS

__all__ = ['ChannelsLastHook']


# `force` replaces the placeholder of bgremoval_mm.registry.
@HOOKS.register_module(force=True)
class ChannelsLastHook(Hook):
    """Keep a model's weights in memory with the channels of each pixel side by side.

    torch's ``channels_last``. Layers pass the format on, so that a network of small depthwise
    convolutions trains in about half the time on a CPU (benchmarks/channels_last.py); on a GPU it
    serves mixed precision. Values, shapes and checkpoints are the same, up to the order in which
    numbers are added.

    Examples:
        >>> default_hooks = dict(channels_last=dict(type='ChannelsLastHook'))
    """

    def before_run(self, runner: Runner) -> None:
        """Convert the weights, before a checkpoint is loaded into them."""
        model = runner.model.module if is_model_wrapper(runner.model) else runner.model
        model.to(memory_format=torch.channels_last)
