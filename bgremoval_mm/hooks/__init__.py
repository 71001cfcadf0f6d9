"""Hooks for mmengine's Runner.

Importing ``mmengine.hooks`` costs most of a second (it pulls in ``torch.distributed.fsdp`` and
sympy), which everyone who only wants the transform would pay. So each name is registered here with
a function that imports the class when a Runner builds it; from then on the registry holds the
class.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import TYPE_CHECKING, Any

from bgremoval_mm.registry import HOOKS

if TYPE_CHECKING:
    from bgremoval_mm.hooks.diff_metrics import DiffMetricsHook
    from bgremoval_mm.hooks.epoch_seed import EpochSeedHook

__all__ = ['DiffMetricsHook', 'EpochSeedHook']

_MODULES = {'DiffMetricsHook': 'diff_metrics', 'EpochSeedHook': 'epoch_seed'}


def _load(name: str) -> Any:
    return getattr(import_module(f'{__name__}.{_MODULES[name]}'), name)


def _stand_in(name: str) -> Callable[..., Any]:
    """A function that builds a hook, and takes what it takes."""

    def build(*args: Any, **kwargs: Any) -> Any:
        return _load(name)(*args, **kwargs)

    return build


for _name in _MODULES:
    HOOKS.register_module(name=_name, module=_stand_in(_name))


def __getattr__(name: str) -> Any:
    """Import a hook at the first use of its name."""
    if name in _MODULES:
        return _load(name)
    msg = f'module {__name__!r} has no attribute {name!r}'
    raise AttributeError(msg)
