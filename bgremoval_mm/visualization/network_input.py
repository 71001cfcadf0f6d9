"""The pictures that a network gets: dataset, batches and data preprocessor of a config, undone."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from copy import deepcopy
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from mmengine.logging import MessageHub
from mmengine.registry import DATASETS, FUNCTIONS, MODELS

from bgremoval_mm.datasets import RembgConcatDataset
from bgremoval_mm.datasets.transforms.randomness import random_numbers_kept
from bgremoval_mm.datasets.unwrap import base_datasets, type_name
from bgremoval_mm.removal.errors import ArgumentError
from bgremoval_mm.visualization.browse import denormalise, label_text, seeded

__all__ = [
    'NetworkInput',
    'View',
    'build_part',
    'collate_function',
    'is_wrapped',
    'preprocessor_settings',
]


@dataclass(frozen=True)
class View:
    """One sample as the network gets it.

    Attributes:
        picture: uint8 array of shape (H, W, 3), RGB, padding included.
        label: Its annotation in words.
        path: Its file; empty if the data sample does not say.
        photo_size: (width, height) of the photo before the pipeline, in pixels; None if the data
            sample does not say.
    """

    picture: np.ndarray
    label: str
    path: str
    photo_size: tuple[int, int] | None


class NetworkInput:
    """What the network of a config gets from one of its loaders.

    Needs no model: dataset, collate function and data preprocessor are built as the Runner and
    the model build them. The config's default scope must have been set.

    Args:
        cfg: The config.
        subset: 'train', 'val' or 'test'. The data preprocessor augments batches in training only.

    Raises:
        OSError: If the data are not there.
        ValueError: If the config has no such loader, or something in it cannot be built.
    """

    def __init__(self, cfg: Config, subset: str) -> None:
        loader = cfg.get(f'{subset}_dataloader')
        if loader is None:
            there = [name for name in ('train', 'val', 'test') if cfg.get(f'{name}_dataloader')]
            msg = f'the config has no {subset}_dataloader; it has {", ".join(there) or "none"}'
            raise ArgumentError(msg)
        self.training = subset == 'train'
        self.batch_size = int(loader.get('batch_size') or 1)
        dataset = partial(DATASETS.build, deepcopy(loader.dataset))
        self.dataset = build_part(f'{subset}_dataloader.dataset', dataset)
        if hasattr(self.dataset, 'full_init'):
            self.dataset.full_init()
        bases = build_part(f'{subset}_dataloader.dataset', partial(base_datasets, self.dataset))
        self._removals = [
            step
            for base in bases
            for step in base.pipeline.transforms
            if hasattr(step, 'draw_removal')
        ]
        self.collate = collate_function(loader.get('collate_fn'))
        settings = preprocessor_settings(cfg)
        self.preprocessor = build_part('data_preprocessor', partial(MODELS.build, settings))

    def __len__(self) -> int:
        """Return the number of photos; of a RembgConcatDataset each counts once."""
        return len(self.dataset) // (2 if isinstance(self.dataset, RembgConcatDataset) else 1)

    def photos(self) -> Iterator[str]:
        """Yield the paths of all photos, as far as their datasets tell them."""
        for base in base_datasets(self.dataset):
            if hasattr(base, 'get_data_info'):
                for index in range(len(base)):
                    if path := base.get_data_info(index).get('img_path'):
                        yield str(path)

    def views(self, indices: Sequence[int], seed: int) -> list[View]:
        """Return some samples as the network gets them, in batches of the config's size.

        Args:
            indices: The samples. Of a RembgConcatDataset the removed ones are shown.
            seed: With the same seed and indices, all random numbers of the pipeline and of the
                data preprocessor are the same, whatever RemoveBackground does. (A transform with
                a generator of its own, such as Albumentations', is not reached.)

        Raises:
            OSError, ValueError, RuntimeError: As dataset, pipeline and data preprocessor
                report it, e.g. for a missing mask.
        """
        views = []
        for start in range(0, len(indices), self.batch_size):
            batch = indices[start : start + self.batch_size]
            samples = [self._sample(index, seed) for index in batch]
            with seeded(seed, 1, start), torch.no_grad():
                views += self._preprocess(samples)
        return views

    def _sample(self, index: int, seed: int) -> Any:
        """Return a sample through the pipeline.

        What becomes of its background is drawn beforehand: crop, flip and colours would differ
        between the two configs of a pair if one of them drew another number in between.
        """
        second_half = isinstance(self.dataset, RembgConcatDataset)
        with random_numbers_kept(self._removals):
            with seeded(seed, 2, index):
                for step in self._removals:
                    for draw in step._methods_with_randomness:
                        getattr(step, draw)()
            with seeded(seed, 0, index):
                return self.dataset[index + len(self) if second_half else index]

    def _preprocess(self, samples: list[Any]) -> list[View]:
        hub = MessageHub.get_current_instance()
        if hub.get_info('iter') is None:
            hub.update_info('iter', 0)  # mmdet's batch augmentations ask for it
        batch = self.preprocessor(self.collate(samples), self.training)
        inputs = batch.get('inputs') if isinstance(batch, dict) else None
        if not isinstance(inputs, torch.Tensor | list | tuple):
            msg = (
                f'{type(self.preprocessor).__name__} does not give one image a sample, so that '
                'there is nothing to show (only images of 3 or 1 channels are)'
            )
            raise ArgumentError(msg)
        annotations = batch.get('data_samples') or [None] * len(inputs)
        classes = (getattr(self.dataset, 'metainfo', None) or {}).get('classes')
        # The loaders give B, G, R: turned over once, by either of two options, it is R, G, B.
        turns = ('to_rgb', '_channel_conversion', 'channel_conversion')
        to_picture = partial(
            denormalise,
            mean=getattr(self.preprocessor, 'mean', None),
            std=getattr(self.preprocessor, 'std', None),
            rgb=any(getattr(self.preprocessor, name, False) for name in turns),
        )
        return [
            View(
                picture=to_picture(image),
                label=label_text(sample, classes),
                path=str(_field(sample, 'img_path') or ''),
                photo_size=_size(_field(sample, 'ori_shape')),
            )
            for image, sample in zip(inputs, annotations, strict=True)
        ]


def preprocessor_settings(cfg: Config) -> dict[str, Any]:
    """Return the data preprocessor's config, completed as the Runner and the model complete it."""
    model = cfg.get('model') or {}
    settings = dict(deepcopy(model.get('data_preprocessor') or cfg.get('data_preprocessor') or {}))
    if cfg.get('default_scope') == 'mmpretrain':
        settings.setdefault('type', 'ClsDataPreprocessor')
        if str(settings['type']).endswith('ClsDataPreprocessor'):
            # mmpretrain's ImageClassifier hands MixUp and CutMix on in this way.
            settings.setdefault('batch_augments', deepcopy(model.get('train_cfg')))
    settings.setdefault('type', 'BaseDataPreprocessor')
    return settings


def is_wrapped(cfg: Config, subset: str) -> bool:
    """Tell whether the dataset of a loader is a RembgDataset or RembgConcatDataset."""
    loader = cfg.get(f'{subset}_dataloader') or {}
    return type_name(loader.get('dataset') or {}) in ('RembgDataset', 'RembgConcatDataset')


def build_part(name: str, build: Callable[[], Any]) -> Any:
    """Build something from a config; what does not fit is the config's fault."""
    try:
        return build()
    except (KeyError, TypeError, AttributeError, AssertionError) as err:
        reason = err.args[0] if err.args else type(err).__name__
        msg = f'{name} cannot be built: {reason}'
        raise ArgumentError(msg) from err


def collate_function(settings: Any) -> Callable[[list[Any]], Any]:
    """Return the collate function of a loader, as the Runner finds it."""
    if settings is None or callable(settings):
        function: Callable[[list[Any]], Any] = settings or pseudo_collate
        return function
    options = dict(settings)
    kind = options.pop('type')
    return partial(FUNCTIONS.get(kind) if isinstance(kind, str) else kind, **options)


def _field(sample: Any, name: str) -> Any:
    return None if sample is None else sample.get(name)


def _size(shape: Any) -> tuple[int, int] | None:
    return None if shape is None else (int(shape[1]), int(shape[0]))
