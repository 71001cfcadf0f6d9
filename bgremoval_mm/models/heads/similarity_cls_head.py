"""SimilarityClsHead: categories by a feature relaxation module, similarity by the feature."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import nn
from torch.nn import functional

from bgremoval_mm.models.heads.embedding_head import build_loss
from bgremoval_mm.models.heads.pooled import PooledHead
from bgremoval_mm.registry import MODELS
from bgremoval_mm.removal.errors import ArgumentError
from bgremoval_mm.utils.messages import first_few

__all__ = ['TRIPLETS', 'SimilarityClsHead', 'numbered']

#: Whose photos a triplet's anchor and positive are, and the name of that loss.
TRIPLETS = {'category': 'loss_os', 'item': 'loss_is'}


@MODELS.register_module(force=True)
class SimilarityClsHead(PooledHead):
    """Two paths on a pooled feature, each with a loss: categories, and similarity of garments.

    Park et al., "Study on Fashion Image Retrieval Methods for Efficient Fashion Visual Search"
    (CVPR workshops 2019). The path of the categories is their *feature relaxation module*: a
    convolution, ReLU, dropout and a convolution to the categories, so that the feature itself need
    not separate them. The path of similarity has no layer: its triplet loss is on the L2-normalised
    feature, which is also what garments are searched by. The whole loss is

        alpha * CE + beta * [delta + |a - p|^2 - |a - n|^2]_+

    where CE is the cross-entropy of the categories (the work's *OC*, ``loss_oc``), and anchor *a*
    and positive *p* are photos of one category (*OS*, ``loss_os``) or of one item (*IS*,
    ``loss_is``), and the negative *n* is of another.

    The work prints a minus before the triplets, with which training would drive photos of a garment
    apart, and alpha = 0, which switches off the categories that all its results have. Both are
    taken for misprints; ``alpha=0, triplet_sign=-1`` is the loss as printed.

    It stands in an ``ImageClassifier`` after a neck that pools to (N, `in_channels`). Data samples
    need ``gt_label``, the category, and with triplets of items ``item_id``. Predictions have
    ``pred_score`` and ``pred_label``, for mmpretrain's ``Accuracy``, and ``embedding``, for
    ``QueryGalleryMetric``.

    With several processes, each forms the triplets of its own batch.

    Args:
        num_classes: Number of categories.
        in_channels: Channels of the pooled feature.
        triplets: Of what triplets are formed: none, ``'category'``, ``'item'``, or both, each with
            the weight `beta`.
        hidden_channels: Channels between the two convolutions, which are 1 x 1.
        dropout: Probability of dropout between them.
        alpha: Weight of the cross-entropy.
        beta: Weight of each triplet loss.
        delta: Margin of the triplets, in squared distance.
        triplet_sign: 1, or -1 as printed.
        per_anchor: Triplets per anchor, drawn at random, or ``'all'``; without effect on `miner`.
        miner: A miner of pytorch-metric-learning by ``type`` and arguments, such as
            ``dict(type='TripletMarginMiner', margin=0.3, type_of_triplets='semihard')``, which
            chooses the triplets in place of `per_anchor`.
        init_cfg: Initialisation, as of any mmengine module.

    Raises:
        ArgumentError: If an argument is not one of these.

    Examples:
        >>> head = dict(type='SimilarityClsHead', num_classes=23, in_channels=2048,
        ...             triplets=('item',))
    """

    def __init__(
        self,
        num_classes: int,
        in_channels: int,
        triplets: Sequence[str] = (),
        hidden_channels: int = 512,
        dropout: float = 0.5,
        alpha: float = 1.0,
        beta: float = 0.1,
        delta: float = 0.3,
        triplet_sign: int = 1,
        per_anchor: int | str = 1,
        miner: Mapping[str, Any] | None = None,
        init_cfg: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(init_cfg)
        names = (triplets,) if isinstance(triplets, str) else tuple(triplets)
        unknown = [name for name in names if name not in TRIPLETS]
        if unknown or len(set(names)) < len(names):
            msg = f'`triplets` must be of {", ".join(map(repr, TRIPLETS))}, but got {names!r}'
            raise ArgumentError(msg)
        if triplet_sign not in (1, -1):
            msg = f'`triplet_sign` must be 1 or -1, but got {triplet_sign!r}'
            raise ArgumentError(msg)
        if not (per_anchor == 'all' or (isinstance(per_anchor, int) and per_anchor > 0)):
            msg = f"`per_anchor` must be a number from 1 or 'all', but got {per_anchor!r}"
            raise ArgumentError(msg)
        self.num_classes, self.triplets = num_classes, names
        self.alpha, self.beta = alpha, beta * triplet_sign
        self.relaxation = nn.Sequential(
            nn.Conv2d(in_channels, hidden_channels, 1),
            nn.ReLU(inplace=True),
            nn.Dropout(dropout),
            nn.Conv2d(hidden_channels, num_classes, 1),
        )
        triplet = {
            'type': 'TripletMarginLoss',
            'margin': delta,
            'triplets_per_anchor': per_anchor,
            'distance': {'type': 'LpDistance', 'power': 2},  # of normalised features
            'reducer': {'type': 'MeanReducer'},
        }
        self.triplet_loss = build_loss(triplet, {}) if names else None
        self.miner = None if miner is None else build_loss(miner, {})

    def embeddings(self, feats: Sequence[torch.Tensor] | torch.Tensor) -> torch.Tensor:
        """Return what similarity is measured on: the feature, each row of L2 norm 1.

        Args:
            feats: As of :meth:`forward`.
        """
        # Half precision, which autocast may choose, is too coarse for distances.
        feature = self.pre_logits(feats).to(next(self.relaxation.parameters()).dtype)
        return functional.normalize(feature)

    def forward(self, feats: Sequence[torch.Tensor] | torch.Tensor) -> torch.Tensor:
        """Return the scores of the categories before softmax.

        Args:
            feats: Pooled feature, float of shape (N, in_channels), or a sequence that ends in it.

        Returns:
            Of shape (N, num_classes).
        """
        scores: torch.Tensor = self.relaxation(self.pre_logits(feats)[:, :, None, None])
        return scores.flatten(1)

    def loss(
        self, feats: Sequence[torch.Tensor] | torch.Tensor, data_samples: Sequence[Any]
    ) -> dict[str, torch.Tensor]:
        """Return the weighted losses of a batch: ``loss_oc``, and those of the triplets.

        Args:
            feats: As of :meth:`forward`.
            data_samples: One for each photo, with ``gt_label`` and perhaps ``item_id``.

        Raises:
            ArgumentError: If a category is not below `num_classes`, or a sample has no ``item_id``.
        """
        scores = self(feats)
        labels = torch.cat([sample.gt_label for sample in data_samples]).to(scores.device)
        if int(labels.max()) >= self.num_classes:
            msg = (
                f'`num_classes` of SimilarityClsHead must be above every category, but got '
                f'{self.num_classes} and the category {int(labels.max())}'
            )
            raise ArgumentError(msg)
        losses = {'loss_oc': self.alpha * functional.cross_entropy(scores, labels)}
        with torch.autocast(scores.device.type, enabled=False):
            embeddings = self.embeddings(feats)
            for name in self.triplets:
                group = labels if name == 'category' else numbered(data_samples).to(labels)
                losses[TRIPLETS[name]] = self.beta * self._triplets(embeddings, group)
        return losses

    def _triplets(self, embeddings: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        """Return the mean of the triplets' losses; 0 where there is no triplet."""
        assert self.triplet_loss is not None
        chosen = None if self.miner is None else self.miner(embeddings, labels)
        loss: torch.Tensor = self.triplet_loss(embeddings, labels, chosen)
        return loss

    def predict(
        self,
        feats: Sequence[torch.Tensor] | torch.Tensor,
        data_samples: Sequence[Any] | None = None,
    ) -> list[Any]:
        """Return the data samples with ``pred_score``, ``pred_label`` and ``embedding``.

        Args:
            feats: As of :meth:`forward`.
            data_samples: One for each photo. None: new ones.
        """
        scores, embeddings = self(feats).softmax(dim=1), self.embeddings(feats)
        samples = self.samples_of(data_samples, len(embeddings))
        for sample, score, embedding in zip(samples, scores, embeddings, strict=True):
            sample.set_pred_score(score).set_pred_label(score.argmax().detach())
            sample.set_field(embedding, 'embedding', dtype=torch.Tensor)
        return samples


def numbered(data_samples: Sequence[Any]) -> torch.Tensor:
    """Return a number for each photo of a batch, the same for photos of one item.

    Args:
        data_samples: With ``item_id``.

    Returns:
        int64 of shape (N,).

    Raises:
        ArgumentError: If a sample has none.
    """
    names = [sample.get('item_id') for sample in data_samples]
    without = [str(sample.get('img_path')) for sample in data_samples if 'item_id' not in sample]
    if without:
        msg = (
            'data samples must have `item_id` for triplets of items: PackInputs(algorithm_keys=('
            f"'item_id', 'role')) passes it on; {first_few(without)} have none"
        )
        raise ArgumentError(msg)
    numbers = {name: number for number, name in enumerate(dict.fromkeys(names))}
    return torch.tensor([numbers[name] for name in names])
