"""DisjointBanksHook: no test on the backgrounds that a network was trained with."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from typing import Any

from mmengine.hooks import Hook
from mmengine.runner import Runner

from bgremoval_mm.datasets.transforms.background_bank import (
    BackgroundBank,
    check_disjoint,
    sources_of,
)
from bgremoval_mm.registry import HOOKS

__all__ = ['DisjointBanksHook', 'banks_in', 'read_bank']

_TRAINING = ('train_dataloader',)
_TEST = ('test_dataloader', 'test_evaluator', 'test_cfg')


# `force` replaces the placeholder of bgremoval_mm.registry.
@HOOKS.register_module(force=True)
class DisjointBanksHook(Hook):
    """Stop a run whose config tests on backgrounds of the training.

    Before training, validation and testing every `bank` in the config's ``train_dataloader`` is
    compared with every one in ``test_dataloader``, ``test_evaluator`` and ``test_cfg``, whatever
    takes it (ReplaceBackground, RembgDataset, a loop). A photo in both, by its content, is an error
    that names the files; photos that look alike are named in a warning. The bank of validation may
    be that of training. The hook works under stock tools too: it needs the config only.

    Args:
        tested: A bank that photos of the test were made with beforehand, as by ``bgremoval
            replace``: it stands nowhere else in the config. Such photos may be tested without the
            bank, which is compared where it is there. None: there are no such photos.

    Raises:
        ValueError: If banks overlap, or one is empty or has a broken photo.

    Examples:
        >>> custom_hooks = [dict(type='DisjointBanksHook')]
    """

    priority = 'VERY_HIGH'

    def __init__(self, tested: Any = None) -> None:
        self.tested = tested

    def before_run(self, runner: Runner) -> None:
        """Compare the banks of the config."""
        training, test = (
            {repr(bank): bank for part in parts for bank in banks_in(runner.cfg.get(part))}
            for parts in (_TRAINING, _TEST)
        )
        if self.tested is not None and all(map(os.path.exists, sources_of(self.tested))):
            test[repr(self.tested)] = self.tested
        if not training or not test:
            return
        read = {name: read_bank(bank) for name, bank in (training | test).items()}
        for one in training:
            for other in test:
                check_disjoint(read[one], read[other])


def read_bank(bank: Any) -> BackgroundBank:
    """Return a bank of which no decoded photo stays in memory."""
    if isinstance(bank, BackgroundBank):
        return bank
    arguments = bank if isinstance(bank, Mapping) else {'paths': bank}
    return BackgroundBank(**{**arguments, 'memory_mb': 0})


def banks_in(node: Any) -> Iterator[Any]:
    """Yield what stands in any `bank` of a part of a config."""
    if isinstance(node, Mapping):
        for key, value in node.items():
            if key == 'bank' and value is not None:
                yield value
            else:
                yield from banks_in(value)
    elif isinstance(node, list | tuple):
        for each in node:
            yield from banks_in(each)
