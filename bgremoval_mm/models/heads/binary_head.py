"""BinaryClsHead: one output with a sigmoid, for classes 0 and 1."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

import torch
from mmengine.logging import print_log
from torch.nn import functional

from bgremoval_mm.models.heads.pooled import PooledHead
from bgremoval_mm.registry import MODELS
from bgremoval_mm.removal.errors import ArgumentError

__all__ = ['BinaryClsHead']


@MODELS.register_module(force=True)
class BinaryClsHead(PooledHead):
    """A linear layer to one logit; its sigmoid is the probability of class 1.

    For mmpretrain's ``ImageClassifier``. Predictions have the two probabilities as ``pred_score``,
    so that metrics for classes measure them; ``pred_label`` is 1 where the probability is
    `threshold` or more. Schindler et al. (arXiv 1811.04374) detect persons so, at 0.5.

    Metrics that read scores where there are any take the likelier class whatever `threshold` is, as
    at 0.5: so do all of mmpretrain's, inferencers and the audit. ClasswiseAccuracy reads labels. A
    warning says so where they differ.

    Args:
        in_channels: Channels of the pooled feature.
        threshold: Probability from which ``pred_label`` is 1, above 0 and below 1.
        init_cfg: Initialisation. None: Glorot's uniform one, as Keras's by default.

    Raises:
        ArgumentError: If `threshold` is out of its range, or in training, a label is not 0 or 1.
    """

    num_classes = 2

    def __init__(
        self,
        in_channels: int,
        threshold: float = 0.5,
        init_cfg: dict[str, Any] | None = None,
    ) -> None:
        if init_cfg is None:
            init_cfg = {'type': 'Xavier', 'layer': 'Linear', 'distribution': 'uniform'}
        super().__init__(init_cfg)
        if not 0 < threshold < 1:
            msg = f'`threshold` must be above 0 and below 1, but got {threshold}'
            raise ArgumentError(msg)
        if threshold != 0.5:
            msg = (
                f'BinaryClsHead: `threshold`={threshold} sets `pred_label` only. Metrics that read '
                "`pred_score`, as mmpretrain's do, take the likelier class, as at 0.5"
            )
            print_log(msg, 'current', logging.WARNING)
        self.threshold = threshold
        self.fc = torch.nn.Linear(in_channels, 1)

    def forward(self, feats: Sequence[torch.Tensor] | torch.Tensor) -> torch.Tensor:
        """Return the logits of class 1.

        Args:
            feats: Pooled feature, float of shape (N, in_channels), or a sequence that ends in it.

        Returns:
            Of shape (N,).
        """
        logits: torch.Tensor = self.fc(self.pre_logits(feats)).squeeze(1)
        return logits

    def loss(
        self, feats: Sequence[torch.Tensor] | torch.Tensor, data_samples: Sequence[Any]
    ) -> dict[str, torch.Tensor]:
        """Return the binary cross-entropy of a batch, as ``{'loss': scalar}``.

        Args:
            feats: As of :meth:`forward`.
            data_samples: One for each photo, with ``gt_label``: 0 or 1.
        """
        logits = self(feats)
        labels = torch.cat([sample.gt_label for sample in data_samples]).to(logits.device)
        if int(labels.min()) < 0 or int(labels.max()) > 1:
            msg = f'BinaryClsHead needs labels 0 and 1, but got {sorted(set(labels.tolist()))}'
            raise ArgumentError(msg)
        return {'loss': functional.binary_cross_entropy_with_logits(logits, labels.to(logits))}

    def predict(
        self,
        feats: Sequence[torch.Tensor] | torch.Tensor,
        data_samples: Sequence[Any] | None = None,
    ) -> list[Any]:
        """Return the data samples with ``pred_score``, of shape (2,), and ``pred_label``.

        Args:
            feats: As of :meth:`forward`.
            data_samples: One for each photo. None: new ones.
        """
        probabilities = self(feats).sigmoid()
        samples = self.samples_of(data_samples, len(probabilities))
        for sample, probability in zip(samples, probabilities, strict=True):
            sample.set_pred_score(torch.stack([1 - probability, probability]))
            sample.set_pred_label(int(probability >= self.threshold))
        return samples
