"""The steps of test pipelines that an audit replaces: loading and removing the background."""

from __future__ import annotations

import copy
import os
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bgremoval_mm.analysis.background_audit.masks import AuditMasks
from bgremoval_mm.datasets.pipeline import find_removals, is_image_loader
from bgremoval_mm.datasets.removal_settings import RemovalSettings
from bgremoval_mm.datasets.transforms.background_bank import BackgroundBank
from bgremoval_mm.datasets.transforms.change_background import ChangeBackground
from bgremoval_mm.datasets.transforms.load_removed import LoadImageFromRemoved
from bgremoval_mm.datasets.transforms.mask_source import MaskSource
from bgremoval_mm.datasets.transforms.remove_background import DEFAULTS, RemoveBackground
from bgremoval_mm.datasets.unwrap import base_datasets
from bgremoval_mm.removal.errors import ArgumentError
from bgremoval_mm.removal.io.paths import path_below

__all__ = ['AuditedBackground', 'LoadImageByCondition', 'put_in']

# The audit sets these itself: a condition holds for every photo, and whatever is missing is made.
_NOT_KEPT = ('prob', 'on_missing')
_KEPT = tuple(each for each in DEFAULTS if each not in _NOT_KEPT)
_ENGINE = ('model', 'backend', 'device', 'precision', 'accept_licence', 'calibration')


class AuditedBackground(ChangeBackground):
    """A ChangeBackground whose ``'removed'`` is what the model was trained with.

    Args:
        trained: What removes the background as in training; None: ChangeBackground does.
        **options: What ChangeBackground takes.

    Attributes:
        image_dir: Folder of removed images that the model was trained with, or None.
        made_with: How they were made, as their manifest says.
        repeated: File names that several test photos have, in different folders.
    """

    masks: AuditMasks

    def __init__(
        self, trained: Callable[[dict[str, Any]], dict[str, Any]] | None = None, **options: Any
    ) -> None:
        super().__init__('original', **options)
        self.trained = trained
        self.image_dir: str | None = None
        self.made_with: dict[str, Any] = {}
        self.repeated: frozenset[str] = frozenset()

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        """Change the background of ``results['img']``."""
        if self.condition == 'removed' and self.trained is not None:
            return self.trained(results)
        return super().transform(results)

    def _name(self, path: str) -> str:
        name = Path(path).name
        return super()._name(path) if name in self.repeated else name

    def settings(self) -> dict[str, Any]:
        """Return what the figures of an audit depend on."""
        settings = {
            **{name: getattr(self, name) for name in _KEPT},
            'precision': self.masks.precision,
            'image_dir': self.image_dir,
        }
        if self.made_with:
            settings['made_with'] = self.made_with
        if self.masks.digest is not None:
            settings['masks'] = self.masks.digest
        if self.bank is not None:
            settings |= {'bank': self.bank.paths, 'bank_photos': self.bank.sha256}
        return settings


class LoadImageByCondition:
    """Loads the removed image where that is asked for, else the photo itself.

    Args:
        ready: The loader of removed images, around the loader of photos.
        change: Says which condition it is.
    """

    def __init__(self, ready: LoadImageFromRemoved, change: AuditedBackground) -> None:
        self.ready = ready
        self.change = change

    def __call__(self, results: dict[str, Any]) -> dict[str, Any] | None:
        """Load."""
        load = self.ready if self.change.condition == 'removed' else self.ready.loader
        return load(results)

    def __repr__(self) -> str:
        return f'{type(self).__name__}({self.ready!r})'


@dataclass
class _Part:
    """One of the joined datasets.

    Attributes:
        transforms: The list of its pipeline's transforms.
        paths: Its photos.
        data_root: Its folder, if it says so.
        step: What removes the background in its pipeline, if anything does.
        trained: How that does it.
        settings: What RemoveBackground takes.
    """

    transforms: list[Any]
    paths: list[str]
    data_root: str | None
    step: RemoveBackground | LoadImageFromRemoved | None
    trained: RemovalSettings
    settings: dict[str, Any]

    @property
    def variant(self) -> str:
        """Which variant of a pair the dataset is of."""
        return 'rembg' if self.trained.removes else 'original'


def put_in(
    dataset: Any,
    removal: dict[str, Any],
    own_masks: str | None,
    donors: Sequence[str],
    bank: BackgroundBank | None = None,
) -> tuple[list[AuditedBackground], str]:
    """Put an AuditedBackground where backgrounds are removed, else behind the image loader.

    Args:
        dataset: The test dataset, whose pipelines are changed.
        removal: What RemoveBackground takes; None: as the config has it.
        own_masks: Root of the store in which masks are kept that no named store has, or None.
        donors: Photos whose backgrounds others get.
        bank: Instead, photos of backgrounds.

    Returns:
        The transforms, one per base dataset, and which variant the config is of:
        ``'original'``, ``'rembg'``, or ``'original + rembg'`` where the datasets differ.

    Raises:
        ArgumentError: If a pipeline has no image loader, or removes backgrounds within another
            transform.
    """
    parts: list[_Part] = []
    for base in base_datasets(dataset):
        # A dataset that stands in several wrappers comes several times.
        if not any(base.pipeline.transforms is part.transforms for part in parts):
            parts.append(_describe(base))
    given = {name: value for name, value in removal.items() if value is not None}
    for part in parts:
        part.settings = {**_borrowed(part, parts), **part.settings, **given}
        if part.settings.get('img_root') is None:
            part.settings['img_root'] = part.data_root or _common_folder(part.paths)
    own_root = _own_root(parts)
    changes = [_replace(part, own_masks, own_root) for part in parts]
    names = Counter(Path(path).name for part in parts for path in part.paths)
    for change in changes:  # the donors are the test photos: evaluation opens them all anyway
        change.donors, change.bank = [] if bank else list(donors), bank
        change.repeated = frozenset(name for name, count in names.items() if count > 1)
    _introduce(changes, parts)
    for change, part in zip(changes, parts, strict=True):
        change.masks.check(part.paths)
    return changes, ' + '.join(sorted({part.variant for part in parts}))


def _describe(base: Any) -> _Part:
    """Find out how a dataset's backgrounds are removed."""
    transforms = base.pipeline.transforms
    removing = list(find_removals(transforms))
    for each in removing:
        if not any(each is transform for transform in transforms):
            msg = (
                'the audit sets backgrounds itself, so the test pipeline must have '
                f'{type(each).__name__} at its top level or not at all, but has it within another '
                'transform'
            )
            raise ArgumentError(msg)
    if len(removing) > 1:
        msg = f'the test pipeline must remove the background once, but does {len(removing)} times'
        raise ArgumentError(msg)
    step = removing[0] if removing else None
    trained = RemovalSettings('none') if step is None else RemovalSettings.of_step(step)
    base.full_init()
    paths = [str(base.get_data_info(index)['img_path']) for index in range(len(base))]
    data_root = getattr(base, 'data_root', None) or None
    return _Part(transforms, paths, data_root, step, trained, _settings_of(trained))


def _settings_of(trained: RemovalSettings) -> dict[str, Any]:
    """Return what RemoveBackground takes to do the same."""
    if trained.kind == 'masks':
        return {name: trained.arguments[name] for name in _KEPT}
    if trained.kind == 'images':
        made_with = trained.made_with
        return {
            'model': made_with['model'],
            'precision': made_with.get('precision', 'fp32'),
            'img_root': trained.arguments['img_root'],
        }
    return {}


def _borrowed(part: _Part, parts: Sequence[_Part]) -> dict[str, Any]:
    """Return the removal of another dataset for one that has none: an audit asks of one removal.

    The other's store is taken too, where it can have masks of these photos.
    """
    other = next((each for each in parts if each.settings), None)
    if part.settings or other is None:
        return {}
    settings = dict(other.settings)
    root = settings.get('img_root')
    if root is None or not _all_below(part.paths, root):
        settings['mask_dir'] = settings['img_root'] = None
    return settings


def _replace(part: _Part, own_masks: str | None, own_root: str) -> AuditedBackground:
    """Put an AuditedBackground into a dataset's pipeline."""
    loaders = [i for i, each in enumerate(part.transforms) if is_image_loader(each)]
    if not loaders:
        msg = f'the pipeline must hold an image loader, but got {part.transforms}'
        raise ArgumentError(msg)
    change = AuditedBackground(**part.settings)
    engine = {name: getattr(change, name) for name in _ENGINE}
    engine['precision'] = change.masks.precision
    named = None
    if change.mask_dir is not None:
        named = MaskSource(mask_dir=change.mask_dir, img_root=change.img_root, **engine)
    change.masks = AuditMasks(named, mask_dir=own_masks, img_root=own_root, **engine)
    if isinstance(part.step, LoadImageFromRemoved):
        change.trained, change.image_dir = _as_loaded, part.step.images.image_dir
        change.made_with = dict(part.trained.made_with)
        index = part.transforms.index(part.step)
        part.transforms[index : index + 1] = [LoadImageByCondition(part.step, change), change]
    elif part.step is not None:
        if part.trained.removes:
            change.trained = _always(part.step, change.masks)
        part.transforms[part.transforms.index(part.step)] = change
    else:
        part.transforms.insert(loaders[-1] + 1, change)
    return change


def _introduce(changes: Sequence[AuditedBackground], parts: Sequence[_Part]) -> None:
    """Let each dataset find the masks of the others' photos, whose backgrounds it borrows."""
    sources = {
        path: change.masks
        for change, part in zip(changes, parts, strict=True)
        for path in part.paths
    }
    for change, part in zip(changes, parts, strict=True):
        own = set(part.paths)
        change.masks.neighbours = {
            path: masks for path, masks in sources.items() if path not in own
        }


def _always(removal: RemoveBackground, masks: AuditMasks) -> RemoveBackground:
    """Return a copy that removes every background, with an audit's masks."""
    always = copy.copy(removal)
    always.masks, always.prob, always.on_missing = masks, 1.0, 'compute'
    return always


def _as_loaded(results: dict[str, Any]) -> dict[str, Any]:
    return results


def _own_root(parts: Sequence[_Part]) -> str:
    """Return a folder above all photos, so that each has a name of its own in one store."""
    roots = {str(part.settings['img_root']) for part in parts}
    paths = [path for part in parts for path in part.paths]
    root = roots.pop()
    return root if not roots and _all_below(paths, root) else _common_folder(paths)


def _all_below(paths: Sequence[str], root: str) -> bool:
    try:
        for path in paths:
            path_below(path, root)
    except ArgumentError:
        return False
    return True


def _common_folder(paths: Sequence[str]) -> str:
    return os.path.commonpath([str(Path(path).absolute().parent) for path in paths] or ['.'])
