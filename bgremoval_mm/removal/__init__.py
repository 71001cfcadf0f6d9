"""The engine: photographs in, foreground masks out. Needs nothing of OpenMMLab.

Importing it loads neither ONNX Runtime nor a model; both come with the first image.
"""

from bgremoval_mm.removal.backends import DeviceError, release_sessions
from bgremoval_mm.removal.catalogue import CATALOGUE, ModelSpec, get_model
from bgremoval_mm.removal.cutouts import CutoutFolder
from bgremoval_mm.removal.folder import TargetError, TreeSummary, remove_tree
from bgremoval_mm.removal.images import ImageError, SourceImage, read_image
from bgremoval_mm.removal.manifest import Manifest, Record
from bgremoval_mm.removal.masks import (
    MaskQuality,
    binarise,
    bounding_box,
    compose,
    cut_out,
    quality,
    resize,
    stretch,
)
from bgremoval_mm.removal.remover import BackgroundRemover
from bgremoval_mm.removal.store import MaskStore, StoredMask, StoredMaskError
from bgremoval_mm.removal.weights import (
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
    'ImageError',
    'Manifest',
    'MaskQuality',
    'MaskStore',
    'ModelSpec',
    'Record',
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
    'fetch_weights',
    'find_weights',
    'get_model',
    'quality',
    'read_image',
    'release_sessions',
    'remove_tree',
    'resize',
    'stretch',
    'verify_weights',
]
