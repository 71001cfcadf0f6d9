"""EpochSeedHook: a resumed training goes on exactly as if it had never stopped."""

from __future__ import annotations

from mmengine.hooks import Hook
from mmengine.runner import EpochBasedTrainLoop, Runner

from bgremoval_mm.engine.seeding import mixed_seed, seed_all
from bgremoval_mm.registry import HOOKS

__all__ = ['EpochSeedHook']


# `force` replaces the placeholder of bgremoval_mm.registry.
@HOOKS.register_module(force=True)
class EpochSeedHook(Hook):
    """Seed all random generators at the start of each epoch from (run's seed, epoch).

    mmengine's checkpoints hold no state of random generators: after ``--resume``, augmentation and
    dropout draw other numbers than the uninterrupted run would have drawn, and the result differs
    by more than many an effect that is being measured. It also seeds the workers of a DataLoader
    without ``persistent_workers`` alike in every epoch, which then all draw the same crops. With
    this hook each epoch has random numbers of its own, that depend on nothing else, and a run that
    was killed after any checkpoint and resumed ends with the same weights, as far as the device
    computes deterministically.

    For epoch-based training with a DataLoader whose workers are not kept from epoch to epoch:
    kept workers cannot be seeded, and a warning says so.

    Examples:
        >>> default_hooks = dict(epoch_seed=dict(type='EpochSeedHook'))
        >>> train_dataloader = dict(persistent_workers=False)
    """

    priority = 'VERY_HIGH'

    def before_train(self, runner: Runner) -> None:
        """Say where the promise cannot be kept."""
        if not isinstance(runner.train_loop, EpochBasedTrainLoop):
            runner.logger.warning('EpochSeedHook does nothing: the training is not epoch-based.')
        elif runner.train_dataloader.persistent_workers:
            runner.logger.warning(
                'EpochSeedHook cannot seed the workers of the train_dataloader, because '
                'persistent_workers=True: a resumed run will see other augmentations.'
            )

    def before_train_epoch(self, runner: Runner) -> None:
        """Seed this process, and the workers that the epoch is about to start."""
        if not isinstance(runner.train_loop, EpochBasedTrainLoop):
            return
        randomness = runner.cfg.get('randomness') or {}
        seed_all(
            mixed_seed(runner.seed, runner.epoch),
            runner.train_dataloader,
            randomness.get('diff_rank_seed', False),
        )
