"""BASNet's encoder: ResNet-34 that starts at full size, and two stages more."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from mmengine.model import BaseModule
from torch import Tensor, nn
from torchvision.models.resnet import BasicBlock, resnet34

from bgremoval_mm.models.basnet.layers import halve
from bgremoval_mm.removal.networks.u2net import ConvBNReLU

__all__ = ['BASNetEncoder']


class BASNetEncoder(BaseModule):
    """Six stages of 64, 128, 256, 512, 512 and 512 channels at strides 1, 2, 4, 8, 16 and 32.

    Section 3.2 of the paper: in place of ResNet-34's 7 x 7 convolution and pooling there is a 3 x 3
    convolution without stride. Stages 1 to 4 are ResNet-34's and have its names, so that ``init_cfg
    = dict(type='Pretrained', checkpoint='torchvision://resnet34')`` initialises these; stages 5 and
    6 are three basic blocks each, after maximum pooling.

    Args:
        init_cfg: Initialisation, as of any mmengine module.
    """

    def __init__(
        self, init_cfg: Mapping[str, Any] | Sequence[Mapping[str, Any]] | None = None
    ) -> None:
        super().__init__(init_cfg)
        self.stem = ConvBNReLU(3, 64)
        resnet = resnet34()
        for stage in range(1, 5):
            self.add_module(f'layer{stage}', resnet.get_submodule(f'layer{stage}'))
        for stage in (5, 6):
            blocks = nn.Sequential(*(BasicBlock(512, 512) for _ in range(3)))
            self.add_module(f'layer{stage}', blocks)

    def forward(self, x: Tensor) -> list[Tensor]:
        """Map (N, 3, H, W) to the features of the six stages."""
        features, hidden = [], self.stem(x)
        for stage in range(1, 7):
            hidden = self.get_submodule(f'layer{stage}')(halve(hidden) if stage > 4 else hidden)
            features.append(hidden)
        return features
