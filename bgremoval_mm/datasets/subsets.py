"""A correction of stock mmengine 0.10: subsets of datasets that do not share a pipeline."""

from __future__ import annotations

from functools import wraps
from typing import Any

from mmengine.dataset import BaseDataset

__all__ = ['copy_subsets_afresh']


def copy_subsets_afresh() -> None:
    """Let each subset of a dataset be a copy of its own. Calling it again changes nothing.

    ``BaseDataset.get_subset``, and with it KFoldDataset, deep-copies with a memo that is the
    default value of an argument, and thus one for the whole process. It knows objects by their
    ``id``, and they may be gone: subsets share a pipeline, or get something else in its place.
    """
    copy_without_annotation = BaseDataset._copy_without_annotation
    if not isinstance((copy_without_annotation.__defaults__ or (None,))[0], dict):
        return

    @wraps(copy_without_annotation)
    def copy_afresh(self: BaseDataset, memo: dict[int, Any] | None = None) -> BaseDataset:
        return copy_without_annotation(self, {} if memo is None else memo)

    BaseDataset._copy_without_annotation = copy_afresh
