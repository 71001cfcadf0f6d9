"""FreezeModulesHook: parts of a model are not trained, and cost no backward pass."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper
from mmengine.runner import Runner
from torch import nn

from bgremoval_mm.registry import HOOKS
from bgremoval_mm.removal.errors import ArgumentError
from bgremoval_mm.utils.messages import first_few

__all__ = ['FreezeModulesHook']


# `force` replaces the placeholder of bgremoval_mm.registry.
@HOOKS.register_module(force=True)
class FreezeModulesHook(Hook):
    """Keep modules as they are while the rest of a model is trained.

    Their parameters get no gradients, so that no optimiser changes them and nothing is computed
    backwards through them; they stay in evaluation mode, in which batch normalisation uses the
    statistics of the pretrained model and dropout does nothing. mmengine puts the whole model into
    training mode after ``before_train_epoch`` and after each validation, so the mode is set before
    every iteration.

    A job on several GPUs also needs ``find_unused_parameters=True`` in its config.

    Args:
        modules: Their names in the model, such as ``'backbone'`` or ``'backbone.layer1'``.

    Raises:
        ArgumentError: If none is named; before training, if the model has no such module, or
            nothing would be left to train.

    Examples:
        >>> custom_hooks = [dict(type='FreezeModulesHook', modules=['backbone'])]
    """

    def __init__(self, modules: Sequence[str]) -> None:
        self.modules = (modules,) if isinstance(modules, str) else tuple(modules)
        if not self.modules or not all(self.modules):
            msg = f'`modules` must be names of modules of the model, but got {modules!r}'
            raise ArgumentError(msg)

    def before_train(self, runner: Runner) -> None:
        """Take the gradients off.

        Args:
            runner: The runner, with the model.
        """
        for module in self._frozen(runner):
            module.requires_grad_(requires_grad=False)
        if not any(parameter.requires_grad for parameter in runner.model.parameters()):
            msg = f'`modules` must leave something to train, but {self.modules} is the whole model'
            raise ArgumentError(msg)

    def before_train_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None) -> None:
        """Put the modules into evaluation mode.

        Args:
            runner: The runner, with the model.
            batch_idx: Not used.
            data_batch: Not used.
        """
        for module in self._frozen(runner):
            module.eval()

    def _frozen(self, runner: Runner) -> list[nn.Module]:
        """Return the modules of those names."""
        model = runner.model.module if is_model_wrapper(runner.model) else runner.model
        known = dict(model.named_modules())
        unknown = sorted(set(self.modules) - set(known))
        if unknown:
            there = first_few([name for name, _ in model.named_children()])
            msg = f'`modules` must be of the model ({there}), but got {first_few(unknown)}'
            raise ArgumentError(msg)
        return [known[name] for name in self.modules]
