"""What options take: each a function of what was typed, for ``type=`` of ``add_argument``."""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable

from bgremoval_mm.removal.errors import ArgumentError
from bgremoval_mm.removal.options import BACKENDS, PRECISIONS, Shard
from bgremoval_mm.removal.options.values import DEVICE
from bgremoval_mm.removal.zoo.catalogue import CATALOGUE, is_model_file

__all__ = ['at_least', 'device_name', 'model_name', 'setting', 'shard', 'share']


def at_least(least: int, most: int | None = None) -> Callable[[str], int]:
    """Return a type of whole numbers that are not smaller, and not larger than `most`."""
    allowed = f'{least} or more' if most is None else f'from {least} to {most}'

    def number(text: str) -> int:
        found = int(text) if re.fullmatch(r'[+-]?\d+', text) else least - 1
        if found < least or (most is not None and found > most):
            msg = f'must be a whole number, {allowed}, but got {text!r}'
            raise argparse.ArgumentTypeError(msg)
        return found

    return number


def model_name(text: str) -> str:
    """Return what names a model: an entry of the catalogue, or a file that ends in .onnx."""
    if text not in CATALOGUE and not is_model_file(text):
        msg = f'must be one of {", ".join(CATALOGUE)}, or an .onnx file, but got {text!r}'
        raise argparse.ArgumentTypeError(msg)
    return text


def device_name(text: str) -> str:
    """Return the device of ``--device``."""
    if not DEVICE.fullmatch(text):
        msg = f'must be auto, cpu, cuda or cuda:N, but got {text!r}'
        raise argparse.ArgumentTypeError(msg)
    return text


def share(text: str) -> float:
    """Return a number above 0 and below 1."""
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if not 0 < number < 1:
        msg = f'must be a share between 0 and 1, such as 0.5, but got {text!r}'
        raise argparse.ArgumentTypeError(msg)
    return number


def shard(text: str) -> str:
    """Return which part of a job it is, such as 3/8."""
    try:
        Shard.parse(text)
    except ArgumentError:
        msg = f'must be I/N with I from 1 to N, such as 3/8, but got {text!r}'
        raise argparse.ArgumentTypeError(msg) from None
    return text


def setting(text: str) -> str:
    """Return a setting of `bgremoval bench`, such as onnxruntime:fp32."""
    backend, colon, precision = text.partition(':')
    if text != 'rembg' and not (colon and backend in BACKENDS and precision in PRECISIONS):
        msg = (
            'must be "rembg", or BACKEND:PRECISION with a backend of '
            f'{", ".join(BACKENDS)} and a precision of {", ".join(PRECISIONS)}, but got {text!r}'
        )
        raise argparse.ArgumentTypeError(msg)
    return text
