"""Models in 8-bit integers: NNCF's post-training quantisation, kept beside the weights."""

from __future__ import annotations

import hashlib
import logging
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from bgremoval_mm.removal import masks
from bgremoval_mm.removal.errors import ArgumentError, BgremovalError
from bgremoval_mm.removal.images.reading import ImageError, read_image
from bgremoval_mm.removal.io.scan import list_images
from bgremoval_mm.removal.networks.preprocessing import preprocess
from bgremoval_mm.removal.zoo.catalogue import ModelSpec
from bgremoval_mm.removal.zoo.weights import cache_dir
from bgremoval_mm.utils.sampling import evenly_spaced
from bgremoval_mm.utils.text import printable

__all__ = ['INSTALL', 'QuantisationError', 'calibration_photos', 'quantised_model']

logger = logging.getLogger(__name__)

INSTALL = 'pip install "bgremoval_mm[openvino]"'
CALIBRATION_PHOTOS = 64

# Convolutions that stay in float32: what they are called in rembg's file, and which they are in the
# order of any file's graph. Three in the decoder of U2-NetP's second stage. With them in int8,
# masks are off by 13.8 levels on average (12 photos of CCP), without them by 0.2; with any other
# eight of the last 32 left out, by 13 and more.
_SENSITIVE = {'u2netp': {'Conv_743': 95, 'Conv_765': 96, 'Conv_787': 97}}

_CHECKED = 8  # photos
_MOST = 3.0  # levels of 255, mean difference to the masks of float32


class QuantisationError(BgremovalError, RuntimeError):
    """The masks of a quantised model are too far from those of the original one."""


def quantised_model(core: Any, spec: ModelSpec, calibration: str | None, graph: bytes) -> Path:
    """Return the file of the int8 model, made by NNCF if it is not there.

    It lies beside the weights, under a name with a hash of the weights, of the calibration photos'
    content and of the settings; so other photos give another model, and none is used for another.
    A new model is compared with the original on eight of the photos before it is kept.

    Args:
        core: OpenVINO's Core of this process.
        spec: The model.
        calibration: Folder of calibration photos.
        graph: The model's ONNX graph, for any batch size.

    Raises:
        ArgumentError: If there is no calibration folder, or no good photo in it.
        ImportError: If NNCF is not installed.
        QuantisationError: If its masks differ by more than three levels on average.
    """
    photos = calibration_photos(calibration)
    sensitive = _SENSITIVE.get(spec.architecture, {})
    contents = [hashlib.sha256(photo.read_bytes()).hexdigest() for photo in photos]
    parts = [spec.hash, 'mixed', *sensitive, *contents]
    key = hashlib.sha256('\n'.join(parts).encode()).hexdigest()
    folder = cache_dir() / f'{spec.name}-int8-{key[:16]}'
    if (folder / 'model.xml').is_file():
        return folder / 'model.xml'
    try:
        import nncf  # type: ignore[import-untyped]
        import openvino  # type: ignore[import-untyped]
    except ImportError as err:
        msg = f"precision='int8' needs NNCF to quantise the model: `{INSTALL}`"
        raise ImportError(msg) from err
    logger.info('quantising %s with %d photos, once', spec.name, len(photos))
    inputs = [_read(photo, spec) for photo in photos]
    model = nncf.quantize(
        core.read_model(graph),
        nncf.Dataset(inputs),
        preset=nncf.QuantizationPreset.MIXED,
        subset_size=len(inputs),
        ignored_scope=_ignored(core.read_model(graph), _nodes(graph, sensitive)),
    )
    _check(core, spec, model, graph, inputs[:_CHECKED])
    folder.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(dir=folder.parent, prefix='.tmp-int8-'))
    try:
        openvino.save_model(model, temporary / 'model.xml', compress_to_fp16=False)
        try:
            temporary.rename(folder)
        except OSError:  # another process was faster
            if not (folder / 'model.xml').is_file():
                raise
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return folder / 'model.xml'


def _nodes(graph: bytes, sensitive: Mapping[str, int]) -> tuple[str, ...]:
    """Return the names of the nodes that stay in float32."""
    import onnx

    nodes = onnx.load_model_from_string(graph).graph.node if sensitive else ()
    names = [node.name for node in nodes if node.op_type == 'Conv']
    return tuple(names[number] for number in sensitive.values() if number < len(names))


def _ignored(model: Any, sensitive: tuple[str, ...]) -> Any:
    """Return the layers that stay in float32; OpenVINO appends to the names of ONNX's nodes."""
    import nncf

    names = [operation.get_friendly_name() for operation in model.get_ops()]
    return nncf.IgnoredScope(
        names=[name for name in names if name.removesuffix('/WithoutBiases') in sensitive],
        validate=False,
    )


def _check(core: Any, spec: ModelSpec, model: Any, graph: bytes, inputs: list[np.ndarray]) -> None:
    """Refuse a quantised model whose masks are not those of the original.

    Raises:
        QuantisationError: If they differ by more than three levels on average.
    """
    found = []
    for each in (core.read_model(graph), model):
        compiled = core.compile_model(each, 'CPU', {'INFERENCE_PRECISION_HINT': 'f32'})
        maps = [compiled([batch])[compiled.output(0)].copy()[0, 0] for batch in inputs]
        found.append([masks.stretch(each)[0].astype(int) for each in maps])
    gap = float(np.mean([np.abs(a - b).mean() for a, b in zip(*found, strict=True)]))
    if gap > _MOST:
        msg = (
            f'masks of {spec.name} in int8 differ by {gap:.1f} of 255 levels on average from those '
            f'in fp32 ({len(inputs)} calibration photos); {_MOST:.0f} is the limit. '
            "Take precision='bf16' where the CPU has it, or 'fp32'; or other calibration photos"
        )
        raise QuantisationError(msg)
    logger.info('%s in int8: masks differ by %.2f of 255 levels on average', spec.name, gap)


def _read(photo: Path, spec: ModelSpec) -> np.ndarray:
    """Return the network's input of a calibration photo.

    Raises:
        ArgumentError: If it cannot be read.
    """
    try:
        return preprocess(read_image(photo).rgb, spec)[None]
    except (ImageError, OSError) as err:
        name = printable(photo)
        msg = f'`calibration` must be a folder of good photos: fix or delete {name}: {err}'
        raise ArgumentError(msg) from err


def calibration_photos(folder: str | None) -> list[Path]:
    """Return at most 64 photos of a folder, at equal distances in the order of their names.

    Raises:
        ArgumentError: If there is no folder, or no photo in it.
    """
    if folder is None:
        msg = (
            "precision='int8' needs `calibration`: a folder of photos like those whose background "
            'is to be removed, some dozens of them'
        )
        raise ArgumentError(msg)
    try:
        files = list_images(folder)
    except ArgumentError as err:
        msg = f'`calibration` must be a folder with photos, but there is none in {folder}'
        raise ArgumentError(msg) from err
    return evenly_spaced(files, CALIBRATION_PHOTOS)
