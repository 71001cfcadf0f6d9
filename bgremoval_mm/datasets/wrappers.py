"""RembgDataset: any dataset with its backgrounds removed, or replaced."""

from __future__ import annotations

import copy
from typing import Any

from torch.utils.data import Dataset

from bgremoval_mm.datasets.assemble import (
    Pipeline,
    attribute_of,
    build_or_copy,
    full_init,
    set_pipelines,
    set_test_mode,
)
from bgremoval_mm.datasets.exclusion import check_excludable, exclude_images
from bgremoval_mm.datasets.pipeline import (
    find_removals,
    with_removal,
)
from bgremoval_mm.datasets.subsets import copy_subsets_afresh
from bgremoval_mm.datasets.transforms.background_bank import BackgroundBank
from bgremoval_mm.datasets.transforms.change_background import ChangeBackground
from bgremoval_mm.datasets.transforms.load_removed import LoadImageFromRemoved, RemovedImages
from bgremoval_mm.datasets.transforms.remove_background import DEFAULTS, RemoveBackground
from bgremoval_mm.datasets.transforms.replace_background import OPTIONS, ReplaceBackground
from bgremoval_mm.datasets.unwrap import ArgumentTypeError, base_datasets
from bgremoval_mm.registry import DATASETS
from bgremoval_mm.removal.errors import ArgumentError

__all__ = ['RembgDataset']

CONDITIONS = ('removed', 'blurred', 'background_only')

copy_subsets_afresh()


@DATASETS.register_module(force=True)
class RembgDataset(Dataset[Any]):
    """Any dataset of mmpretrain, mmdet, mmsegmentation or mmengine, background removed.

    Puts a RemoveBackground behind the image loader of the wrapped dataset's pipeline;
    everything else is the wrapped dataset's own: annotations, filtering, retries, test mode,
    subsets. Whatever public attribute or method samplers, hooks and tools look for is looked up
    there, and set there. Wrappers (ConcatDataset, RepeatDataset, ClassBalancedDataset,
    KFoldDataset, MultiImageMixDataset...) may stand inside as well as outside.

    It is no BaseDataset, on purpose: mmengine's BaseDataset says that a wrapper should not be one.

    Args:
        dataset: Config of the dataset, or the dataset itself, which is not changed. Where no
            default scope is set, a `type` without scope is looked for in the codebases.
        mask_dir: Root of a MaskStore: the DST of ``tools/remove_background.py``.
        image_dir: Instead, the DST of a run with ``--output rgb``: the removed images are loaded
            from there, at the speed of the originals. What RemoveBackground takes was fixed then.
        pipeline: Pipeline in place of those of the datasets that load the images, however deep
            they lie. Give it here in configs, so that tools which look for
            ``test_dataloader.dataset.pipeline`` find it. Around a MultiImageMixDataset, one
            without an image loader takes the place of its pipeline for mixed images.
        img_root: The SRC of ``tools/remove_background.py``. Default: the wrapped dataset's
            `data_root`.
        lazy_init: Put off loading the annotations.
        bank: Backgrounds are not removed but replaced by those of this bank, see ReplaceBackground.
        test_mode: What the wrapped dataset takes by that name; None: as it has it.
        exclude: List of images that are left out, as `bgremoval review apply --leave-out` writes
            it: their paths below `img_root`. For a dataset that loads images, not a wrapper.
        condition: ``'blurred'``: backgrounds are not removed but blurred; ``'background_only'``:
            the foregrounds are filled in, see ChangeBackground. Neither takes `fill`.
        **removal: What RemoveBackground takes: model, fill, threshold, prob, on_missing...; with
            `bank` what ReplaceBackground takes.

    Raises:
        TypeError: If `dataset` is no dataset, wraps one that cannot be found, or an argument is
            unknown.
        ValueError: If the pipeline holds no image loader, or a RemoveBackground that differs from
            the arguments, or `img_root` is needed.

    Examples:
        >>> train_dataloader = dict(
        ...     dataset=dict(
        ...         type='RembgDataset',
        ...         mask_dir='data/masks/clothing10',
        ...         dataset=dict(type='CustomDataset', data_root='data/clothing10', ...),
        ...         pipeline=train_pipeline))
    """

    dataset: Any
    _fully_initialized = False

    def __init__(
        self,
        dataset: dict[str, Any] | Dataset[Any],
        mask_dir: str | None = None,
        pipeline: Pipeline | None = None,
        img_root: str | None = None,
        lazy_init: bool = False,
        image_dir: str | None = None,
        test_mode: bool | None = None,
        bank: Any = None,
        exclude: str | None = None,
        condition: str = 'removed',
        **removal: Any,
    ) -> None:
        known = {*DEFAULTS, *(() if bank is None else OPTIONS)}
        unknown = sorted(set(removal) - known)
        if unknown:
            msg = (
                f'{type(self).__name__} got unknown arguments {unknown}; besides its own it '
                f'takes those of {_step_of(bank).__name__}: {", ".join(sorted(known))}'
            )
            raise ArgumentTypeError(msg)
        if condition not in CONDITIONS:
            msg = f'`condition` must be one of {", ".join(CONDITIONS)}, but got {condition!r}'
            raise ArgumentError(msg)
        if condition != 'removed':
            if bank is not None:
                msg = f'`bank` must not be given with `condition`={condition!r}: it replaces'
                raise ArgumentError(msg)
            removal['condition'] = condition
        if bank is not None:
            removal['bank'] = BackgroundBank.of(bank)  # one for all datasets inside
        if image_dir is not None and (removal or mask_dir is not None):
            given = sorted([*removal, *(['mask_dir'] if mask_dir is not None else [])])
            msg = f'with `image_dir`, whose images are removed already, `{given[0]}` has no effect'
            raise ArgumentError(msg)
        self.dataset = build_or_copy(dataset, pipeline, lazy_init, test_mode)
        folders = {'mask_dir': mask_dir, 'image_dir': image_dir, 'img_root': img_root}
        self._given = removal | {key: each for key, each in folders.items() if each is not None}
        self._exclude = exclude
        if exclude is not None:
            check_excludable(self.dataset, self._img_root(self.dataset))
        bases = base_datasets(self.dataset)
        # A removal that is in a pipeline already is the one for later pipelines as well.
        self._removals = [_present(base) or self._removal_of(base) for base in bases]
        pipelines = [
            with_removal(base.pipeline, removal, self._given)
            for base, removal in zip(bases, self._removals, strict=True)
        ]
        for base, each in zip(bases, pipelines, strict=True):
            base.pipeline = each
        if not lazy_init:
            self.full_init()

    @property
    def pipeline(self) -> Any:
        """The pipeline, background removal included. A new one gets it put in."""
        return base_datasets(self.dataset)[0].pipeline

    @pipeline.setter
    def pipeline(self, pipeline: Pipeline) -> None:
        bases = base_datasets(self.dataset)
        removals = {id(base): each for base, each in zip(bases, self._removals, strict=True)}
        set_pipelines(
            self.dataset,
            pipeline,
            lambda base: with_removal(pipeline, removals[id(base)], self._given),
        )

    @property
    def metainfo(self) -> Any:
        """A copy of the wrapped dataset's meta information, always up to date."""
        return copy.deepcopy(self._metainfo)

    @property
    def _metainfo(self) -> Any:
        return attribute_of(self.dataset, '_metainfo')

    @_metainfo.setter
    def _metainfo(self, metainfo: Any) -> None:
        self.dataset._metainfo = metainfo

    @property
    def test_mode(self) -> bool:
        """Whether the wrapped dataset is in test mode.

        As mmengine has it: before ``full_init`` a new value also decides what is filtered, after
        it only what happens when an image cannot be read.
        """
        return bool(attribute_of(self.dataset, 'test_mode', False))

    @test_mode.setter
    def test_mode(self, test_mode: bool) -> None:
        set_test_mode(self.dataset, test_mode)

    @property
    def CLASSES(self) -> tuple[str, ...] | None:  # noqa: N802
        """Names of the classes, as mmpretrain's datasets give them."""
        metainfo = self.metainfo
        # mmdet's ConcatDataset of datasets that differ has a list of them.
        first: dict[str, tuple[str, ...]] = metainfo[0] if isinstance(metainfo, list) else metainfo
        return first.get('classes')

    def full_init(self) -> None:
        """Load the annotations, if that was put off."""
        if not self._fully_initialized:
            full_init(self.dataset)
            root = self._img_root(self.dataset)
            if self._exclude is not None and root is not None:
                exclude_images(self.dataset, self._exclude, root)
            self._fully_initialized = True

    def get_subset(self, indices: Any) -> RembgDataset:
        """Return a part of it, as the wrapped dataset does; mmengine's wrappers refuse."""
        self.full_init()
        subset = copy.copy(self)
        subset.dataset = self.dataset.get_subset(indices)
        return subset

    def get_subset_(self, indices: Any) -> None:
        """Keep a part of it, as the wrapped dataset does; the one that was given is not changed."""
        self.full_init()
        self.dataset.get_subset_(indices)

    def __len__(self) -> int:
        self.full_init()
        return len(self.dataset)

    def __getitem__(self, idx: int) -> Any:
        """Return a sample, through the pipeline. Retries are the wrapped dataset's own."""
        self.full_init()
        return self.dataset[idx]

    def __getattr__(self, name: str) -> Any:
        # While it is copied or unpickled there is no dataset yet.
        if name.startswith('_') or 'dataset' not in vars(self):
            msg = f'{type(self).__name__!r} object has no attribute {name!r}'
            raise AttributeError(msg)
        return getattr(self.dataset, name)

    def __setattr__(self, name: str, value: Any) -> None:
        # What is read there must be set there, or it would have no effect.
        own = name.startswith('_') or name in vars(self) or hasattr(type(self), name)
        if not own and hasattr(vars(self).get('dataset'), name):
            setattr(self.dataset, name, value)
        else:
            super().__setattr__(name, value)

    def __repr__(self) -> str:
        return f'{type(self).__name__}({self.dataset!r}, {self._given})'

    def _img_root(self, base: Any) -> str | None:
        """Return the folder of a base dataset's images, if it is known."""
        return self._given.get('img_root') or getattr(base, 'data_root', None) or None

    def _removal_of(self, base: Any) -> RemoveBackground | RemovedImages:
        """Return the removal for a base dataset, which says where its images lie."""
        root = self._given.get('img_root')
        folder = next((key for key in ('mask_dir', 'image_dir') if key in self._given), None)
        if folder is not None and root is None:
            root = self._img_root(base)
            if root is None:
                msg = (
                    f'`img_root` must be given with `{folder}`, because the {type(base).__name__} '
                    'has no `data_root`: the folder of images that was SRC of '
                    'tools/remove_background.py'
                )
                raise ArgumentError(msg)
        if folder == 'image_dir' and root is not None:
            return RemovedImages(self._given['image_dir'], root)
        arguments = {**self._given, 'img_root': root}
        if 'condition' in arguments:
            return ChangeBackground(**arguments)
        return _step_of(arguments.get('bank'))(**arguments)


def _step_of(bank: Any) -> type[RemoveBackground]:
    """Return the class of the transform that is put in."""
    return RemoveBackground if bank is None else ReplaceBackground


def _present(base: Any) -> RemoveBackground | RemovedImages | None:
    """Return the removal that a dataset's pipeline has already."""
    removal = next(find_removals(base.pipeline), None)
    return removal.images if isinstance(removal, LoadImageFromRemoved) else removal
