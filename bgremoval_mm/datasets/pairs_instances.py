"""PairsInstances: one's own pairs of photo and mask for detectors, the foreground as one object."""

from __future__ import annotations

from typing import Any, ClassVar

from bgremoval_mm.datasets.saliency import PairsDataset
from bgremoval_mm.registry import DATASETS

__all__ = ['PairsInstances']


@DATASETS.register_module(force=True)
class PairsInstances(PairsDataset):
    """The pairs of ``PairsDataset`` for mmdetection: the foreground is the only class.

    ``LoadForegroundInstance`` makes one object of a mask. For ``SaliencyMetric``, which measures
    detectors as it measures segmentors, pipelines of tests have ``LoadSaliencyMask`` instead.
    Arguments are those of ``PairsDataset``.

    Examples:
        >>> dict(type='PairsInstances', manifest='pairs/manifest.csv', split='train',
        ...      pipeline=[dict(type='LoadImageFromFile'), dict(type='LoadForegroundInstance'),
        ...                dict(type='PackDetInputs')])
    """

    METAINFO: ClassVar[dict[str, Any]] = {'classes': ('foreground',), 'palette': [(220, 20, 60)]}
