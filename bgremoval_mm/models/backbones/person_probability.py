"""PersonProbability: a backbone whose feature also has the probability of a person."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from mmengine.model import BaseModule
from torch import nn
from torch.nn import functional

from bgremoval_mm.registry import MODELS
from bgremoval_mm.removal.errors import ArgumentError

__all__ = ['PersonProbability']


@MODELS.register_module(force=True)
class PersonProbability(BaseModule):
    """A backbone, and a fixed classifier whose probability of class 1 is one more channel.

    The "person filter model as layer" of Schindler et al. (arXiv 1811.04374), who do not say how it
    is wired: here, the probability is appended to the pooled feature, so that the layer behind it
    can treat photos with and without a person differently. The detector is never trained: it stays
    in evaluation mode and gets no gradients.

    Both networks see the same normalised photos; those for the detector are resized (bilinear) to
    its ``in_size`` where it has one.

    Args:
        backbone: Config of the backbone; its last feature is pooled, if it has a height and width.
        detector: Config of an ``ImageClassifier`` with a ``BinaryClsHead``, with its weights in
            ``init_cfg=dict(type='Pretrained', checkpoint=...)``.
        leave_out: Name of the backbone's own last layer, if it has one that is to be left out, such
            as ``'fc'`` of mmpretrain's ``InceptionV3``.
        init_cfg: Initialisation, as of any mmengine module.

    Raises:
        ArgumentError: If the detector has no ``BinaryClsHead``, or the backbone no such layer.

    Examples:
        >>> backbone = dict(type='PersonProbability', backbone=dict(type='ResNet', depth=18),
        ...     detector=dict(type='ImageClassifier', backbone=dict(type='SmallCNN'),
        ...         head=dict(type='BinaryClsHead', in_channels=256),
        ...         init_cfg=dict(type='Pretrained', checkpoint='person.pth')))
        >>> head = dict(type='LinearClsHead', in_channels=512 + 1, num_classes=10)
    """

    def __init__(
        self,
        backbone: Mapping[str, Any],
        detector: Mapping[str, Any],
        leave_out: str | None = None,
        init_cfg: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(init_cfg)
        kind = detector.get('head', {}).get('type')
        if kind != 'BinaryClsHead':
            msg = f'`detector` must have a head of type BinaryClsHead, but got {kind!r}'
            raise ArgumentError(msg)
        self.backbone = MODELS.build(dict(backbone))
        if leave_out is not None:
            if not isinstance(getattr(self.backbone, leave_out, None), nn.Module):
                msg = f'`leave_out` must be a layer of the backbone, but got {leave_out!r}'
                raise ArgumentError(msg)
            setattr(self.backbone, leave_out, nn.Identity())
        self.detector = MODELS.build(dict(detector))
        self.detector.requires_grad_(requires_grad=False)
        self.detector.eval()

    def train(self, mode: bool = True) -> PersonProbability:
        """Set the backbone's mode; the detector's is always that of evaluation."""
        super().train(mode)
        self.detector.eval()
        return self

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor]:
        """Return the pooled feature with one more channel.

        Args:
            x: Photos, float of shape (N, 3, H, W).

        Returns:
            A tuple of one tensor of shape (N, C + 1); the last channel is the probability.
        """
        feats = self.backbone(x)
        feature = feats[-1] if isinstance(feats, tuple | list) else feats
        if feature.ndim == 4:
            feature = functional.adaptive_avg_pool2d(feature, 1).flatten(1)
        return (torch.cat([feature, self.probabilities(x)[:, None].to(feature)], dim=1),)

    @torch.no_grad()
    def probabilities(self, x: torch.Tensor) -> torch.Tensor:
        """Return the detector's probability of class 1 for each photo, of shape (N,)."""
        size = getattr(self.detector.backbone, 'in_size', None)
        if size is not None and x.shape[-2:] != (size, size):
            x = functional.interpolate(x, (size, size), mode='bilinear', align_corners=False)
        feats = self.detector.extract_feat(x)
        logits: torch.Tensor = self.detector.head(feats)
        return logits.sigmoid()
