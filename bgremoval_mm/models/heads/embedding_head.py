"""EmbeddingHead: L2-normalised embeddings, trained with any loss of pytorch-metric-learning."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from typing import Any

import torch
from pytorch_metric_learning import distances, losses, miners, reducers, regularizers
from torch.nn import functional

from bgremoval_mm.models.heads.pooled import PooledHead
from bgremoval_mm.registry import MODELS
from bgremoval_mm.removal.errors import ArgumentError

__all__ = ['EmbeddingHead', 'build_loss']

#: Where the parts that a loss is given by name are looked up.
_PARTS = (losses, distances, reducers, regularizers, miners)


@MODELS.register_module(force=True)
class EmbeddingHead(PooledHead):
    """A linear layer to an L2-normalised embedding, and a metric learning loss on it.

    For mmpretrain's ``ImageClassifier``, after a neck that pools to (N, `in_channels`). It has no
    classes to predict: predictions are data samples with the field ``embedding``, which
    ``RetrievalMetric`` measures.

    The loss is one of pytorch-metric-learning, by its name and arguments, as in its documentation;
    ``embedding_size`` and ``num_classes`` are filled in where it has such arguments. Distances,
    reducers and regularizers among the arguments are given by name too. Its own parameters
    (proxies of classes) belong to the model, as ``head.loss_module``, and so to its checkpoints;
    ``paramwise_cfg`` gives them their own learning rate.

    With several processes, each compares the photos of its own batch, as DistributedDataParallel
    does with losses in general: pairs are not formed across processes.

    Args:
        in_channels: Channels of the pooled feature.
        embedding_size: Length of the embedding.
        loss: ``type`` and arguments of the loss. None: for testing only.
        num_classes: Number of training classes, for losses with one proxy or more per class.
        init_cfg: Initialisation, as of any mmengine module. None: that of ``torch.nn.Linear``.

    Raises:
        ArgumentError: If there is no loss of that name, or it does not take the arguments.

    Examples:
        >>> head = dict(type='EmbeddingHead', in_channels=1024, num_classes=74,
        ...             loss=dict(type='ArcFaceLoss', margin=20.5, scale=49.5))  # degrees
        >>> optim_wrapper = dict(
        ...     optimizer=dict(type='RMSprop', lr=1e-6, weight_decay=1e-4, momentum=0.9),
        ...     paramwise_cfg=dict(custom_keys={'head.loss_module': dict(lr=7.4e-6)}))
    """

    def __init__(
        self,
        in_channels: int,
        embedding_size: int = 128,
        loss: Mapping[str, Any] | None = None,
        num_classes: int | None = None,
        init_cfg: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(init_cfg)
        self.num_classes = num_classes
        self.fc = torch.nn.Linear(in_channels, embedding_size)
        self.loss_module = None
        if loss is not None:
            sizes = {'embedding_size': embedding_size, 'num_classes': num_classes}
            self.loss_module = build_loss(loss, sizes)

    @property
    def distance(self) -> torch.nn.Module:
        """The distance, or similarity, that the loss compares embeddings by; without one, L2.

        Of a loss around another one, such as CrossBatchMemory, it is that of the inner one.
        """
        distance: torch.nn.Module = distances.LpDistance()
        loss: Any = self.loss_module
        while isinstance(loss, torch.nn.Module):
            found = getattr(loss, 'distance', None)
            if isinstance(found, torch.nn.Module):
                return found
            loss = getattr(loss, 'loss', None)
        return distance

    def forward(self, feats: Sequence[torch.Tensor] | torch.Tensor) -> torch.Tensor:
        """Return the embeddings.

        Args:
            feats: Pooled feature, float of shape (N, in_channels), or a sequence that ends in it.

        Returns:
            Of shape (N, embedding_size), each row of L2 norm 1.
        """
        embeddings = self.fc(self.pre_logits(feats))
        # Half precision, which autocast may choose, is too coarse for distances.
        return functional.normalize(embeddings.to(self.fc.weight.dtype))

    def loss(
        self, feats: Sequence[torch.Tensor] | torch.Tensor, data_samples: Sequence[Any]
    ) -> dict[str, torch.Tensor]:
        """Return the loss of a batch, as ``{'loss': scalar}``.

        Args:
            feats: As of :meth:`forward`.
            data_samples: One for each photo, with ``gt_label``: its class.

        Raises:
            ArgumentError: If the head has no loss, or a label is not below `num_classes`.
        """
        if self.loss_module is None:
            msg = '`loss` of EmbeddingHead must be given to train, but got None'
            raise ArgumentError(msg)
        embeddings = self(feats)
        labels = torch.cat([sample.gt_label for sample in data_samples]).to(embeddings.device)
        if self.num_classes is not None and int(labels.max()) >= self.num_classes:
            msg = (
                f'`num_classes` of EmbeddingHead must be above every label, but got '
                f'{self.num_classes} and the label {int(labels.max())}'
            )
            raise ArgumentError(msg)
        with torch.autocast(embeddings.device.type, enabled=False):
            return {'loss': self.loss_module(embeddings, labels)}

    def predict(
        self,
        feats: Sequence[torch.Tensor] | torch.Tensor,
        data_samples: Sequence[Any] | None = None,
    ) -> list[Any]:
        """Return the data samples with the field ``embedding``, float of shape (embedding_size,).

        Args:
            feats: As of :meth:`forward`.
            data_samples: One for each photo. None: new ones.
        """
        embeddings = self(feats)
        samples = self.samples_of(data_samples, len(embeddings))
        for sample, embedding in zip(samples, embeddings, strict=True):
            sample.set_field(embedding, 'embedding', dtype=torch.Tensor)
        return samples


def build_loss(config: Mapping[str, Any], sizes: Mapping[str, int | None]) -> torch.nn.Module:
    """Build a loss of pytorch-metric-learning, a part of one, or a miner.

    Args:
        config: ``type``, the name of a class, and its arguments; those with a ``type`` of their own
            are built first.
        sizes: ``embedding_size`` and ``num_classes``, for losses that take them and are not given
            them.

    Raises:
        ArgumentError: If there is no such class, or it does not take the arguments.
    """
    arguments = {
        key: build_loss(value, sizes) if isinstance(value, Mapping) and 'type' in value else value
        for key, value in config.items()
    }
    name = arguments.pop('type', None)
    known = {each for module in _PARTS for each in dir(module) if each[0].isupper()}
    if name not in known:
        near = get_close_matches(str(name), known, n=3, cutoff=0.4)
        msg = (
            f'`type` of a loss must be a class of pytorch-metric-learning, such as '
            f'{", ".join(near or ["ContrastiveLoss", "ArcFaceLoss"])}, but got {name!r}'
        )
        raise ArgumentError(msg)
    kind = next(getattr(module, name) for module in _PARTS if hasattr(module, name))
    # A derived loss passes what it does not name on to its base as **kwargs.
    taken = {key for base in kind.__mro__ for key in inspect.signature(base.__init__).parameters}
    for key, size in sizes.items():
        if key in taken and key not in arguments:
            if size is None:
                msg = f'{name} needs the number of training classes: give `num_classes` to its head'
                raise ArgumentError(msg)
            arguments[key] = size
    try:
        built: torch.nn.Module = kind(**arguments)
    except TypeError as err:
        msg = f'{name} of pytorch-metric-learning does not take {arguments}: {err}'
        raise ArgumentError(msg) from err
    return built
