"""The values that options may have."""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Literal, get_args

from bgremoval_mm.removal.errors import ArgumentError

__all__ = [
    'BACKENDS',
    'DEVICE',
    'EDGES',
    'ENGINES',
    'FILE_FORMATS',
    'MAX_BYTES',
    'MAX_PIXELS',
    'OUTPUTS',
    'PRECISIONS',
    'PRECISIONS_OF',
    'TORCH_MODELS',
    'Output',
    'check_choice',
    'check_number',
    'check_threshold',
]

Output = Literal['store', 'mask', 'rgb', 'rgba']
OUTPUTS: tuple[str, ...] = get_args(Output)
ENGINES = ('local', 'ray')
BACKENDS = ('auto', 'onnxruntime', 'tensorrt', 'openvino', 'torch', 'torch-compiled')
DEVICE = re.compile(r'auto|cpu|cuda(:\d+)?')
EDGES = ('straight', 'clean')
PRECISIONS = ('fp32', 'bf16', 'fp16', 'int8', 'auto')
# The precisions of each backend.
PRECISIONS_OF = {
    'onnxruntime': ('fp32', 'fp16'),
    'tensorrt': ('fp32', 'fp16'),
    'openvino': ('fp32', 'bf16', 'int8'),
    'torch': ('fp32', 'bf16', 'fp16'),
    'torch-compiled': ('fp32', 'bf16', 'fp16'),
}
# The models whose network there is in PyTorch.
TORCH_MODELS = ('u2net', 'u2netp')
# Suffix of the files of each format.
FILE_FORMATS = {'png': '.png', 'webp': '.webp', 'jpeg': '.jpg'}
MAX_PIXELS = 89_478_485  # PIL's own limit, above which it warns of a decompression bomb.
MAX_BYTES = 1 << 30  # A file is read whole: what is larger is no photograph of MAX_PIXELS.


def check_choice(name: str, value: object, allowed: Collection[str], why: str = '') -> None:
    """Refuse a value that is not among those allowed.

    Raises:
        ArgumentError: Names the argument, what is allowed and what came.
    """
    if not isinstance(value, str) or value not in allowed:
        msg = f'`{name}` must be one of {", ".join(allowed)}{why}, but got {value!r}'
        raise ArgumentError(msg)


def check_number(name: str, value: object, least: int, allowed: str = 'a positive int') -> None:
    """Refuse a value that is no int, or too small.

    Raises:
        ArgumentError: Names the argument, what is allowed and what came.
    """
    if not isinstance(value, int) or value < least:
        msg = f'`{name}` must be {allowed}, but got {value!r}'
        raise ArgumentError(msg)


def check_threshold(threshold: object) -> None:
    """Refuse a threshold of masks that no pixel, or every one, would exceed.

    Raises:
        ArgumentError: If it is neither None nor a number in (0, 1).
    """
    if threshold is not None and not (isinstance(threshold, int | float) and 0 < threshold < 1):
        msg = f'`threshold` must be None or a share between 0 and 1, but got {threshold!r}'
        raise ArgumentError(msg)
