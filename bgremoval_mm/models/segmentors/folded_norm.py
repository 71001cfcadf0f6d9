"""Batch normalisation that was folded into its convolutions, made trainable again.

In an ONNX file made for inference each convolution holds the scale and shift of the batch
normalisation after it, and `load_onnx` leaves the identity there. That is right for inference and
wrong for training: with the statistics of a batch, the identity would set each channel to mean 0
and deviation 1, and so take away the scale and the shift that the network was trained with.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from mmengine.dist import all_reduce
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

__all__ = ['folded_norms', 'unfold_norms']


def folded_norms(module: nn.Module) -> list[_BatchNorm]:
    """Return the batch normalisations of a module that are exactly the identity in evaluation."""
    return [
        each
        for each in module.modules()
        if isinstance(each, _BatchNorm)
        and _equals(each.weight, 1.0)
        and _equals(each.bias, 0.0)
        and _equals(each.running_mean, 0.0)
        and _equals(each.running_var, 1.0 - each.eps)
    ]


@torch.no_grad()
def unfold_norms(module: nn.Module, norms: Sequence[_BatchNorm], run: Callable[[], object]) -> None:
    """Give batch normalisations that are the identity the statistics of what they normalise.

    With the mean m and the variance v of a channel over photos, a normalisation gets m and v as
    its running statistics, sqrt(v + eps) as its weight and m as its bias. It is still the identity
    in evaluation, and in training on those photos too; from there it can be trained.

    With several processes, the statistics are those of all their photos.

    Args:
        module: The network; it is run in evaluation mode.
        norms: Its normalisations, of :func:`folded_norms`, which are changed.
        run: Runs the network on photos. A batch of a training is enough.
    """
    sums: dict[_BatchNorm, torch.Tensor] = {}

    def add(norm: nn.Module, inputs: tuple[torch.Tensor]) -> None:
        values = inputs[0].float()
        # From these, sums in float64: the variance is a difference of large numbers then.
        variance, mean = torch.var_mean(values, dim=(0, 2, 3), correction=0)
        variance, mean = variance.double(), mean.double()
        count = torch.full_like(mean, values.numel() // len(mean))
        found = torch.stack([count, mean * count, (variance + mean.square()) * count])
        assert isinstance(norm, _BatchNorm)
        sums[norm] = sums[norm] + found if norm in sums else found

    handles = [norm.register_forward_pre_hook(add) for norm in norms]
    modes = {each: each.training for each in module.modules()}
    module.eval()
    try:
        run()
    finally:
        for each, mode in modes.items():
            each.training = mode
        for handle in handles:
            handle.remove()
    for norm in norms:
        found = sums[norm]
        all_reduce(found)
        count, total, squares = found
        mean = total / count
        variance = (squares / count - mean.square()).clamp(min=0)
        assert norm.running_mean is not None
        assert norm.running_var is not None
        norm.running_mean.copy_(mean)
        norm.running_var.copy_(variance)
        norm.weight.copy_((variance + norm.eps).sqrt())
        norm.bias.copy_(mean)


def _equals(values: torch.Tensor | None, number: float) -> bool:
    return values is not None and bool((values == values.new_tensor(number)).all())
