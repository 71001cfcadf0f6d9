"""What the instance and the semantic data sets share: subsets, checks of files and pipelines."""

from __future__ import annotations

import copy
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mmengine.dataset import Compose

from bgremoval_mm.datasets.base.classification import first_few
from bgremoval_mm.datasets.formats.label_maps import check_label_map

#: Data sets with annotated pixels: whatever is not for training serves to measure.
SUBSETS = ('train', 'val')


class CheckedPipeline:
    """A data set whose pipeline is checked, and completed with checks, whenever it is set.

    A mixin to stand before a data set of OpenMMLab. RembgDataset and mmdet's hooks set pipelines
    too, so checking the constructor's argument would not be enough.
    """

    _pipeline: Compose

    def with_checks(self, transforms: list[Callable]) -> list[Callable]:
        """The transforms of a pipeline, with checks put in between."""
        raise NotImplementedError

    @property
    def pipeline(self) -> Compose:
        """The pipeline, with the checks in it."""
        return self._pipeline

    @pipeline.setter
    def pipeline(self, pipeline: Compose | Sequence[dict | Callable]) -> None:
        # A copy: the caller's pipeline may serve another data set too.
        checked = copy.copy(pipeline) if isinstance(pipeline, Compose) else Compose(pipeline)
        plain = [each for each in checked.transforms if not isinstance(each, _Check)]
        checked.transforms = self.with_checks(plain)
        self._pipeline = checked


class _Check:
    """A transform that changes nothing."""


@dataclass(frozen=True)
class CheckImageSize(_Check):
    """Raise ValueError if an image has not the size that the annotation file says."""

    def __call__(self, results: dict[str, Any]) -> dict[str, Any]:
        """Compare ``height`` and ``width`` of the annotation with ``ori_shape`` of the image."""
        said = (results['height'], results['width'])
        found = tuple(results['ori_shape'][:2])
        if said != found:
            msg = (
                f'{results["img_path"]} has {found[1]} x {found[0]} pixels, but its annotation is '
                f'for {said[1]} x {said[0]}: take the image that belongs to the annotations'
            )
            raise ValueError(msg)
        return results


@dataclass(frozen=True)
class CheckLabelMap(_Check):
    """Raise ValueError if a label map does not fit its image or its classes.

    Args:
        classes: Names of the classes.
    """

    classes: tuple[str, ...] = field(repr=False)

    def __call__(self, results: dict[str, Any]) -> dict[str, Any]:
        """Look at ``gt_seg_map``, right after it is loaded."""
        labels = results['gt_seg_map']
        # A pipeline that loads label maps only has no image to compare with.
        height, width = results.get('ori_shape', labels.shape)[:2]
        check_label_map(labels, (height, width), self.classes, results['seg_map_path'])
        return results


def insert_after(
    transforms: list[Callable], wanted: Callable[[Callable], bool], new: Callable
) -> list[Callable]:
    """A list of transforms with a new one behind the last that is wanted, if there is one."""
    places = [place for place, each in enumerate(transforms) if wanted(each)]
    if not places:
        return transforms
    return [*transforms[: places[-1] + 1], new, *transforms[places[-1] + 1 :]]


def nested(transforms: Iterable[Any]) -> Iterator[Any]:
    """All transforms, those within others (RandomChoice, TransformBroadcaster...) among them."""
    for each in transforms:
        if isinstance(each, list | tuple):
            yield from nested(each)
            continue
        yield each
        # A list, or mmcv's or mmengine's Compose, which has a list of that name in turn.
        inner = getattr(each, 'transforms', [])
        yield from nested(inner if isinstance(inner, list | tuple) else [inner])


def same_classes(name: str, metainfo: Mapping | None, classes: Sequence[str]) -> None:
    """Raise ValueError if meta information names other classes than the data set has."""
    given = tuple(classes if metainfo is None else metainfo.get('classes', classes))
    if given != tuple(classes):
        msg = (
            f"`metainfo['classes']` of {name} must be left out or be its {len(classes)} classes in "
            f'their order, but got {given}. For other classes use a data set of your own, such as '
            "mmdet's CocoDataset or mmseg's BaseSegDataset."
        )
        raise ValueError(msg)


def check_files(paths: Iterable[str | Path], what: str, how: str) -> None:
    """Raise FileNotFoundError if files are missing, so that no sample is skipped in silence.

    Each folder is listed once, which is much faster than asking for each file.

    Args:
        paths: The files.
        what: What they are, for the error, e.g. ``'images of Fashionpedia'``.
        how: How to get them, for the error.
    """
    folders: dict[str, set[str]] = {}
    missing = []
    for path in map(str, paths):
        folder, name = os.path.split(path)
        if folder not in folders:
            there = Path(folder).is_dir()
            folders[folder] = {entry.name for entry in os.scandir(folder)} if there else set()
        if name not in folders[folder]:
            missing.append(path)
    if missing:
        msg = f'{len(missing):,} {what} are missing: {first_few(missing)}. {how}'
        raise FileNotFoundError(msg)
