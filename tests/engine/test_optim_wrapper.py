"""BFloat16OptimWrapper: what it computes in bfloat16, and what stays in float32."""

from __future__ import annotations

import copy

import torch
from mmengine.optim import OptimWrapper, build_optim_wrapper
from torch import nn

import bgremoval_mm  # noqa: F401 (registers)

CONFIG = {'type': 'BFloat16OptimWrapper', 'optimizer': {'type': 'SGD', 'lr': 0.5}}


class Doubled(nn.Module):
    """A product of one number with what comes in, which remembers the type of its result."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(1, 1, bias=False)
        self.linear.weight.data.fill_(1.0)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Multiply, and remember the type."""
        out: torch.Tensor = self.linear(x)
        self.dtype = out.dtype
        return out


def test_forward_in_bfloat16_and_weights_in_float32() -> None:
    """1 + 2**-10 is 1 in bfloat16: the product shows it. The update is exact in float32."""
    model = Doubled()
    wrapper = build_optim_wrapper(model, copy.deepcopy(CONFIG))
    assert isinstance(wrapper, OptimWrapper)
    x = torch.full((1, 1), 1 + 2**-10)
    with wrapper.optim_context(model):
        loss = model(x).float().sum()
    assert model.dtype is torch.bfloat16
    assert loss.item() == 1.0
    wrapper.update_params(loss)
    assert model.linear.weight.dtype is torch.float32
    assert model.linear.weight.item() == 0.5  # 1 - 0.5 * 1
    model(x)
    assert model.dtype is torch.float32  # only within the context


def test_accumulates_and_saves_as_optim_wrapper() -> None:
    """Gradients are accumulated as by OptimWrapper, whose checkpoints these are."""
    model = Doubled()
    wrapper = build_optim_wrapper(model, {**copy.deepcopy(CONFIG), 'accumulative_counts': 2})
    wrapper.initialize_count_status(model, 0, 2)
    for _ in range(2):
        with wrapper.optim_context(model):
            loss = model(torch.ones(1, 1)).float().sum()
        wrapper.update_params(loss)
    assert model.linear.weight.item() == 0.5  # once, by the mean of the two
    assert set(wrapper.state_dict()) == {'state', 'param_groups', 'base_param_settings'} or set(
        wrapper.state_dict()
    ) == {'state', 'param_groups'}
