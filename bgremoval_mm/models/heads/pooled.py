"""PooledHead: what the heads on a pooled feature have in common."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from mmengine.model import BaseModule

__all__ = ['PooledHead']


class PooledHead(BaseModule):
    """Base of the heads that take a pooled feature, as mmpretrain's necks give it."""

    def pre_logits(self, feats: Sequence[torch.Tensor] | torch.Tensor) -> torch.Tensor:
        """Return the pooled feature of the last stage, (N, in_channels)."""
        return feats if isinstance(feats, torch.Tensor) else feats[-1]

    @staticmethod
    def samples_of(data_samples: Sequence[Any] | None, count: int) -> list[Any]:
        """Return the data samples that predictions are put into, one for each photo.

        Args:
            data_samples: Those that were given. None: new ones.
            count: How many photos there are.
        """
        if data_samples is not None:
            return list(data_samples)
        from mmpretrain.structures import DataSample

        return [DataSample() for _ in range(count)]
