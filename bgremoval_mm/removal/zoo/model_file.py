"""A model in an ONNX file of one's own: what it is, and whether it can be run.

Files that `bgremoval export` has written have a card, which says how they are fed. Others, such as
those that rembg runs as ``u2net_custom``, are taken for a U2-Net of 320 x 320 pixels with the mean
and deviation of ImageNet, as rembg takes them.
"""

from __future__ import annotations

import hashlib
import math
import re
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bgremoval_mm.removal.errors import ArgumentError
from bgremoval_mm.removal.zoo.card import ModelCard
from bgremoval_mm.removal.zoo.catalogue import ModelSpec
from bgremoval_mm.utils.text import printable

if TYPE_CHECKING:
    import onnx

__all__ = ['ModelFile', 'ModelFileError', 'architecture_of', 'read_model_file']

# Of networks: number of convolutions, and of the weights in them without biases.
_FINGERPRINTS = {(119, 43_966_662): 'u2net', (119, 1_122_630): 'u2netp'}
_OPEN = 'N'  # a dimension of any size


class ModelFileError(ArgumentError):
    """A file is not that of a model that can be run; the message says why."""


@dataclass(frozen=True)
class ModelFile:
    """An ONNX file of a model.

    Attributes:
        spec: How it is run.
        card: What it tells of itself; None if it has no card.
        inputs: Name and shape of its input, in words.
        outputs: Those of its first output.
    """

    spec: ModelSpec
    card: ModelCard | None
    inputs: str
    outputs: str


def read_model_file(path: str | Path) -> ModelFile:
    """Read an ONNX file; a file that has not changed is read once a process.

    The spec's name is that of the card, or else of the file, with the first eight digits of the
    file's SHA-256: masks of two files never share a folder.

    Args:
        path: The file.

    Raises:
        ModelFileError: If it is missing, is not ONNX, does not map a batch of square RGB images to
            maps, or has a card that contradicts its graph.
    """
    path = Path(path).expanduser()
    try:
        status = path.stat()
        found = path.resolve()
        return _read(found, status.st_mtime_ns, status.st_size, status.st_ino)
    except FileNotFoundError:
        msg = f'`model`: there is no file {printable(path)}'
        raise ModelFileError(msg) from None
    except OSError as err:
        msg = f'`model`: {printable(path)} cannot be read: {err.strerror or err}'
        raise ModelFileError(msg) from err


@lru_cache(maxsize=64)
def _read(path: Path, *_state: int) -> ModelFile:
    content = path.read_bytes()
    graph = _parse(path, content)
    try:
        card = ModelCard.from_properties({each.key: each.value for each in graph.metadata_props})
    except ArgumentError as err:
        msg = f'`model`: the card in {printable(path)} is damaged: {err}'
        raise ModelFileError(msg) from err
    sha256 = hashlib.sha256(content).hexdigest()
    architecture = architecture_of(graph)
    # What rembg feeds every `u2net_custom` with is what ModelSpec has as its defaults.
    how = (
        {}
        if card is None
        else {'size': card.size, 'mean': card.mean, 'std': card.std, 'activation': card.activation}
    )
    spec = ModelSpec(
        name=f'{_plain_name(path.stem) if card is None else card.name}-{sha256[:8]}',
        file=path.name,
        url='',
        hash=f'sha256:{sha256}',
        licence='unknown' if card is None or not card.licence else card.licence,
        # Of an unknown network, a batch of one may be written into inner shapes.
        batchable=bool(architecture) or _has_open_batch(graph),
        architecture=architecture,
        path=str(path),
        **how,  # type: ignore[arg-type]
    )
    if card is not None and card.architecture != architecture:
        msg = (
            f'`model`: the card in {printable(path)} says that the network is '
            f'{card.architecture!r}, but its convolutions are '
            + (f'those of {architecture!r}' if architecture else 'not those of that network')
        )
        raise ModelFileError(msg)
    image, output = _check_graph(path, graph, spec, card is not None)
    return ModelFile(spec, card, image, output)


def architecture_of(model: onnx.ModelProto) -> str:
    """Return the name of the network whose convolutions a graph has; empty if it is unknown."""
    shapes = {each.name: each.dims for each in model.graph.initializer}
    weights = [
        math.prod(shapes.get(node.input[1], ()))
        for node in model.graph.node
        if node.op_type == 'Conv'
    ]
    return _FINGERPRINTS.get((len(weights), sum(weights)), '')


def _parse(path: Path, content: bytes) -> onnx.ModelProto:
    import onnx
    from google.protobuf.message import DecodeError  # type: ignore[import-untyped]

    try:
        model = onnx.load_model_from_string(content)
    except DecodeError as err:
        msg = f'`model`: {printable(path)} is not an ONNX file ({len(content):,} bytes)'
        raise ModelFileError(msg) from err
    if not model.graph.node or not model.graph.output:
        msg = f'`model`: {printable(path)} is not an ONNX file: it holds no graph'
        raise ModelFileError(msg)
    external = onnx.TensorProto.EXTERNAL
    if any(each.data_location == external for each in model.graph.initializer):
        msg = (
            f'`model`: the weights of {printable(path)} lie in another file beside it; save the '
            'model as a single file'
        )
        raise ModelFileError(msg)
    return model


def _check_graph(
    path: Path, model: onnx.ModelProto, spec: ModelSpec, has_card: bool
) -> tuple[str, str]:
    """Refuse a graph that the engine cannot feed; return its input and output in words."""
    import onnx

    where, graph = f'`model`: {printable(path)}', model.graph
    weights = {each.name for each in graph.initializer}
    images = [each for each in graph.input if each.name not in weights]
    if len(images) != 1 or graph.input[0].name != images[0].name:
        names = ', '.join(repr(each.name) for each in images) or 'none'
        msg = f'{where} must have one input, a batch of images, but has {names}'
        raise ModelFileError(msg)
    if images[0].type.tensor_type.elem_type != onnx.TensorProto.FLOAT:
        msg = f'{where}: the input {images[0].name!r} must be float32'
        raise ModelFileError(msg)
    shape, found = _shape(images[0]), _shape(graph.output[0])
    wanted = (_OPEN, 3, spec.size, spec.size)
    if not _fits(shape, wanted):
        says = 'its card says' if has_card else 'a file without a card is run at, as by rembg'
        msg = (
            f'{where} must take N x 3 x {spec.size} x {spec.size}, the size that {says}, but its '
            f'input {images[0].name!r} is {_times(shape)}'
        )
        raise ModelFileError(msg)
    channels = _OPEN if spec.activation == 'argmax' else 1
    if found and not _fits(found, (_OPEN, channels, _OPEN, _OPEN)):
        msg = (
            f'{where}: the first output must be maps, N x {channels} x H x W, but '
            f'{graph.output[0].name!r} is {_times(found)}'
        )
        raise ModelFileError(msg)
    return (
        f'{images[0].name}  {_times(shape)}',
        f'{graph.output[0].name}  {_times(found)}',
    )


def _has_open_batch(model: onnx.ModelProto) -> bool:
    shape = _shape(model.graph.input[0]) if model.graph.input else []
    return bool(shape) and isinstance(shape[0], str)


def _shape(tensor: Any) -> list[int | str]:
    return [
        each.dim_value if each.dim_value > 0 else each.dim_param or _OPEN
        for each in tensor.type.tensor_type.shape.dim
    ]


def _fits(shape: list[int | str], wanted: tuple[int | str, ...]) -> bool:
    return len(shape) == len(wanted) and all(
        isinstance(each, str) or isinstance(other, str) or each == other
        for each, other in zip(shape, wanted, strict=True)
    )


def _times(shape: list[int | str]) -> str:
    return ' x '.join(map(str, shape)) or 'of an unknown shape'


def _plain_name(stem: str) -> str:
    """Return a file's name without what folders had better not be called."""
    return re.sub(r'[^\w.-]+', '_', stem).lstrip('.')[:64] or 'model'
