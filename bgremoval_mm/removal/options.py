"""The values that options may have. Imports nothing, so that `--help` is there at once."""

from __future__ import annotations

from typing import Literal, get_args

__all__ = [
    'BACKENDS',
    'ENGINES',
    'FILE_FORMATS',
    'MAX_BYTES',
    'MAX_PIXELS',
    'OUTPUTS',
    'PRECISIONS',
    'Output',
]

Output = Literal['store', 'mask', 'rgb', 'rgba']
OUTPUTS: tuple[str, ...] = get_args(Output)
ENGINES = ('local', 'ray')
BACKENDS = ('auto', 'onnxruntime', 'tensorrt', 'openvino', 'torch', 'torch-compiled')
PRECISIONS = ('fp32', 'bf16', 'fp16', 'int8', 'auto')
# Suffix of the files of each format.
FILE_FORMATS = {'png': '.png', 'webp': '.webp', 'jpeg': '.jpg'}
MAX_PIXELS = 89_478_485  # PIL's own limit, above which it warns of a decompression bomb.
MAX_BYTES = 1 << 30  # A file is read whole: what is larger is no photograph of MAX_PIXELS.
