"""BFloat16OptimWrapper: training in bfloat16 where mmengine's AmpOptimWrapper refuses, on a CPU."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from mmengine.optim import OptimWrapper
from torch import nn

from bgremoval_mm.registry import OPTIM_WRAPPERS

__all__ = ['BFloat16OptimWrapper']


@OPTIM_WRAPPERS.register_module(force=True)
class BFloat16OptimWrapper(OptimWrapper):
    """Run the forward pass under autocast to bfloat16, and the rest in float32.

    mmengine's ``AmpOptimWrapper`` scales the loss, which float16 needs, and refuses to run without
    an accelerator. bfloat16 has the range of float32: no scale is needed, and CPUs with AMX or
    AVX-512 BF16 compute in it. Checkpoints are those of ``OptimWrapper``.

    Args:
        **options: What mmengine's ``OptimWrapper`` takes: ``optimizer``, ``clip_grad`` ...

    Examples:
        >>> optim_wrapper = dict(type='BFloat16OptimWrapper', optimizer=dict(type='Adam', lr=1e-4))
    """

    @contextmanager
    def optim_context(self, model: nn.Module) -> Iterator[None]:
        """Autocast on the device of the model, and what ``OptimWrapper`` does."""
        device = next(model.parameters()).device.type
        with super().optim_context(model), torch.autocast(device, torch.bfloat16):
            yield
