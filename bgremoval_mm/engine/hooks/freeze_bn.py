"""FreezeBatchNormHook: training leaves the statistics of batch normalisation as they are."""

from __future__ import annotations

from typing import Any

from mmengine.hooks import Hook
from mmengine.runner import Runner
from torch.nn.modules.batchnorm import _BatchNorm

from bgremoval_mm.registry import HOOKS

__all__ = ['FreezeBatchNormHook']


# `force` replaces the placeholder of bgremoval_mm.registry.
@HOOKS.register_module(force=True)
class FreezeBatchNormHook(Hook):
    """Keep all layers of batch normalisation in evaluation mode while a model is trained.

    They normalise by the means and variances of the pretrained model, which do not change; weights
    and biases are trained, as in the work by Kobs and Hotho. mmengine puts the whole model into
    training mode after ``before_train_epoch`` and after each validation, so this is done before
    every iteration.

    Examples:
        >>> custom_hooks = [dict(type='FreezeBatchNormHook')]
    """

    def before_train_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None) -> None:
        """Put the layers into evaluation mode.

        Args:
            runner: The runner, with the model.
            batch_idx: Not used.
            data_batch: Not used.
        """
        for module in runner.model.modules():
            if isinstance(module, _BatchNorm):
                module.eval()
