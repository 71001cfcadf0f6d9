"""The parts of ``tools/browse_dataset.py`` that need no config: pairs, seeds, pixels, labels."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from inspect import signature
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.dataset import BaseDataset

from bgremoval_mm.datasets.formats.categories import IGNORED
from bgremoval_mm.datasets.transforms.remove_background import DEFAULTS
from bgremoval_mm.datasets.transforms.replace_background import OPTIONS
from bgremoval_mm.datasets.wrappers import RembgDataset
from bgremoval_mm.engine.pairs import baseline_name
from bgremoval_mm.removal.errors import ArgumentError

__all__ = [
    'choose',
    'class_name',
    'denormalise',
    'find_other_config',
    'label_text',
    'options_of_pair',
    'seeded',
]

_DATASET = re.compile(r'((?:train|val|test)_dataloader\.dataset)\.(\w+)(.*)')
_NAMED = 3
# What RembgDataset takes, but for what goes to the dataset inside.
_OF_REMOVAL = {*signature(RembgDataset).parameters, *DEFAULTS, *OPTIONS} - {
    *('dataset', 'removal'),
    *signature(BaseDataset).parameters,
}


def find_other_config(config: Path) -> Path | None:
    """Return the file of the pair's other config, beside the given one; None if there is none.

    ``X-rembg.py`` and ``X.py`` are a pair, wherever in the name the ``-rembg`` stands.
    """
    original = baseline_name(config.stem)
    if original is not None:
        other = config.with_name(original + config.suffix)
        return other if other.is_file() else None
    others = (
        path
        for path in config.parent.glob(f'*-rembg*{config.suffix}')
        if baseline_name(path.stem) == config.stem
    )
    return min(others, default=None)


def options_of_pair(
    options: Mapping[str, Any], wrapped: bool, other_wrapped: bool
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Translate ``--cfg-options``, written for one config of a pair, for each of the two.

    The dataset of a ``-rembg`` config is a RembgDataset around that of the original. So options for
    the inner dataset go one level deeper there, and options for the removal
    (``train_dataloader.dataset.mask_dir=...``) are for that config only.

    Args:
        options: Dotted key to value, for the given config.
        wrapped: Whether the given config has a RembgDataset (or RembgConcatDataset).
        other_wrapped: Whether the other one has.

    Returns:
        The options of the given config, and those of the other one.
    """
    if wrapped == other_wrapped:
        return dict(options), dict(options)
    mine, theirs = {}, {}
    for key, value in options.items():
        match = _DATASET.fullmatch(key)
        if match is None or match[2] == 'pipeline':
            mine[key] = theirs[key] = value
        elif wrapped:
            mine[key] = value
            if match[2] == 'dataset' and match[3]:
                theirs[match[1] + match[3]] = value
        elif match[2] in _OF_REMOVAL:
            theirs[key] = value
        else:
            mine[key] = value
            theirs[f'{match[1]}.dataset.{match[2]}{match[3]}'] = value
    return mine, theirs


@contextmanager
def seeded(*seed: int) -> Iterator[None]:
    """Seed Python's, numpy's and torch's generators for a while; then restore them.

    Args:
        *seed: Numbers, 0 or more, that together are the seed.
    """
    states = random.getstate(), np.random.get_state(), torch.get_rng_state()  # noqa: NPY002
    number = int(np.random.SeedSequence(seed).generate_state(1)[0])
    random.seed(number)
    np.random.seed(number)  # noqa: NPY002  # transforms draw from the global generator
    torch.manual_seed(number)
    try:
        yield
    finally:
        random.setstate(states[0])
        np.random.set_state(states[1])  # noqa: NPY002
        torch.set_rng_state(states[2])


def choose(length: int, number: int, start: int | None, seed: int) -> list[int]:
    """Choose the samples to show.

    Args:
        length: Number of samples in the dataset.
        number: How many to show; all if there are fewer.
        start: The first of consecutive ones; None samples at random.
        seed: The same seed draws the same samples.

    Returns:
        Indices, without repetition.

    Raises:
        ValueError: If `number` is less than 1, or `start` is no sample.
    """
    if number < 1:
        msg = f'`number` must be at least 1, but got {number}'
        raise ArgumentError(msg)
    if start is None:
        drawn = np.random.default_rng(seed).permutation(length)[:number]
        return [int(index) for index in drawn]
    if not 0 <= start < length:
        msg = f'`start` must be from 0 to {length - 1}, but got {start}'
        raise ArgumentError(msg)
    return list(range(start, min(start + number, length)))


def denormalise(
    image: torch.Tensor,
    mean: torch.Tensor | None = None,
    std: torch.Tensor | None = None,
    rgb: bool = True,
) -> np.ndarray:
    """Turn what a network gets back into a picture: ``image * std + mean``, rounded and clipped.

    Args:
        image: Tensor of shape (3, H, W) or (1, H, W).
        mean: What was subtracted, shape (C, 1, 1) in the image's channel order; None: nothing.
        std: What was divided by, of the same shape; None: nothing.
        rgb: Whether the channels are R, G, B; else they are B, G, R.

    Returns:
        uint8 array of shape (H, W, 3), RGB.

    Raises:
        ValueError: If the image has another shape.
    """
    if image.ndim != 3 or image.shape[0] not in (1, 3):
        msg = f'an image must have shape (3, H, W) or (1, H, W), but got {tuple(image.shape)}'
        raise ArgumentError(msg)
    levels = image.detach().float().cpu()
    if mean is not None and std is not None:
        levels = levels * std.cpu() + mean.cpu()
    levels = levels.round().clamp(0, 255).to(torch.uint8)
    if levels.shape[0] == 1:
        levels = levels.expand(3, -1, -1)
    elif not rgb:
        levels = levels.flip(0)
    return np.ascontiguousarray(levels.permute(1, 2, 0).numpy())


def label_text(sample: Any, classes: Sequence[str] | None) -> str:
    """Put the annotation of a sample into words; empty where there is none.

    Args:
        sample: Data sample of mmpretrain (``gt_label``, and ``gt_score`` after MixUp or CutMix),
            mmdet (``gt_instances``) or mmseg (``gt_sem_seg``).
        classes: Names of the classes; None leaves their numbers.
    """
    if sample is None:
        return ''
    if 'gt_sem_seg' in sample:
        numbers = np.unique(sample.gt_sem_seg.data.numpy())
        return _names((n for n in numbers if n != IGNORED), classes)
    if 'gt_instances' in sample and 'labels' in sample.gt_instances:
        labels = sample.gt_instances.labels.tolist()
        count = '1 object' if len(labels) == 1 else f'{len(labels)} objects'
        return ': '.join(filter(None, (count, _names(dict.fromkeys(labels), classes))))
    if 'gt_score' in sample:
        shares = sorted(((float(s), i) for i, s in enumerate(sample.gt_score)), reverse=True)
        # A share that rounds to 0.00 would be noise; several shares mean a mixture.
        shares = [(share, i) for share, i in shares if share >= 0.005]
        if shares and shares[0][0] < 0.995:
            return ' + '.join(
                f'{share:.2f} {class_name(i, classes)}' for share, i in shares[:_NAMED]
            )
    if 'gt_label' in sample:
        return _names(np.ravel(sample.gt_label.numpy()), classes)
    return ''


def _names(numbers: Any, classes: Sequence[str] | None) -> str:
    names = [class_name(int(number), classes) for number in numbers]
    more = f' and {len(names) - _NAMED} more' if len(names) > _NAMED else ''
    return ', '.join(names[:_NAMED]) + more


def class_name(number: int, classes: Sequence[str] | None) -> str:
    """Return the name of a class, or its number if it has none."""
    return classes[number] if classes and number < len(classes) else f'class {number}'
