"""Data sets with their background removed, whatever data set it is."""

from __future__ import annotations

import copy
import inspect
import logging
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NoReturn

from mmengine.dataset import Compose
from mmengine.logging import print_log
from torch.utils.data import Dataset

from bgremoval_mm.datasets.removed_images import LoadImageFromRemoved, RemovedImages
from bgremoval_mm.datasets.transforms import RemoveBackground
from bgremoval_mm.registry import DATASETS

# What a wrapper hands on to RemoveBackground.
_REMOVAL_ARGUMENTS = frozenset(inspect.signature(RemoveBackground).parameters)


class RembgPipeline(Compose):
    """A pipeline that removes the background right after loading the image.

    An image that cannot be read makes a loader with ``ignore_empty=True`` return None, and
    then the data set silently takes another sample. Here the path is logged and counted.

    Args:
        transforms: Transforms or their configs, the image loader among them.
        removal: The RemoveBackground to put behind the loader, unless one is there; or the
            RemovedImages that the loader is to load instead.

    Raises:
        ValueError: If there is no image loader among the transforms.
    """

    def __init__(
        self, transforms: Sequence[dict | Callable], removal: RemoveBackground | RemovedImages
    ) -> None:
        super().__init__(transforms)
        loaders = [i for i, t in enumerate(self.transforms) if is_image_loader(t)]
        if not loaders:
            names = [type(t).__name__ for t in self.transforms]
            msg = (
                'the pipeline must hold an image loader (a transform whose name begins with '
                f'LoadImage), behind which the background is removed, but got {names}'
            )
            raise ValueError(msg)
        self.removal = removal
        removing = any(isinstance(t, RemoveBackground) for t in self.transforms)
        if isinstance(removal, RemovedImages):
            if removing:
                msg = (
                    'the pipeline must hold no RemoveBackground where `image_dir` is given: the '
                    'background is removed already'
                )
                raise ValueError(msg)
            loader = self.transforms[loaders[-1]]
            if isinstance(loader, LoadImageFromRemoved):
                loader = loader.loader
            self.transforms[loaders[-1]] = LoadImageFromRemoved(loader, removal)
        elif not removing:
            self.transforms.insert(loaders[-1] + 1, removal)
        self.unreadable = 0

    def __call__(self, data: dict[str, Any]) -> dict[str, Any] | None:
        """Apply the transforms; None if one of them gave the sample up."""
        path = data.get('img_path')
        results: dict[str, Any] | None = data
        for transform in self.transforms:
            try:
                results = transform(results)
            except Exception as err:
                # Not every loader names the file in its error.
                err.add_note(f'while {type(transform).__name__} was at work on {path}')
                raise
            if results is None:
                if is_image_loader(transform):
                    self._report(path)
                return None
        return results

    def _report(self, path: str | None) -> None:
        self.unreadable += 1
        print_log(
            f'{path} cannot be read; the data set puts another sample in its place '
            f'({self.unreadable} so far in this process)',
            'current',
            logging.WARNING,
        )


class _Wrapper(Dataset, ABC):
    """What samplers, loops, hooks and tools call on a data set, handed to the wrapped one.

    No BaseDataset, on purpose: its class says that a wrapper should not be one, because
    ``get_subset`` would then mean two things.
    """

    dataset: Any
    _fully_initialized = False

    @abstractmethod
    def _locate(self, idx: int) -> tuple[Any, int]:
        """The wrapped data set that a sample comes from, and its index there."""

    @property
    def metainfo(self) -> dict:
        """A copy of the wrapped data set's meta information, always up to date."""
        return copy.deepcopy(self.dataset.metainfo)

    @property
    def test_mode(self) -> bool:
        """Whether the wrapped data set is in test mode."""
        return bool(getattr(self.dataset, 'test_mode', False))

    @property
    def CLASSES(self) -> tuple[str, ...] | None:  # noqa: N802
        """Names of the classes, as mmpretrain's data sets give them."""
        return self.metainfo.get('classes')

    def full_init(self) -> None:
        """Load the annotations, if that was put off."""
        if not self._fully_initialized:
            self.dataset.full_init()
            self._fully_initialized = True

    def get_data_info(self, idx: int) -> dict:
        """Annotation of a sample."""
        self.full_init()
        dataset, inner = self._locate(idx)
        return dataset.get_data_info(inner)

    def get_cat_ids(self, idx: int) -> list[int]:
        """Categories of a sample."""
        self.full_init()
        dataset, inner = self._locate(idx)
        return dataset.get_cat_ids(inner)

    def __getitem__(self, idx: int) -> Any:
        """A sample, through the pipeline. Retries are the wrapped data set's own."""
        self.full_init()
        dataset, inner = self._locate(idx)
        return dataset[inner]

    def get_subset_(self, indices: Any) -> NoReturn:
        """Not supported, as for mmengine's wrappers."""
        msg = f'{type(self).__name__} has no subsets; take the subset of the wrapped data set'
        raise NotImplementedError(msg)

    def get_subset(self, indices: Any) -> NoReturn:
        """Not supported, as for mmengine's wrappers."""
        self.get_subset_(indices)


@DATASETS.register_module(force=True)
class RembgDataset(_Wrapper):
    """Any data set of mmpretrain, mmdet, mmsegmentation or mmengine, background removed.

    Puts a RemoveBackground behind the image loader of the wrapped data set's pipeline;
    everything else is the wrapped data set's own: annotations, filtering, retries, test
    mode. Wrappers (ConcatDataset, RepeatDataset, ClassBalancedDataset...) may stand inside
    as well as outside.

    Args:
        dataset: Config of the data set, or the data set itself, which is not changed.
        mask_dir: Root of a MaskStore: the DST of ``tools/remove_background.py``.
        image_dir: Instead, the DST of a run with ``--output rgb``: the removed images are loaded
            from there, at the speed of the originals. What RemoveBackground takes was fixed then.
        pipeline: Pipeline in place of the wrapped data set's. Give it here in configs, so
            that tools which look for ``test_dataloader.dataset.pipeline`` find it.
        img_root: The SRC of ``tools/remove_background.py``. Default: the wrapped data set's
            `data_root`.
        lazy_init: Put off loading the annotations.
        **removal: What RemoveBackground takes: model, fill, threshold, prob, on_missing...

    Raises:
        TypeError: If `dataset` is no data set, or an argument is unknown.
        ValueError: If the pipeline holds no image loader, or `img_root` is needed.

    Examples:
        >>> train_dataloader = dict(
        ...     dataset=dict(
        ...         type='RembgDataset',
        ...         mask_dir='data/masks/clothing10',
        ...         dataset=dict(type='CustomDataset', data_root='data/clothing10', ...),
        ...         pipeline=train_pipeline))
    """

    def __init__(
        self,
        dataset: dict | Dataset,
        mask_dir: str | None = None,
        pipeline: Sequence[dict | Callable] | None = None,
        img_root: str | None = None,
        lazy_init: bool = False,
        image_dir: str | None = None,
        **removal: Any,
    ) -> None:
        unknown = sorted(set(removal) - _REMOVAL_ARGUMENTS)
        if unknown:
            msg = (
                f'{type(self).__name__} got unknown arguments {unknown}; besides its own it '
                f'takes those of RemoveBackground: {", ".join(sorted(_REMOVAL_ARGUMENTS))}'
            )
            raise TypeError(msg)
        if image_dir is not None and (removal or mask_dir is not None):
            given = sorted([*removal, *(['mask_dir'] if mask_dir is not None else [])])
            msg = f'with `image_dir`, whose images are removed already, `{given[0]}` has no effect'
            raise ValueError(msg)
        self.dataset = _build(dataset, pipeline, lazy_init)
        self._removal = dict(removal, mask_dir=mask_dir)
        self._image_dir = image_dir
        for leaf in leaves(self.dataset):
            leaf.pipeline = self._with_removal(leaf, leaf.pipeline, img_root)
        if not lazy_init:
            self.full_init()

    @property
    def pipeline(self) -> RembgPipeline:
        """The pipeline, background removal included. A new one gets it put in."""
        return next(leaves(self.dataset)).pipeline

    @pipeline.setter
    def pipeline(self, pipeline: Compose | Sequence[dict | Callable]) -> None:
        for leaf in leaves(self.dataset):
            leaf.pipeline = RembgPipeline(_transforms(pipeline), leaf.pipeline.removal)

    def get_gt_labels(self) -> Any:
        """Labels of all samples, as mmpretrain's data sets give them."""
        self.full_init()
        return self.dataset.get_gt_labels()

    def __len__(self) -> int:
        self.full_init()
        return len(self.dataset)

    def _locate(self, idx: int) -> tuple[Any, int]:
        return self.dataset, idx

    def _with_removal(self, leaf: Any, pipeline: Compose, img_root: str | None) -> RembgPipeline:
        root = img_root
        folder = 'mask_dir' if self._image_dir is None else 'image_dir'
        if (self._image_dir or self._removal['mask_dir']) is not None and root is None:
            root = getattr(leaf, 'data_root', None) or None
            if root is None:
                msg = (
                    f'`img_root` must be given with `{folder}`, because the {type(leaf).__name__} '
                    'has no `data_root`: the folder of images that was SRC of '
                    'tools/remove_background.py'
                )
                raise ValueError(msg)
        if self._image_dir is not None and root is not None:
            return RembgPipeline(_transforms(pipeline), RemovedImages(self._image_dir, root))
        return RembgPipeline(
            _transforms(pipeline), RemoveBackground(img_root=root, **self._removal)
        )

    def __repr__(self) -> str:
        removal = self._removal if self._image_dir is None else f'image_dir={self._image_dir!r}'
        return f'{type(self).__name__}({self.dataset!r}, {removal})'


@DATASETS.register_module(force=True)
class RembgConcatDataset(_Wrapper):
    """The originals, followed by the same images with their background removed.

    Sample ``i`` and sample ``i + n`` of ``2 n`` are the same photograph.

    Args:
        dataset: Config of the data set, or the data set itself, which is not changed.
        mask_dir: See RembgDataset.
        pipeline: See RembgDataset.
        img_root: See RembgDataset.
        lazy_init: See RembgDataset.
        **removal: See RembgDataset.
    """

    def __init__(
        self,
        dataset: dict | Dataset,
        mask_dir: str | None = None,
        pipeline: Sequence[dict | Callable] | None = None,
        img_root: str | None = None,
        lazy_init: bool = False,
        **removal: Any,
    ) -> None:
        self.dataset = _build(dataset, pipeline, lazy_init)
        # A copy shares the annotations once they are loaded; only its pipeline is new.
        if not lazy_init:
            self.dataset.full_init()
        self.removed = RembgDataset(
            self.dataset, mask_dir, None, img_root, lazy_init=lazy_init, **removal
        )
        self._fully_initialized = not lazy_init

    @property
    def datasets(self) -> list[Any]:
        """The originals and their removed twins."""
        return [self.dataset, self.removed]

    @property
    def pipeline(self) -> Compose:
        """The pipeline of the originals. A new one is set for both halves."""
        return next(leaves(self.dataset)).pipeline

    @pipeline.setter
    def pipeline(self, pipeline: Compose | Sequence[dict | Callable]) -> None:
        for leaf in leaves(self.dataset):
            leaf.pipeline = Compose(_transforms(pipeline))
        self.removed.pipeline = pipeline

    def full_init(self) -> None:
        """Load the annotations, if that was put off."""
        super().full_init()
        self.removed.full_init()

    def get_gt_labels(self) -> Any:
        """Labels of all samples, as mmpretrain's data sets give them."""
        import numpy as np

        self.full_init()
        return np.concatenate([each.get_gt_labels() for each in self.datasets])

    def __len__(self) -> int:
        self.full_init()
        return 2 * len(self.dataset)

    def _locate(self, idx: int) -> tuple[Any, int]:
        count = len(self.dataset)
        if not -2 * count <= idx < 2 * count:
            msg = f'`idx` must be from 0 to {2 * count - 1}, but got {idx}'
            raise IndexError(msg)
        half, inner = divmod(idx % (2 * count), count)
        return self.datasets[half], inner


def _build(
    dataset: dict | Dataset, pipeline: Sequence[dict | Callable] | None, lazy_init: bool
) -> Any:
    """The data set of a config, or a copy of a data set, with that pipeline."""
    if isinstance(dataset, dict):
        config = dict(dataset)
        if pipeline is not None:
            config['pipeline'] = pipeline
        if lazy_init:
            config['lazy_init'] = True
        built = DATASETS.build(config)
    elif isinstance(dataset, Dataset) and hasattr(dataset, 'full_init'):
        built = _copy_down_to_leaves(dataset)
        if pipeline is not None:
            for leaf in leaves(built):
                leaf.pipeline = Compose(pipeline)
    else:
        msg = (
            '`dataset` must be a config or a data set of mmengine (with full_init), but got '
            f'{type(dataset).__name__}'
        )
        raise TypeError(msg)
    return built


def _copy_down_to_leaves(dataset: Any) -> Any:
    """A data set whose pipelines can be changed without changing the given one's."""
    twin = copy.copy(dataset)
    inner = _wrapped(dataset)
    if hasattr(twin, 'datasets') and inner:
        twin.datasets = [_copy_down_to_leaves(each) for each in inner]
    elif inner:
        twin.dataset = _copy_down_to_leaves(inner[0])
    return twin


def leaves(dataset: Any) -> Iterator[Any]:
    """The data sets at the bottom of wrappers: those that load images."""
    inner = _wrapped(dataset)
    if not inner:
        yield dataset
    for each in inner:
        yield from leaves(each)


def _wrapped(dataset: Any) -> list[Dataset]:
    """What a wrapper wraps, in the attributes that OpenMMLab's and torch's wrappers use."""
    inner = getattr(dataset, 'datasets', None) or [getattr(dataset, 'dataset', None)]
    return [each for each in inner if isinstance(each, Dataset)]


def _transforms(pipeline: Compose | Sequence[dict | Callable]) -> Sequence[dict | Callable]:
    return pipeline.transforms if isinstance(pipeline, Compose) else pipeline


def is_image_loader(transform: Any) -> bool:
    """Whether a transform loads the image: its name begins with LoadImage."""
    return type(transform).__name__.startswith('LoadImage')
