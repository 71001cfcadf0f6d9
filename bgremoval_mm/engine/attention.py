"""The attention scores of a network on the photos of a test dataset."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch.nn import functional

from bgremoval_mm.datasets.foreground import check_masks, with_foreground_mask
from bgremoval_mm.datasets.transforms.mask_source import FG_MASK
from bgremoval_mm.evaluation.attention import attention_share, normalise_attention
from bgremoval_mm.evaluation.smooth_grad import AttentionTarget, SmoothGrad, evaluating, smooth_grad
from bgremoval_mm.removal.errors import ArgumentError
from bgremoval_mm.utils.sampling import evenly_spaced

__all__ = ['AttentionMeter', 'AttentionView', 'PhotoAttention', 'noise_seed', 'summarise']


@dataclass(frozen=True)
class PhotoAttention:
    """Where a network looks in one photo.

    Attributes:
        index: Of the photo in the dataset.
        file: Its path.
        label: Its class; None if it has none, or several.
        foreground: Share of the network input that is foreground, in [0, 1].
        attention: Share of the attention that is on it, in [0, 1]; NaN without attention.
        score: The attention score, at most 1; NaN where it is undefined.
    """

    index: int
    file: str
    label: int | None
    foreground: float
    attention: float
    score: float


@dataclass(frozen=True)
class AttentionView:
    """What the figures of one photo are computed from.

    Attributes:
        picture: Network input before normalisation, uint8 of shape (H, W, 3), RGB; black where
            it is padded.
        mask: Foreground mask in [0, 1], shape (H, W).
        attention: In [0, 1], shape (H, W).
    """

    picture: np.ndarray
    mask: np.ndarray
    attention: np.ndarray


class AttentionMeter:
    """Measures where a network looks, photo by photo.

    Args:
        model: A model of mmpretrain, on its device.
        dataset: Its test dataset, which is not changed.
        collate: Makes a batch of samples, as the test dataloader does.
        masks: What LoadForegroundMask takes, see ``with_foreground_mask``.
        training: Config of the training dataset, which may name a mask store; or None.
        settings: Of SmoothGrad.
        seed: Of the noise.

    Raises:
        ArgumentError: If the model gives neither embeddings nor classes, the dataset's pipeline
            cannot carry masks, or `seed` is negative.
    """

    def __init__(
        self,
        model: torch.nn.Module,
        dataset: Any,
        collate: Callable[[list[Any]], Any],
        masks: Mapping[str, Any],
        training: Any = None,
        settings: SmoothGrad | None = None,
        seed: int = 0,
    ) -> None:
        if not isinstance(seed, int) or seed < 0:
            msg = f'`seed` must be a whole number, 0 or more, but got {seed!r}'
            raise ArgumentError(msg)
        self.target = AttentionTarget(model)
        self.dataset = with_foreground_mask(dataset, masks, training)
        self.collate = collate
        self.settings = settings or SmoothGrad()
        self.seed = seed

    def choose(self, photos: int | None = None) -> list[int]:
        """Return the indices of photos, evenly spaced, whose masks are there.

        Args:
            photos: How many; None: all.

        Raises:
            FileNotFoundError: If a mask is missing and must not be computed.
        """
        total = len(self.dataset)
        chosen = evenly_spaced(range(total), total if photos is None else photos)
        check_masks(self.dataset, [self.path(index) for index in chosen])
        return chosen

    def check(self, index: int) -> None:
        """Run the network on one photo, so that what cannot be measured is known in advance.

        Raises:
            ArgumentError: If the network does not give one vector for the photo, or the data
                preprocessor not one image.
        """
        _, image, black, _ = self._load(index)
        with evaluating(self.target.model):
            self.target.scores(image, black)

    def path(self, index: int) -> str:
        """Return the file of a photo."""
        return str(self.dataset.get_data_info(index)['img_path'])

    def measure(self, index: int) -> PhotoAttention:
        """Measure one photo."""
        return self.show(index)[0]

    def show(self, index: int) -> tuple[PhotoAttention, AttentionView]:
        """Measure one photo, and return what was measured, too."""
        raw, image, black, sample = self._load(index)
        # A mask is padded by background where the preprocessor pads the photo.
        below, right = (image.shape[axis] - raw.shape[axis] for axis in (-2, -1))
        mask = np.pad(np.asarray(sample.get(FG_MASK)) / 255, ((0, below), (0, right)))
        with evaluating(self.target.model):
            scores = self.target.scores(image, black)
            seeds = [noise_seed(self.seed, index)]
            saliency = smooth_grad(image, scores, seeds, self.settings)[0]
        # B, G, R; or one channel, in grey.
        shown = raw.flip(0) if len(raw) == 3 else raw[:1].expand(3, -1, -1)
        shown = functional.pad(shown, (0, right, 0, below))
        view = AttentionView(
            shown.float().round().clamp(0, 255).byte().permute(1, 2, 0).cpu().numpy(),
            mask,
            normalise_attention(saliency.cpu().numpy()),
        )
        labels = sample.get('gt_label')
        label = int(labels) if labels is not None and labels.numel() == 1 else None
        share = attention_share(view.attention, view.mask)
        return PhotoAttention(index, self.path(index), label, *share), view

    def _load(self, index: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, Any]:
        """Return a photo as packed, as network input, a black one, and the data sample."""
        data = self.collate([self.dataset[index]])
        raw = data['inputs'][0]
        image, black = self._preprocess(data, raw), self._preprocess(data, torch.zeros_like(raw))
        return raw, image, black, data['data_samples'][0]

    def _preprocess(self, data: Mapping[str, Any], raw: torch.Tensor) -> torch.Tensor:
        """Return a network input of shape (1, C, H, W) from what the pipeline packs."""
        batch = self.target.model.data_preprocessor({**data, 'inputs': raw[None]}, False)
        inputs = batch['inputs']
        if (
            isinstance(inputs, torch.Tensor)
            and inputs.ndim == 4
            and inputs.shape[:2] == (1, len(raw))
            and inputs.shape[2] >= raw.shape[1]
            and inputs.shape[3] >= raw.shape[2]
        ):
            return inputs
        got = f' of shape {tuple(inputs.shape)}' if isinstance(inputs, torch.Tensor) else ''
        msg = (
            'the data preprocessor must give one image for each photo, perhaps padded, but '
            f'{type(self.target.model.data_preprocessor).__name__} gives '
            f'{type(inputs).__name__}{got}'
        )
        raise ArgumentError(msg)


def noise_seed(seed: int, index: int) -> int:
    """Return the seed of a photo's noise, mixed from that of the run and the photo's index."""
    return int(np.random.SeedSequence([seed, index]).generate_state(1)[0])


def summarise(scores: Sequence[float]) -> dict[str, float]:
    """Return figures of the scores of photos.

    Args:
        scores: NaN where undefined.

    Returns:
        ``score``, their mean, and ``std``, the sample standard deviation (n - 1), over those that
        are defined, NaN where too few are; ``undefined``, how many are not; ``photos``, of how
        many.
    """
    values = np.asarray(scores, np.float64)
    defined = values[~np.isnan(values)]
    return {
        'score': float(defined.mean()) if defined.size else float('nan'),
        'std': float(defined.std(ddof=1)) if defined.size > 1 else float('nan'),
        'undefined': int(values.size - defined.size),
        'photos': int(values.size),
    }
