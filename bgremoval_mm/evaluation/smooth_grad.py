"""SmoothGrad: how much each pixel of an image matters for the output of a network.

Smilkov et al., "SmoothGrad: removing noise by adding noise", 2017, as Kobs and Hotho use it in "On
Background Bias in Deep Metric Learning", ICMV 2022.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from mmengine.model import is_model_wrapper

from bgremoval_mm.removal.errors import ArgumentError

__all__ = ['AttentionTarget', 'Score', 'SmoothGrad', 'evaluating', 'smooth_grad']

Score = Callable[[torch.Tensor], torch.Tensor]
"""A number for each of some images: (K, C, H, W) to (K,), with a gradient."""


@dataclass(frozen=True)
class SmoothGrad:
    """Settings of SmoothGrad; the defaults are those of Kobs and Hotho.

    Attributes:
        samples: Noisy copies of each image.
        noise: Standard deviation of the noise, as a share of the image's range.
        at_once: Copies that are computed together: fewer need less memory. The result is the same.

    Raises:
        ArgumentError: If a value is out of range.
    """

    samples: int = 25
    noise: float = 0.15
    at_once: int = 25

    def __post_init__(self) -> None:
        for name in ('samples', 'at_once'):
            value = getattr(self, name)
            if not isinstance(value, int) or value < 1:
                msg = f'`{name}` must be a whole number above 0, but got {value!r}'
                raise ArgumentError(msg)
        if not 0 <= self.noise < float('inf'):
            msg = f'`noise` must be a number from 0, but got {self.noise!r}'
            raise ArgumentError(msg)


def smooth_grad(
    images: torch.Tensor,
    scores: Sequence[Score],
    seeds: Sequence[int],
    settings: SmoothGrad | None = None,
) -> torch.Tensor:
    """Return how much a pixel matters for a score: ``sum_k |mean_c d score(x + n_k) / dx_c|``.

    The gradient of each noisy copy is averaged over the channels, then its absolute value is taken,
    then the copies are summed. n_k is normal noise with a standard deviation of ``noise`` times
    (greatest minus least value of the image). Neither parameters nor modes of a network change, and
    no gradient is stored in it.

    Args:
        images: Network input, float of shape (N, C, H, W).
        scores: What the saliency is of, one for each image.
        seeds: Of the noise, one for each image, so that an image has the same noise in any batch
            and on any device.
        settings: Number of copies and strength of the noise; None: the defaults.

    Returns:
        float of shape (N, H, W), 0 or more.

    Raises:
        ArgumentError: If the numbers of images, scores and seeds differ, a score is not one number
            for each copy, or it has no gradient.
    """
    if images.ndim != 4 or not images.is_floating_point():
        msg = (
            '`images` must be a float tensor of shape (N, C, H, W), but got '
            f'{images.dtype} of shape {tuple(images.shape)}'
        )
        raise ArgumentError(msg)
    if not len(images) == len(scores) == len(seeds):
        msg = (
            '`images`, `scores` and `seeds` must be as many, but got '
            f'{len(images)}, {len(scores)} and {len(seeds)}'
        )
        raise ArgumentError(msg)
    settings = settings or SmoothGrad()
    maps = [
        _smooth_grad_of_one(image, score, seed, settings)
        for image, score, seed in zip(images, scores, seeds, strict=True)
    ]
    return torch.stack(maps) if maps else images.new_zeros((0, *images.shape[2:]))


# captum's NoiseTunnel has one standard deviation for all images of a batch and draws from torch's
# global generator. Here each image has a deviation and a seed of its own.
def _smooth_grad_of_one(
    image: torch.Tensor, score: Score, seed: int, settings: SmoothGrad
) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    image = image.detach()
    deviation = settings.noise * (image.max() - image.min())
    total = torch.zeros_like(image[0])
    for start in range(0, settings.samples, settings.at_once):
        count = min(settings.at_once, settings.samples - start)
        # One by one: torch draws other numbers for ten copies than for twice five.
        noise = torch.stack([torch.randn(image.shape, generator=generator) for _ in range(count)])
        copies = image + deviation * noise.to(image)
        with torch.enable_grad():
            values = score(copies.requires_grad_())
            if values.shape != (count,) or not values.requires_grad:
                msg = (
                    'a score must be one number for each image, with a gradient, but got shape '
                    f'{tuple(values.shape)} for {count} images'
                    f'{"" if values.requires_grad else ", without a gradient"}'
                )
                raise ArgumentError(msg)
            (gradient,) = torch.autograd.grad(values.sum(), copies)
        total += gradient.mean(dim=1).abs().sum(dim=0)
    return total


class AttentionTarget:
    """The scores that a network's attention is computed for.

    - A network with embeddings (a head with a ``distance``, as EmbeddingHead): the distance between
      the embedding of the image and that of a black image, as the network's loss measures it: L2
      for contrastive and triplet losses, a similarity for most others.
    - A classifier: the logit of the class that it predicts for the image without noise; with one
      logit, as of BinaryClsHead, that one or its negative.

    Args:
        model: A model of mmpretrain, perhaps wrapped for several processes.

    Raises:
        ArgumentError: If it is no classifier of mmpretrain, or has no head.
    """

    def __init__(self, model: Any) -> None:
        while is_model_wrapper(model):
            model = model.module
        # By name, since mmpretrain need not be installed.
        is_classifier = any(
            kind.__name__ == 'BaseClassifier' and kind.__module__.startswith('mmpretrain.')
            for kind in type(model).__mro__
        )
        if not is_classifier or getattr(model, 'head', None) is None:
            got = f'{type(model).__name__}{" without a head" if is_classifier else ""}'
            msg = (
                'attention is computed for an ImageClassifier of mmpretrain with a head that gives '
                f'embeddings or classes, but got {got}'
            )
            raise ArgumentError(msg)
        self.model = model
        self.distance = getattr(model.head, 'distance', None)

    def scores(self, images: torch.Tensor, black: torch.Tensor) -> list[Score]:
        """Return the score of each image, as functions for `smooth_grad`.

        Args:
            images: Network input, float of shape (N, C, H, W).
            black: The black image through the same preprocessing, (1, C, H, W).

        Raises:
            ArgumentError: If the network gives anything but one vector for each image.
        """
        with torch.no_grad():
            if self.distance is not None:
                return [partial(self._distance_to, self._output(black))] * len(images)
            return [
                partial(self._logit, label) for label in self._output(images).argmax(dim=1).tolist()
            ]

    def _distance_to(self, reference: torch.Tensor, images: torch.Tensor) -> torch.Tensor:
        assert self.distance is not None
        distances: torch.Tensor = self.distance(self._output(images), reference)
        return distances[:, 0]

    def _logit(self, label: int, images: torch.Tensor) -> torch.Tensor:
        return self._output(images)[:, label]

    def _output(self, images: torch.Tensor) -> torch.Tensor:
        output: Any = self.model(images, mode='tensor')
        if self.distance is None and isinstance(output, torch.Tensor) and output.ndim == 1:
            output = torch.stack([-output, output], dim=1)
        if isinstance(output, torch.Tensor) and output.ndim == 2:
            return output
        shape = f' of shape {tuple(output.shape)}' if isinstance(output, torch.Tensor) else ''
        msg = (
            f'the head must give one vector for each image, but {type(self.model.head).__name__} '
            f'gives {type(output).__name__}{shape}'
        )
        raise ArgumentError(msg)


@contextmanager
def evaluating(model: torch.nn.Module) -> Iterator[None]:
    """Put a network into evaluation mode for a while; each module gets its own mode back."""
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        yield
    finally:
        for module, training in modes:
            module.training = training
