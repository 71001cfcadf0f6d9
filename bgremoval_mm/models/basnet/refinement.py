"""BASNet's refinement module: a small U-Net that corrects a coarse map."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from bgremoval_mm.models.basnet.layers import enlarge, halve
from bgremoval_mm.removal.networks.u2net import ConvBNReLU

__all__ = ['ResidualRefinement']

_CHANNELS, _DEPTH = 64, 4


class ResidualRefinement(nn.Module):
    """What is to be added to a map (section 3.3): four stages down, a bridge, four stages up."""

    def __init__(self) -> None:
        super().__init__()
        self.start = nn.Conv2d(1, _CHANNELS, 3, padding=1)
        self.encoder = nn.ModuleList(ConvBNReLU(_CHANNELS, _CHANNELS) for _ in range(_DEPTH))
        self.bridge = ConvBNReLU(_CHANNELS, _CHANNELS)
        self.decoder = nn.ModuleList(ConvBNReLU(2 * _CHANNELS, _CHANNELS) for _ in range(_DEPTH))
        self.residual = nn.Conv2d(_CHANNELS, 1, 3, padding=1)

    def forward(self, coarse: Tensor) -> Tensor:
        """Return the refined map, (N, 1, H, W), of a coarse one, both before the sigmoid."""
        features, hidden = [], self.start(coarse)
        for stage in self.encoder:
            features.append(stage(hidden))
            hidden = halve(features[-1])
        hidden = self.bridge(hidden)
        for stage, skip in zip(self.decoder, reversed(features), strict=True):
            hidden = stage(torch.cat((enlarge(hidden, skip), skip), 1))
        refined: Tensor = coarse + self.residual(hidden)
        return refined
