"""RembgConcatDataset: any dataset, followed by the same images with their background removed."""

from __future__ import annotations

from typing import Any

import numpy as np
from mmengine.dataset import ConcatDataset
from torch.utils.data import Dataset

from bgremoval_mm.datasets.assemble import (
    Pipeline,
    build_or_copy,
    composed,
    full_init,
    set_pipelines,
    set_test_mode,
)
from bgremoval_mm.datasets.pipeline import find_removals
from bgremoval_mm.datasets.unwrap import base_datasets
from bgremoval_mm.datasets.wrappers import RembgDataset
from bgremoval_mm.registry import DATASETS
from bgremoval_mm.removal.errors import ArgumentError

__all__ = ['RembgConcatDataset']


@DATASETS.register_module(force=True)
class RembgConcatDataset(ConcatDataset):
    """The originals, followed by the same images with their background removed.

    Sample ``i`` and sample ``i + n`` of ``2 n`` are the same photograph. It is a ConcatDataset of
    two, for samplers that tell sources apart.

    Args:
        dataset: Config of the dataset, or the dataset itself, which is not changed.
        mask_dir: See RembgDataset.
        pipeline: See RembgDataset.
        img_root: See RembgDataset.
        lazy_init: See RembgDataset.
        test_mode: See RembgDataset.
        **removal: See RembgDataset.

    Raises:
        TypeError, ValueError: See RembgDataset; also if the pipeline of the originals removes
            their background.
    """

    # What says the same of both halves. The rest of what they have depends on the index.
    _SHARED = frozenset((
        'METAINFO', 'ann_file', 'class_to_idx', 'data_prefix', 'data_root', 'filter_cfg',
        'img_prefix', 'img_suffix', 'seg_map_suffix', 'serialize_data',
    ))  # fmt: skip

    def __init__(
        self,
        dataset: dict[str, Any] | Dataset[Any],
        mask_dir: str | None = None,
        pipeline: Pipeline | None = None,
        img_root: str | None = None,
        lazy_init: bool = False,
        test_mode: bool | None = None,
        **removal: Any,
    ) -> None:
        if removal.get('exclude') is not None:
            msg = '`exclude` is not for RembgConcatDataset: its halves must hold the same images'
            raise ArgumentError(msg)
        original = build_or_copy(dataset, pipeline, lazy_init, test_mode)
        for base in base_datasets(original):
            _check_original(base.pipeline)
        # A copy shares the annotations once they are loaded; only its pipeline is new.
        if not lazy_init:
            full_init(original)
        removed = RembgDataset(original, mask_dir, None, img_root, lazy_init=lazy_init, **removal)
        self.datasets = [original, removed]
        self.ignore_keys: list[str] = []
        self._fully_initialized = False
        if not lazy_init:
            self.full_init()

    @property
    def dataset(self) -> Any:
        """The originals."""
        return self.datasets[0]

    @property
    def removed(self) -> RembgDataset:
        """The same images with their background removed."""
        removed: RembgDataset = self.datasets[1]
        return removed

    @property
    def pipeline(self) -> Any:
        """The pipeline of the originals. A new one is set for both halves."""
        return base_datasets(self.dataset)[0].pipeline

    @pipeline.setter
    def pipeline(self, pipeline: Pipeline) -> None:
        pipeline = composed(pipeline)
        _check_original(pipeline)
        self.removed.pipeline = pipeline
        set_pipelines(self.dataset, pipeline, lambda _: pipeline)

    @property
    def _metainfo(self) -> Any:
        return self.removed._metainfo

    @property
    def test_mode(self) -> bool:
        """See RembgDataset; of both halves."""
        return self.removed.test_mode

    @test_mode.setter
    def test_mode(self, test_mode: bool) -> None:
        set_test_mode(self.dataset, test_mode)
        self.removed.test_mode = test_mode

    @property
    def CLASSES(self) -> tuple[str, ...] | None:  # noqa: N802
        """Names of the classes, as mmpretrain's datasets give them."""
        return self.removed.CLASSES

    def get_cat_ids(self, idx: int) -> list[int]:
        """Return the categories of a sample."""
        half, inner = self._get_ori_dataset_idx(idx)
        categories: list[int] = self.datasets[half].get_cat_ids(inner)
        return categories

    def get_gt_labels(self) -> np.ndarray:
        """Return the labels of all samples, as mmpretrain's datasets give them."""
        self.full_init()
        return np.concatenate([each.get_gt_labels() for each in self.datasets])

    def prepare_data(self, idx: int) -> Any:
        """Return a sample, through the pipeline, without another one in its place if it fails."""
        half, inner = self._get_ori_dataset_idx(idx)
        return self.datasets[half].prepare_data(inner)

    def _get_ori_dataset_idx(self, idx: int) -> tuple[int, int]:
        self.full_init()
        total = len(self)
        if not -total <= idx < total:
            msg = f'`idx` must be from 0 to {total - 1}, but got {idx}'
            raise IndexError(msg)
        return divmod(idx % total, total // 2)

    def __getitem__(self, idx: int) -> Any:
        half, inner = self._get_ori_dataset_idx(idx)
        return self.datasets[half][inner]

    def __len__(self) -> int:
        self.full_init()
        return int(self.cumulative_sizes[-1])

    def __getattr__(self, name: str) -> Any:
        if 'datasets' in vars(self):
            if name == 'cumulative_sizes' and not self._fully_initialized:
                self.full_init()
                return self.cumulative_sizes
            if name in self._SHARED:
                return getattr(self.dataset, name)
        msg = f'{type(self).__name__!r} object has no attribute {name!r}'
        raise AttributeError(msg)


def _check_original(pipeline: Any) -> None:
    removal = next(find_removals(pipeline), None)
    if removal is not None:
        msg = (
            f'the pipeline of a RembgConcatDataset must hold no {type(removal).__name__}: it is '
            'that of the originals, and the background is removed from their copies'
        )
        raise ArgumentError(msg)
