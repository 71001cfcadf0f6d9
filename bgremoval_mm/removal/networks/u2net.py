"""U2-Net and U2-NetP in PyTorch, with the original's parameter names.

Qin et al., "U2-Net: Going Deeper with Nested U-Structure for Salient Object Detection", Pattern
Recognition 106, 2020; names as in github.com/xuebinqin/U-2-Net, whose checkpoints load. The ONNX
files that rembg uses are this network with its batch normalisation folded into the convolutions.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

__all__ = ['U2Net', 'load_onnx', 'u2net', 'u2netp']


class ConvBNReLU(nn.Module):
    """3 x 3 convolution, batch normalisation, ReLU; the size stays."""

    def __init__(self, inner: int, outer: int, dilation: int = 1) -> None:
        super().__init__()
        self.conv_s1 = nn.Conv2d(inner, outer, 3, padding=dilation, dilation=dilation)
        self.bn_s1 = nn.BatchNorm2d(outer)

    def forward(self, x: Tensor) -> Tensor:
        """(N, inner, H, W) to (N, outer, H, W)."""
        return functional.relu(self.bn_s1(self.conv_s1(x)))


class RSU(nn.Module):
    """Residual U-block (section 3.1): a U-Net of its own, added to its input features.

    Args:
        height: L of the paper: number of encoder convolutions.
        inner: Channels in.
        mid: Channels inside.
        outer: Channels out.
        dilated: RSU-4F: dilation in place of pooling, 1, 2, 4, 8.
    """

    def __init__(
        self, height: int, inner: int, mid: int, outer: int, dilated: bool = False
    ) -> None:
        super().__init__()
        self.height, self.dilated = height, dilated
        self.rebnconvin = ConvBNReLU(inner, outer)
        for level in range(1, height + 1):
            bottom = 2 if level == height else 1
            dilation = 2 ** (level - 1) if dilated else bottom
            convolution = ConvBNReLU(outer if level == 1 else mid, mid, dilation)
            self.add_module(f'rebnconv{level}', convolution)
        for level in range(height - 1, 0, -1):
            dilation = 2 ** (level - 1) if dilated else 1
            convolution = ConvBNReLU(2 * mid, outer if level == 1 else mid, dilation)
            self.add_module(f'rebnconv{level}d', convolution)

    def forward(self, x: Tensor) -> Tensor:
        """(N, inner, H, W) to (N, outer, H, W)."""
        start = self.rebnconvin(x)
        features, hidden = [], start
        for level in range(1, self.height):
            if level > 1 and not self.dilated:
                hidden = _halve(hidden)
            hidden = getattr(self, f'rebnconv{level}')(hidden)
            features.append(hidden)
        hidden = getattr(self, f'rebnconv{self.height}')(hidden)
        for level in range(self.height - 1, 0, -1):
            skip = features[level - 1]
            if hidden.shape[-2:] != skip.shape[-2:]:
                hidden = _enlarge(hidden, skip)
            hidden = getattr(self, f'rebnconv{level}d')(torch.cat((hidden, skip), 1))
        return hidden + start


class U2Net(nn.Module):
    """Six encoder stages, five decoder stages, a map of each decoder level and their fusion.

    Args:
        encoder: (mid, outer) channels of stages 1 to 6.
        decoder: (mid, outer) channels of stages 5d to 1d.
    """

    def __init__(self, encoder: list[tuple[int, int]], decoder: list[tuple[int, int]]) -> None:
        super().__init__()
        inner = 3
        for stage, (mid, outer) in enumerate(encoder, 1):
            self.add_module(f'stage{stage}', _block(stage, inner, mid, outer))
            inner = outer
        outers = [outer for _, outer in encoder]
        for stage, (mid, outer) in zip(range(5, 0, -1), decoder, strict=True):
            block = _block(stage, inner + outers[stage - 1], mid, outer)
            self.add_module(f'stage{stage}d', block)
            inner = outer
        sides = [outer for _, outer in reversed(decoder)] + [outers[-1]]
        for level, channels in enumerate(sides, 1):
            self.add_module(f'side{level}', nn.Conv2d(channels, 1, 3, padding=1))
        self.outconv = nn.Conv2d(6, 1, 1)

    def logits(self, x: Tensor) -> list[Tensor]:
        """The fused map and those of the six levels, each (N, 1, H, W), before the sigmoid.

        Args:
            x: Normalised photos, (N, 3, H, W).
        """
        features, hidden = [], x
        for stage in range(1, 7):
            hidden = getattr(self, f'stage{stage}')(hidden if stage == 1 else _halve(hidden))
            features.append(hidden)
        decoded = [hidden]
        for stage in range(5, 0, -1):
            skip = features[stage - 1]
            hidden = torch.cat((_enlarge(hidden, skip), skip), 1)
            hidden = getattr(self, f'stage{stage}d')(hidden)
            decoded.insert(0, hidden)
        maps = [getattr(self, f'side{level}')(each) for level, each in enumerate(decoded, 1)]
        maps = [maps[0], *(_enlarge(each, maps[0]) for each in maps[1:])]
        return [self.outconv(torch.cat(maps, 1)), *maps]

    def forward(self, x: Tensor) -> Tensor:
        """The fused saliency map, (N, 1, H, W), 0 to 1, of normalised photos (N, 3, H, W)."""
        return torch.sigmoid(self.logits(x)[0])


def _block(stage: int, inner: int, mid: int, outer: int) -> RSU:
    """RSU-7, -6, -5, -4 for stages 1 to 4, the dilated RSU-4F below."""
    return RSU(max(4, 8 - stage), inner, mid, outer, dilated=stage > 4)


def _halve(x: Tensor) -> Tensor:
    return functional.max_pool2d(x, 2, stride=2, ceil_mode=True)


def _enlarge(x: Tensor, like: Tensor) -> Tensor:
    return functional.interpolate(x, size=like.shape[-2:], mode='bilinear', align_corners=False)


def u2net() -> U2Net:
    """U2-Net: 44,009,869 parameters."""
    return U2Net(
        [(32, 64), (32, 128), (64, 256), (128, 512), (256, 512), (256, 512)],
        [(256, 512), (128, 256), (64, 128), (32, 64), (16, 64)],
    )


def u2netp() -> U2Net:
    """U2-NetP, the small one: 1,131,181 parameters."""
    return U2Net([(16, 64)] * 6, [(16, 64)] * 5)


class FusedLogits(nn.Module):
    """The network's fused map before the sigmoid, alone: what removing backgrounds needs.

    Args:
        network: A network of `load_onnx`, whose batch normalisations are the identity: they are
            taken out, so it cannot be trained any more.
    """

    def __init__(self, network: U2Net) -> None:
        super().__init__()
        for module in network.modules():
            if isinstance(module, ConvBNReLU):
                module.bn_s1 = nn.Identity()  # type: ignore[assignment]
        self.network = network

    def forward(self, photos: torch.Tensor) -> torch.Tensor:
        """Normalised photos (N, 3, H, W) to logits (N, 1, H, W)."""
        return self.network.logits(photos)[0]


def load_onnx(network: U2Net, content: bytes) -> None:
    """Load the weights of the ONNX file of the same network.

    Batch normalisation is folded into its convolutions there: the convolutions get the file's
    weights, and each batch normalisation becomes the identity.

    Args:
        network: The network, which is changed and put into evaluation mode.
        content: The file.

    Raises:
        ValueError: If the file is another network's.
    """
    import onnx
    from onnx import numpy_helper

    graph = onnx.load_model_from_string(content).graph
    weights = {each.name: numpy_helper.to_array(each) for each in graph.initializer}
    convolutions = [node for node in graph.node if node.op_type == 'Conv']
    found = [tuple(weights[name] for name in node.input[1:]) for node in convolutions]
    places = list(_convolutions(network))
    shapes = [tuple(place.weight.shape) for place, _ in places]
    if [each[0].shape for each in found] != shapes:
        msg = f'the file must hold {len(shapes)} convolutions of this network, but has {len(found)}'
        raise ValueError(msg)
    network.eval()
    with torch.no_grad():
        for (convolution, normalisation), (weight, bias) in zip(places, found, strict=True):
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
    """Convolutions in the order in which they are run, with what normalises them."""
    order: list[tuple[nn.Conv2d, nn.BatchNorm2d | None]] = []
    pairs: list[tuple[nn.Module, nn.Conv2d, nn.BatchNorm2d | None]] = [
        (module, module.conv_s1, module.bn_s1)
        for module in network.modules()
        if isinstance(module, ConvBNReLU)
    ]
    pairs += [(each, each, None) for each in network.children() if isinstance(each, nn.Conv2d)]
    handles = []
    for module, *pair in pairs:

        def note(*_: object, found: tuple = tuple(pair)) -> None:
            order.append(found)

        handles.append(module.register_forward_pre_hook(note))
    with torch.no_grad():
        network(torch.zeros(1, 3, 64, 64))
    for handle in handles:
        handle.remove()
    yield from order
