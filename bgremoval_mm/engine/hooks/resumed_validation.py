"""ResumedValidationHook: a resumed training chooses the best epoch that an unbroken one would."""

from __future__ import annotations

from mmengine.hooks import Hook
from mmengine.runner import EpochBasedTrainLoop, Runner

__all__ = ['ResumedValidationHook', 'validate_resumed_epoch']


class ResumedValidationHook(Hook):
    """Validates the epoch that a training is resumed from, which may have been the best one."""

    # After the hooks that read their own state from the checkpoint when the training begins.
    priority = 'LOWEST'

    def before_train(self, runner: Runner) -> None:
        """Validate."""
        validate_resumed_epoch(runner)


def validate_resumed_epoch(runner: Runner) -> None:
    """Validate the epoch whose checkpoint a training has been resumed from.

    mmengine writes a checkpoint before its epoch is validated. Whoever is killed in between has
    lost that validation, for the choice of the best checkpoint, too. Nothing is done for training
    by iterations, or if the schedule does not validate this epoch.
    """
    loop = runner.train_loop
    if not isinstance(loop, EpochBasedTrainLoop) or runner.epoch == 0:
        return
    loop._decide_current_val_interval()  # mmengine does so after an epoch, not on resumption
    is_validated = runner.epoch % loop.val_interval == 0 or runner.epoch == loop.max_epochs
    if runner.val_loop is not None and runner.epoch >= loop.val_begin and is_validated:
        runner.logger.info('Validating epoch %d again, which is resumed', runner.epoch)
        runner.val_loop.run()
