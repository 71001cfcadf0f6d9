"""The base of the instance and the semantic datasets: pipelines that check what they load."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from mmengine.dataset import Compose

from bgremoval_mm.datasets.formats.label_maps import check_label_map
from bgremoval_mm.removal.errors import ArgumentError

SEGMENTATION_SUBSETS = ('train', 'val')
"""Of datasets with annotated pixels: whatever is not for training serves to measure."""


class CheckedPipeline:
    """A dataset whose pipeline is checked, and completed with checks, whenever it is set.

    A mixin to stand before a dataset of OpenMMLab. RembgDataset and mmdet's hooks set pipelines
    too, so checking the constructor's argument would not be enough.
    """

    _pipeline: Compose

    def with_checks(self, transforms: list[Callable[..., Any]]) -> list[Callable[..., Any]]:
        """Return the transforms of a pipeline, with checks put in between."""
        raise NotImplementedError

    @property
    def pipeline(self) -> Compose:
        """The pipeline, with the checks in it."""
        return self._pipeline

    @pipeline.setter
    def pipeline(self, pipeline: Compose | Sequence[dict[str, Any] | Callable[..., Any]]) -> None:
        # A copy: the caller's pipeline may serve another dataset too.
        checked = copy.copy(pipeline) if isinstance(pipeline, Compose) else Compose(pipeline)
        plain = [each for each in checked.transforms if not isinstance(each, _Check)]
        checked.transforms = self.with_checks(plain)
        self._pipeline = checked


class _Check:
    """A transform that changes nothing."""


@dataclass(frozen=True)
class CheckImageSize(_Check):
    """Raise ArgumentError if an image does not have the size that the annotation file says."""

    def __call__(self, results: dict[str, Any]) -> dict[str, Any]:
        """Compare ``height`` and ``width`` of the annotation with ``ori_shape`` of the image."""
        said = (results['height'], results['width'])
        found = tuple(results['ori_shape'][:2])
        if said != found:
            msg = (
                f'{results["img_path"]} has {found[1]} x {found[0]} pixels, but its annotation is '
                f'for {said[1]} x {said[0]}: take the image that belongs to the annotations'
            )
            raise ArgumentError(msg)
        return results


@dataclass(frozen=True)
class CheckLabelMap(_Check):
    """Raise ArgumentError if a label map does not fit its image or its classes.

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
    transforms: list[Callable[..., Any]],
    wanted: Callable[[Callable[..., Any]], bool],
    new: Callable[..., Any],
) -> list[Callable[..., Any]]:
    """Insert `new` after the last transform that matches, if there is one."""
    matching = [index for index, each in enumerate(transforms) if wanted(each)]
    if not matching:
        return transforms
    return [*transforms[: matching[-1] + 1], new, *transforms[matching[-1] + 1 :]]


def nested(transforms: Iterable[Any]) -> Iterator[Any]:
    """Yield all transforms, also those inside others (RandomChoice, TransformBroadcaster...)."""
    for each in transforms:
        if isinstance(each, list | tuple):
            yield from nested(each)
            continue
        yield each
        # A list, or mmcv's or mmengine's Compose, which has a list of that name in turn.
        inner = getattr(each, 'transforms', [])
        yield from nested(inner if isinstance(inner, list | tuple) else [inner])
