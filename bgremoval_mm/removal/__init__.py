"""The engine: photographs in, foreground masks out. Needs nothing of OpenMMLab.

Importing it loads nothing but Python's own modules; numpy and Pillow come with the first name that
is used, ONNX Runtime and a model with the first image.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from bgremoval_mm.utils.lazy_exports import lazy_exports

if TYPE_CHECKING:
    from bgremoval_mm.removal.backends import DeviceError, release_sessions
    from bgremoval_mm.removal.images.reading import ImageError, SourceImage, read_image
    from bgremoval_mm.removal.io.manifest import Manifest, Record
    from bgremoval_mm.removal.jobs.resize_masks import ResizeSummary, resize_masks
    from bgremoval_mm.removal.jobs.tree import TargetError, TreeSummary, remove_tree
    from bgremoval_mm.removal.masks.functional import (
        binarise,
        bounding_box,
        compose,
        cut_out,
        resize,
        stretch,
    )
    from bgremoval_mm.removal.masks.quality import MaskQuality, quality
    from bgremoval_mm.removal.options.framing import Framing
    from bgremoval_mm.removal.outputs.cutouts import CutoutFolder
    from bgremoval_mm.removal.outputs.foreground import estimate_foreground
    from bgremoval_mm.removal.outputs.mask_store import MaskStore, StoredMask, StoredMaskError
    from bgremoval_mm.removal.remover import BackgroundRemover
    from bgremoval_mm.removal.zoo.catalogue import CATALOGUE, ModelSpec, get_model
    from bgremoval_mm.removal.zoo.weights import (
        WeightsError,
        fetch_weights,
        find_weights,
        verify_weights,
    )

__all__ = [
    'CATALOGUE',
    'BackgroundRemover',
    'CutoutFolder',
    'DeviceError',
    'Framing',
    'ImageError',
    'Manifest',
    'MaskQuality',
    'MaskStore',
    'ModelSpec',
    'Record',
    'ResizeSummary',
    'SourceImage',
    'StoredMask',
    'StoredMaskError',
    'TargetError',
    'TreeSummary',
    'WeightsError',
    'binarise',
    'bounding_box',
    'compose',
    'cut_out',
    'estimate_foreground',
    'fetch_weights',
    'find_weights',
    'get_model',
    'quality',
    'read_image',
    'release_sessions',
    'remove_tree',
    'resize',
    'resize_masks',
    'stretch',
    'verify_weights',
]

# The imports above are for people and type checkers; these are done.
_MODULES = {
    'backends': ('DeviceError', 'release_sessions'),
    'zoo.catalogue': ('CATALOGUE', 'ModelSpec', 'get_model'),
    'options.framing': ('Framing',),
    'outputs.cutouts': ('CutoutFolder',),
    'outputs.foreground': ('estimate_foreground',),
    'jobs.resize_masks': ('ResizeSummary', 'resize_masks'),
    'jobs.tree': ('TargetError', 'TreeSummary', 'remove_tree'),
    'images.reading': ('ImageError', 'SourceImage', 'read_image'),
    'io.manifest': ('Manifest', 'Record'),
    'masks': (
        'MaskQuality',
        'binarise',
        'bounding_box',
        'compose',
        'cut_out',
        'quality',
        'resize',
        'stretch',
    ),
    'remover': ('BackgroundRemover',),
    'outputs.mask_store': ('MaskStore', 'StoredMask', 'StoredMaskError'),
    'zoo.weights': ('WeightsError', 'fetch_weights', 'find_weights', 'verify_weights'),
}
_HOMES = {name: module for module, names in _MODULES.items() for name in names}


def _load(name: str) -> Any:
    return getattr(import_module(f'{__name__}.{_HOMES[name]}'), name)


if not TYPE_CHECKING:
    __getattr__, __dir__ = lazy_exports(__name__, _HOMES, _load)
