"""Experiments of published works: running them and reporting their results.

The experiments of Liang, Liu, Vlassov (2023) can be imported from here.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from bgremoval_mm.utils.lazy_exports import lazy_exports

if TYPE_CHECKING:
    from bgremoval_mm.experiments.papers.liang2023.experiments import (
        AUGMENTATIONS,
        CLASSIFICATION,
        EXPERIMENTS,
        INSTANCE_SEGMENTATION,
        SEMANTIC_SEGMENTATION,
        Augmentation,
        Classification,
        Experiment,
        InstanceSegmentation,
        SemanticSegmentation,
        shown_augmentations,
    )

    ARMS: tuple[str, ...]

__all__ = [
    'ARMS',
    'AUGMENTATIONS',
    'CLASSIFICATION',
    'EXPERIMENTS',
    'INSTANCE_SEGMENTATION',
    'SEMANTIC_SEGMENTATION',
    'Augmentation',
    'Classification',
    'Experiment',
    'InstanceSegmentation',
    'SemanticSegmentation',
    'shown_augmentations',
]


def _load(name: str) -> Any:
    if name == 'ARMS':  # what earlier releases called the names of the variants
        return tuple(variant.name for variant in _load('Experiment').variants)
    return getattr(import_module(f'{__name__}.papers.liang2023.experiments'), name)


if not TYPE_CHECKING:
    __getattr__, __dir__ = lazy_exports(__name__, __all__, _load)
