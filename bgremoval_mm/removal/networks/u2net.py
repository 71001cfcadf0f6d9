"""U2-Net and U2-NetP in PyTorch, with the original's parameter names.

Qin et al., "U2-Net: Going Deeper with Nested U-Structure for Salient Object Detection", Pattern
Recognition 106, 2020; names as in github.com/xuebinqin/U-2-Net, whose checkpoints load. The weights
of an ONNX file are loaded by ``u2net_onnx``.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

__all__ = ['ConvBNReLU', 'U2Net', 'run_stages', 'u2net', 'u2netp']


class ConvBNReLU(nn.Module):
    """3 x 3 convolution, batch normalisation, ReLU; the size stays."""

    def __init__(self, inner: int, outer: int, dilation: int = 1) -> None:
        super().__init__()
        self.conv_s1 = nn.Conv2d(inner, outer, 3, padding=dilation, dilation=dilation)
        self.bn_s1 = nn.BatchNorm2d(outer)

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, inner, H, W) to (N, outer, H, W)."""
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
        """Map (N, inner, H, W) to (N, outer, H, W)."""
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
        outer: Tensor = hidden + start
        return outer


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
        """Return the maps before the sigmoid; see `run_stages`."""
        return run_stages(self, x)

    def forward(self, x: Tensor) -> Tensor:
        """Map normalised photos (N, 3, H, W) to their fused saliency, (N, 1, H, W), 0 to 1."""
        return torch.sigmoid(self.logits(x)[0])


def run_stages(module: nn.Module, x: Tensor) -> list[Tensor]:
    """Return the fused map and those of the six levels, each (N, 1, H, W), before the sigmoid.

    Args:
        module: A `U2Net`, or another module with all its children.
        x: Normalised photos, (N, 3, H, W).
    """
    features, hidden = [], x
    for stage in range(1, 7):
        hidden = getattr(module, f'stage{stage}')(hidden if stage == 1 else _halve(hidden))
        features.append(hidden)
    decoded = [hidden]
    for stage in range(5, 0, -1):
        skip = features[stage - 1]
        hidden = torch.cat((_enlarge(hidden, skip), skip), 1)
        hidden = getattr(module, f'stage{stage}d')(hidden)
        decoded.insert(0, hidden)
    maps = [getattr(module, f'side{level}')(each) for level, each in enumerate(decoded, 1)]
    maps = [maps[0], *(_enlarge(each, maps[0]) for each in maps[1:])]
    return [module.get_submodule('outconv')(torch.cat(maps, 1)), *maps]


def _block(stage: int, inner: int, mid: int, outer: int) -> RSU:
    """Make RSU-7, -6, -5, -4 for stages 1 to 4, the dilated RSU-4F below."""
    return RSU(max(4, 8 - stage), inner, mid, outer, dilated=stage > 4)


def _halve(x: Tensor) -> Tensor:
    return functional.max_pool2d(x, 2, stride=2, ceil_mode=True)


def _enlarge(x: Tensor, like: Tensor) -> Tensor:
    return functional.interpolate(x, size=like.shape[-2:], mode='bilinear', align_corners=False)


def u2net() -> U2Net:
    """Make U2-Net: 44,009,869 parameters, at random."""
    return U2Net(
        [(32, 64), (32, 128), (64, 256), (128, 512), (256, 512), (256, 512)],
        [(256, 512), (128, 256), (64, 128), (32, 64), (16, 64)],
    )


def u2netp() -> U2Net:
    """Make U2-NetP, the small one: 1,131,181 parameters, at random."""
    return U2Net([(16, 64)] * 6, [(16, 64)] * 5)


def __getattr__(name: str) -> Any:
    """Hand out `load_onnx`, which was documented as this module's before it had its own."""
    if name != 'load_onnx':
        msg = f'module {__name__!r} has no attribute {name!r}'
        raise AttributeError(msg)
    from bgremoval_mm.removal.networks.u2net_onnx import load_onnx

    return load_onnx
