"""SmallCNN: the two small networks of Schindler et al. (2017)."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from mmengine.model import BaseModule
from torch import nn

from bgremoval_mm.registry import MODELS
from bgremoval_mm.removal.errors import ArgumentError

__all__ = ['SmallCNN']


class _Arch(NamedTuple):
    """Channels of the 3 x 3 convolutions, units of the hidden layer, batch normalisation or not."""

    channels: tuple[int, ...]
    hidden: int
    norm: bool


ARCHS = {
    'vgg_like': _Arch((32, 64, 64), 256, norm=True),
    'custom': _Arch((32, 32, 64, 64), 512, norm=False),
}


@MODELS.register_module(force=True)
class SmallCNN(BaseModule):
    """A small network that is trained from scratch, with its hidden layer.

    Schindler et al., "Fashion and Apparel Classification using Convolutional Neural Networks"
    (arXiv 1811.04374). ``'vgg_like'`` is their person detector, and their "custom VGG-like"
    classifier: three stacks of a batch-normalised 3 x 3 convolution with 32, 64 and 64 filters, a
    fully connected layer of 256 units, and dropout of 0.5. ``'custom'``, their "custom CNN", is not
    described: four convolutions with 32, 32, 64 and 64 filters and 512 units, after Keras's example
    for CIFAR-10. Their order of layers and pooling is not stated either; here, each convolution is
    followed by batch normalisation (if any), ReLU and the maximum of 2 x 2 pixels.

    It is followed by a head that takes `hidden` channels without a neck, such as ``LinearClsHead``
    or ``BinaryClsHead``. At 224 pixels, ``'vgg_like'`` has 12.9 million parameters and ``'custom'``
    6.5; the work speaks of about 10.

    Args:
        arch: ``'vgg_like'`` or ``'custom'``.
        in_size: Height and width of the photos in pixels.
        hidden: Units of the hidden layer. None: those of `arch`.
        dropout: Probability of dropout after the hidden layer.
        init_cfg: Initialisation. None: Glorot's uniform one, as Keras's by default.

    Raises:
        ArgumentError: If there is no such `arch`, or `in_size` is too small for it.

    Examples:
        >>> model = dict(type='ImageClassifier', backbone=dict(type='SmallCNN', arch='vgg_like'),
        ...     head=dict(type='BinaryClsHead', in_channels=256))
    """

    def __init__(
        self,
        arch: str = 'vgg_like',
        in_size: int = 224,
        hidden: int | None = None,
        dropout: float = 0.5,
        init_cfg: dict[str, Any] | list[dict[str, Any]] | None = None,
    ) -> None:
        if init_cfg is None:
            init_cfg = {'type': 'Xavier', 'layer': ['Conv2d', 'Linear'], 'distribution': 'uniform'}
        super().__init__(init_cfg)
        if arch not in ARCHS:
            msg = f'`arch` must be one of {", ".join(map(repr, ARCHS))}, but got {arch!r}'
            raise ArgumentError(msg)
        channels, units, norm = ARCHS[arch]
        cells = in_size // 2 ** len(channels)
        if cells < 1:
            msg = f'`in_size` must be at least {2 ** len(channels)} for {arch!r}, but got {in_size}'
            raise ArgumentError(msg)
        self.in_size = in_size
        layers: list[nn.Module] = []
        for incoming, outgoing in zip((3, *channels), channels, strict=False):
            layers.append(nn.Conv2d(incoming, outgoing, 3, padding=1, bias=not norm))
            if norm:
                layers.append(nn.BatchNorm2d(outgoing))
            layers += [nn.ReLU(inplace=True), nn.MaxPool2d(2)]
        self.features = nn.Sequential(*layers)
        self.hidden = nn.Sequential(
            nn.Flatten(),
            nn.Linear(channels[-1] * cells**2, hidden or units),
            nn.ReLU(inplace=True),
            nn.Dropout(dropout),
        )

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor]:
        """Return the hidden layer.

        Args:
            x: Photos, float of shape (N, 3, in_size, in_size).

        Returns:
            A tuple of one tensor of shape (N, hidden).

        Raises:
            ArgumentError: If photos have another size.
        """
        if x.shape[-2:] != (self.in_size, self.in_size):
            height, width = x.shape[-2:]
            msg = (
                f'SmallCNN needs photos of `in_size`={self.in_size} pixels, but got {width} x '
                f'{height}'
            )
            raise ArgumentError(msg)
        return (self.hidden(self.features(x)),)
