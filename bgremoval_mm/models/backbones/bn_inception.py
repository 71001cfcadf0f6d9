"""BNInception: Inception with batch normalisation, as converted from Caffe."""

from __future__ import annotations

from typing import Any

import torch
from mmengine.model import BaseModule
from torch import nn
from torch.nn import functional

from bgremoval_mm.registry import MODELS

__all__ = ['BNInception']

#: Of each block, from the first: its channels as it lists them. 1x1; reduction and 3x3; reduction
#: and both of the double 3x3; projection after pooling. Without 1x1 and projection (0), the block
#: halves height and width.
BLOCKS = {
    '3a': (64, 64, 64, 64, 96, 32),
    '3b': (64, 64, 96, 64, 96, 64),
    '3c': (0, 128, 160, 64, 96, 0),
    '4a': (224, 64, 96, 96, 128, 128),
    '4b': (192, 96, 128, 96, 128, 128),
    '4c': (160, 128, 160, 128, 160, 128),
    '4d': (96, 128, 192, 160, 192, 128),
    '4e': (0, 128, 192, 192, 256, 0),
    '5a': (352, 192, 320, 160, 224, 128),
    '5b': (352, 192, 320, 192, 224, 128),
}


@MODELS.register_module(force=True)
class BNInception(BaseModule):
    """The network of Ioffe and Szegedy, "Batch Normalization" (2015): 1,024 channels at stride 32.

    The backbone of the literature on metric learning, in the variant that pretrainedmodels 0.7.4
    has as ``bninception``: its checkpoints are loaded as they are, by ``init_cfg``; their
    classifier, ``last_linear``, is not used. They were trained in Caffe, on BGR from 0 to 255 with
    the mean subtracted: ``dict(type='ClsDataPreprocessor', mean=[104, 117, 128], std=[1, 1, 1],
    to_rgb=False)`` does that to what ``LoadImageFromFile`` gives.

    Args:
        init_cfg: Initialisation, as of any mmengine module.

    Examples:
        >>> backbone = dict(type='BNInception', init_cfg=dict(
        ...     type='Pretrained', checkpoint='bn_inception-52deb4733.pth'))
    """

    def __init__(self, init_cfg: dict[str, Any] | None = None) -> None:
        super().__init__(init_cfg)
        self._add('conv1_7x7_s2', 3, 64, 7, stride=2)
        self._add('conv2_3x3_reduce', 64, 64, 1)
        self._add('conv2_3x3', 64, 192, 3)
        channels = 192
        for name, (single, reduce, plain, double_reduce, double, projected) in BLOCKS.items():
            block, stride = f'inception_{name}', 1 if single else 2
            if single:
                self._add(f'{block}_1x1', channels, single, 1)
                self._add(f'{block}_pool_proj', channels, projected, 1)
            self._add(f'{block}_3x3_reduce', channels, reduce, 1)
            self._add(f'{block}_3x3', reduce, plain, 3, stride)
            self._add(f'{block}_double_3x3_reduce', channels, double_reduce, 1)
            self._add(f'{block}_double_3x3_1', double_reduce, double, 3)
            self._add(f'{block}_double_3x3_2', double, double, 3, stride)
            channels = single + plain + double + (projected or channels)

    def _add(self, name: str, incoming: int, outgoing: int, size: int, stride: int = 1) -> None:
        """Add a convolution and its batch normalisation, under the names of the checkpoints."""
        convolution = nn.Conv2d(incoming, outgoing, size, stride, padding=size // 2)
        self.add_module(name, convolution)
        self.add_module(f'{name}_bn', nn.BatchNorm2d(outgoing))

    def _run(self, name: str, x: torch.Tensor) -> torch.Tensor:
        convolution, norm = self.get_submodule(name), self.get_submodule(f'{name}_bn')
        return functional.relu(norm(convolution(x)), inplace=True)

    def _block(self, name: str, x: torch.Tensor) -> torch.Tensor:
        """Return the parts of an Inception block, side by side in the channels."""
        block = f'inception_{name}'
        plain = self._run(f'{block}_3x3', self._run(f'{block}_3x3_reduce', x))
        double = self._run(f'{block}_double_3x3_reduce', x)
        double = self._run(f'{block}_double_3x3_1', double)
        double = self._run(f'{block}_double_3x3_2', double)
        if not BLOCKS[name][0]:
            return torch.cat([plain, double, _halve(x)], dim=1)
        if name == '5b':
            pooled = functional.max_pool2d(x, 3, stride=1, padding=1)
        else:
            pooled = functional.avg_pool2d(x, 3, stride=1, padding=1)
        projected = self._run(f'{block}_pool_proj', pooled)
        return torch.cat([self._run(f'{block}_1x1', x), plain, double, projected], dim=1)

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor]:
        """Return the feature of the last block.

        Args:
            x: Photos, float of shape (N, 3, H, W), BGR without the mean, H and W from 32.

        Returns:
            A tuple of one tensor of shape (N, 1024, about H / 32, about W / 32).
        """
        x = _halve(self._run('conv1_7x7_s2', x))
        x = _halve(self._run('conv2_3x3', self._run('conv2_3x3_reduce', x)))
        for name in BLOCKS:
            x = self._block(name, x)
        return (x,)


def _halve(x: torch.Tensor) -> torch.Tensor:
    """Return the maxima of 3 x 3 pixels at stride 2; as in Caffe, the last ones may hang over."""
    return functional.max_pool2d(x, 3, stride=2, ceil_mode=True)
