"""Hooks for mmengine's Runner.

Importing ``mmengine.hooks`` costs most of a second (it pulls in ``torch.distributed.fsdp`` and
sympy), which everyone who only wants the transform would pay. So the name is registered here with a
function that imports the class when a Runner builds it; from then on the registry holds the class.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bgremoval_mm.registry import HOOKS

if TYPE_CHECKING:
    from bgremoval_mm.hooks.diff_metrics import DiffMetricsHook

__all__ = ['DiffMetricsHook']


@HOOKS.register_module(name='DiffMetricsHook')
def _build_diff_metrics_hook(*args: Any, **kwargs: Any) -> DiffMetricsHook:
    """Build a :class:`DiffMetricsHook`; takes what it takes."""
    from bgremoval_mm.hooks.diff_metrics import DiffMetricsHook

    return DiffMetricsHook(*args, **kwargs)


def __getattr__(name: str) -> Any:
    """Import the hook at the first use of its name."""
    if name == 'DiffMetricsHook':
        from bgremoval_mm.hooks.diff_metrics import DiffMetricsHook

        return DiffMetricsHook
    msg = f'module {__name__!r} has no attribute {name!r}'
    raise AttributeError(msg)
