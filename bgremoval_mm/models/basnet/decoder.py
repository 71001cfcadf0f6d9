"""BASNet's bridge and decoder, with a map of each of their stages."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from bgremoval_mm.models.basnet.layers import enlarge
from bgremoval_mm.removal.networks.u2net import ConvBNReLU

__all__ = ['BASNetDecoder']

#: Channels of the three convolutions of stages 6 to 1, the last of which the next stage gets.
_STAGES = {
    6: (512, 512, 512),
    5: (512, 512, 512),
    4: (512, 512, 256),
    3: (256, 256, 128),
    2: (128, 128, 64),
    1: (64, 64, 64),
}
_DILATED = 6  # the stage whose convolutions reach twice as far, as the bridge's
_ENCODED = (64, 128, 256, 512, 512, 512)


class BASNetDecoder(nn.Module):
    """From the encoder's six stages to seven maps, those of the decoder's stages and the bridge's.

    Section 3.2 of the paper. The bridge is three convolutions of dilation 2. Each stage takes the
    enlarged features of the one before with those of the encoder's stage of its size through three
    convolutions.
    """

    def __init__(self) -> None:
        super().__init__()
        self.bridge = nn.Sequential(*(ConvBNReLU(512, 512, dilation=2) for _ in range(3)))
        self.side7 = nn.Conv2d(512, 1, 3, padding=1)
        inner = 512
        for stage, (first, second, last) in _STAGES.items():
            dilation = 2 if stage == _DILATED else 1
            convolutions = nn.Sequential(
                ConvBNReLU(inner + _ENCODED[stage - 1], first),
                ConvBNReLU(first, second, dilation),
                ConvBNReLU(second, last, dilation),
            )
            self.add_module(f'stage{stage}', convolutions)
            self.add_module(f'side{stage}', nn.Conv2d(last, 1, 3, padding=1))
            inner = last

    def forward(self, features: list[Tensor]) -> list[Tensor]:
        """Return the maps of stages 1 to 6 and of the bridge before the sigmoid.

        Args:
            features: Of the encoder's stages 1 to 6.

        Returns:
            Tensors of shape (N, 1, H, W), the size of stage 1.
        """
        hidden = self.bridge(features[-1])
        maps = [self.side7(hidden)]
        for stage in _STAGES:
            skip = features[stage - 1]
            both = torch.cat((enlarge(hidden, skip), skip), 1)
            hidden = self.get_submodule(f'stage{stage}')(both)
            maps.insert(0, self.get_submodule(f'side{stage}')(hidden))
        return [enlarge(each, features[0]) for each in maps]
