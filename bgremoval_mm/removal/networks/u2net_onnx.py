"""The weights of rembg's ONNX files in the PyTorch network, and the network as they have it.

The files are U2-Net and U2-NetP with their batch normalisation folded into the convolutions.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch import nn

from bgremoval_mm.removal.errors import ArgumentError
from bgremoval_mm.removal.networks.u2net import ConvBNReLU, U2Net

__all__ = ['FusedLogits', 'load_onnx']


class FusedLogits(nn.Module):
    """The network's fused map before the sigmoid, alone: what removing backgrounds needs.

    Args:
        network: A network of `load_onnx`, whose batch normalisations are the identity. It is
            copied without them, and stays as it is.
    """

    def __init__(self, network: U2Net) -> None:
        super().__init__()
        self.network = copy.deepcopy(network)
        for module in self.network.modules():
            if isinstance(module, ConvBNReLU):
                module.bn_s1 = nn.Identity()  # type: ignore[assignment]

    def forward(self, photos: torch.Tensor) -> torch.Tensor:
        """Map normalised photos (N, 3, H, W) to logits (N, 1, H, W)."""
        return self.network.logits(photos)[0]


def load_onnx(network: U2Net, content: bytes) -> None:
    """Load the weights of an ONNX file into the same network.

    Batch normalisation is folded into its convolutions there: the convolutions get the file's
    weights, and each batch normalisation becomes the identity.

    Args:
        network: The network, which is changed and put into evaluation mode.
        content: The file.

    Raises:
        ArgumentError: If the file is another network's.
    """
    import onnx
    from onnx import numpy_helper

    graph = onnx.load_model_from_string(content).graph
    weights = {each.name: numpy_helper.to_array(each) for each in graph.initializer}
    convolutions = [node for node in graph.node if node.op_type == 'Conv']
    found = [tuple(weights[name] for name in node.input[1:]) for node in convolutions]
    layers = list(_convolutions(network))
    shapes = [tuple(layer.weight.shape) for layer, _ in layers]
    if [each[0].shape for each in found] != shapes:
        msg = f'the file must hold {len(shapes)} convolutions of this network, but has {len(found)}'
        raise ArgumentError(msg)
    network.eval()
    with torch.no_grad():
        for (convolution, normalisation), (weight, bias) in zip(layers, found, strict=True):
            convolution.weight.copy_(torch.from_numpy(np.array(weight)))
            assert convolution.bias is not None
            convolution.bias.copy_(torch.from_numpy(np.array(bias)))
            if normalisation is not None:
                normalisation.weight.fill_(1.0)
                normalisation.bias.zero_()
                assert normalisation.running_mean is not None
                assert normalisation.running_var is not None
                normalisation.running_mean.zero_()
                normalisation.running_var.fill_(1.0 - normalisation.eps)


def _convolutions(network: U2Net) -> Iterator[tuple[nn.Conv2d, nn.BatchNorm2d | None]]:
    """Yield the convolutions in the order in which they are run, with what normalises them."""
    order: list[tuple[nn.Conv2d, nn.BatchNorm2d | None]] = []
    pairs: list[tuple[nn.Module, nn.Conv2d, nn.BatchNorm2d | None]] = [
        (module, module.conv_s1, module.bn_s1)
        for module in network.modules()
        if isinstance(module, ConvBNReLU)
    ]
    pairs += [(each, each, None) for each in network.children() if isinstance(each, nn.Conv2d)]
    handles = []
    for module, *pair in pairs:

        def note(*_: object, found: tuple[Any, ...] = tuple(pair)) -> None:
            order.append(found)

        handles.append(module.register_forward_pre_hook(note))
    with torch.no_grad():
        network(pairs[0][1].weight.new_zeros(1, 3, 64, 64))
    for handle in handles:
        handle.remove()
    yield from order
