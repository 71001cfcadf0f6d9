"""ResumableEarlyStoppingHook: a resumed training stops where an uninterrupted one would have."""

from __future__ import annotations

from typing import Any

from mmengine.hooks import EarlyStoppingHook
from mmengine.runner import Runner

from bgremoval_mm.engine.hooks.resumed_validation import validate_resumed_epoch
from bgremoval_mm.registry import HOOKS

__all__ = ['ResumableEarlyStoppingHook']


@HOOKS.register_module(force=True)
class ResumableEarlyStoppingHook(EarlyStoppingHook):
    """mmengine's EarlyStoppingHook, whose state is kept in checkpoints.

    mmengine's own begins to count again after ``--resume``, so that a resumed training goes on for
    longer. And since a checkpoint is written before its epoch is validated, the validation of the
    last epoch is lost, for the choice of the best checkpoint, too: here it is done again, before
    the training goes on. A training that had stopped early when it was killed stops again at once.

    For epoch-based training. Arguments are those of EarlyStoppingHook.

    Examples:
        >>> custom_hooks = [dict(type='ResumableEarlyStoppingHook', monitor='retrieval/MAP@R',
        ...                      rule='greater', patience=15, min_delta=0)]
    """

    # After the hooks that read their own state from the checkpoint when the training begins.
    priority = 'LOWEST'

    def before_run(self, runner: Runner) -> None:
        """Do nothing: mmengine's asks for the training, whose photos a test would then need."""

    def before_train(self, runner: Runner) -> None:
        """Take up the state of the checkpoint, and validate the epoch that it was written after."""
        if runner.epoch == 0:
            return
        state = runner.message_hub.get_info(self._key, None)
        if state is not None:
            self.best_score, self.wait_count = state
        validate_resumed_epoch(runner)

    def after_val_epoch(self, runner: Runner, metrics: dict[str, Any]) -> None:
        """Decide whether to stop, and keep the state for the next checkpoint."""
        super().after_val_epoch(runner, metrics)
        runner.message_hub.update_info(self._key, [float(self.best_score), int(self.wait_count)])

    @property
    def _key(self) -> str:
        return f'early_stopping/{self.monitor}'
