"""BackgroundTestLoop: a test on the photos as they are, and with other backgrounds."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from mmengine.dist import sync_random_seed
from mmengine.logging import print_log
from mmengine.runner import Runner, TestLoop
from torch.utils.data import DataLoader

from bgremoval_mm.datasets.wrappers import RembgDataset
from bgremoval_mm.engine.seeding import mixed_seed, seed_all
from bgremoval_mm.registry import LOOPS
from bgremoval_mm.removal.errors import ArgumentError
from bgremoval_mm.utils.class_names import class_name

__all__ = ['BackgroundTestLoop', 'replaced_dataset', 'summarise_repeats']

_OWN = ('type', 'fp16', 'repeats')
_NUMBER = (int, float, np.number)


@LOOPS.register_module(force=True)
class BackgroundTestLoop(TestLoop):
    """Test on the photos as they are, then several times with another background behind each.

    The protocol of Kobs and Hotho, "On Background Bias in Deep Metric Learning" (ICMV 2022): how
    much a network loses says how much it depends on the background. For any model and metric whose
    annotations do not depend on the background. All photos get a new background, in retrieval
    queries and gallery alike, drawn at random from a bank that the training has not seen
    (``DisjointBanksHook`` checks that).

    The metrics are those of the photos as they are, under their usual names, the mean of the
    repeats, under ``replaced/NAME``, and their sample standard deviation under
    ``replaced_std/NAME``. The photos as they are come last, so that files which a metric writes are
    theirs. The backgrounds depend on the seed of the run and the number of the repeat, and on
    ``num_workers``.

    Args:
        runner: The runner.
        dataloader: Config of the test's DataLoader. Its workers are started again for each repeat.
        evaluator: Evaluator or its config.
        bank: Where the backgrounds come from, see ReplaceBackground.
        repeats: How often backgrounds are drawn.
        fp16: As of mmengine's TestLoop.
        **replacement: What RembgDataset takes with a `bank`: mask_dir, model, on_missing, scale...

    Raises:
        ValueError: If `dataloader` is not a config or an argument is wrong.
        TypeError: If RembgDataset does not know an argument.

    Examples:
        >>> test_cfg = dict(
        ...     type='BackgroundTestLoop',
        ...     bank='data/background_bank/bank_b.txt',
        ...     mask_dir='data/masks/grocery_store')
    """

    def __init__(
        self,
        runner: Runner,
        dataloader: dict[str, Any],
        evaluator: Any,
        bank: Any,
        repeats: int = 5,
        fp16: bool = False,
        **replacement: Any,
    ) -> None:
        if isinstance(dataloader, DataLoader):
            msg = '`dataloader` of BackgroundTestLoop must be a config, but got a DataLoader'
            raise ArgumentError(msg)
        if repeats < 1:
            msg = f'`repeats` of BackgroundTestLoop must be at least 1, but got {repeats}'
            raise ArgumentError(msg)
        super().__init__(runner, dataloader, evaluator, fp16)
        self.repeats = repeats
        replaced = RembgDataset(self.dataloader.dataset, bank=bank, **replacement)
        config = {**dataloader, 'dataset': replaced, 'persistent_workers': False}
        self.replaced_dataloader = runner.build_dataloader(config, seed=runner.seed)

    def run(self) -> dict[str, Any]:
        """Test, and return the metrics."""
        self.runner.call_hook('before_test')
        self.runner.call_hook('before_test_epoch')
        self.runner.model.eval()
        repeats = []
        seed = sync_random_seed() if self.runner.seed is None else self.runner.seed
        for repeat in range(self.repeats):
            self.runner.logger.info('Background replaced, %d of %d', repeat + 1, self.repeats)
            seed_all(mixed_seed(seed, repeat), self.replaced_dataloader, diff_rank_seed=True)
            repeats.append(self._test(self.replaced_dataloader))
        self.runner.logger.info('Background as it is')
        metrics = self._test(self.dataloader) | summarise_repeats(repeats)
        self.runner.call_hook('after_test_epoch', metrics=metrics)
        self.runner.call_hook('after_test')
        return metrics

    def _test(self, dataloader: DataLoader[Any]) -> dict[str, Any]:
        for index, batch in enumerate(dataloader):
            self.run_iter(index, batch)
        dataset: Any = dataloader.dataset  # with a length: torch's Dataset has none
        metrics: dict[str, Any] = self.evaluator.evaluate(len(dataset))
        return metrics


def summarise_repeats(repeats: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """Return mean and deviation of each metric that is a number.

    Args:
        repeats: The metrics of each repeat.

    Returns:
        ``replaced/NAME``, the mean, and ``replaced_std/NAME``, the sample standard deviation (0 of
        a single repeat). Both are NaN if a repeat gave none, as mmdet's metrics do where nothing
        is found; the log names such repeats.
    """
    numbers = [
        {name: float(value) for name, value in repeat.items() if isinstance(value, _NUMBER)}
        for repeat in repeats
    ]
    names = list(dict.fromkeys(name for each in numbers for name in each))
    for index, each in enumerate(numbers):
        lacking = [name for name in names if name not in each]
        if lacking:
            message = f'Background replaced, {index + 1} of {len(numbers)}, gave no '
            message += f'{", ".join(lacking)}: mean and deviation are NaN'
            print_log(message, 'current', logging.WARNING)
    summary = {}
    for name in names:
        values = [each.get(name, np.nan) for each in numbers]
        summary[f'replaced/{name}'] = float(np.mean(values))
        deviation = float(np.std(values, ddof=1)) if len(values) > 1 else 0.0
        summary[f'replaced_std/{name}'] = deviation
    return summary


def replaced_dataset(config: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the config of the dataset with other backgrounds that a whole config tests on, if any.

    Args:
        config: A config with ``test_cfg`` and ``test_dataloader``.
    """
    test = config.get('test_cfg') or {}
    if class_name(test.get('type', '')) != BackgroundTestLoop.__name__:
        return None
    arguments = {key: value for key, value in test.items() if key not in _OWN}
    return {'type': 'RembgDataset', 'dataset': config['test_dataloader']['dataset'], **arguments}
