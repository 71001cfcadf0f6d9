"""OutputOptions: what a job writes of each image."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bgremoval_mm.removal.errors import ArgumentError
from bgremoval_mm.removal.options.values import FILE_FORMATS, OUTPUTS, Output, check_choice
from bgremoval_mm.removal.zoo.catalogue import ModelSpec, get_model

__all__ = ['OutputOptions', 'check_fill']


@dataclass(frozen=True)
class OutputOptions:
    """What a job writes of each image, and what its mask is taken from or compared with.

    Attributes:
        output: ``'store'``: masks at the model's resolution in a MaskStore; ``'mask'``, ``'rgb'``,
            ``'rgba'``: full-size files (see CutoutFolder).
        fill: Colour behind the foreground for ``'rgb'``: one level or (R, G, B), 0 to 255.
        file_format: Of full-size results: ``'png'`` or ``'webp'``, both lossless, or ``'jpeg'`` for
            ``'rgb'``. A store's masks are PNG files.
        mask_dir: Root of a MaskStore of these images, a path or an address: its masks are taken,
            and the network is run for those only that it lacks. Gives full-size results in any
            colour within minutes.
        second_model: Another model to compare each mask with, which fills in
            ``MaskQuality.disagreement``; the result stays the first one's.

    Raises:
        ArgumentError: If an option is not one of the above, or two of them do not go together.
    """

    output: Output = 'store'
    fill: float | Sequence[float] = 0
    file_format: str = 'png'
    mask_dir: str | Path | None = None
    second_model: str | ModelSpec | None = None

    def __post_init__(self) -> None:
        check_choice('output', self.output, OUTPUTS)
        if self.output == 'store' and self.file_format != 'png':
            msg = f"`file_format` must be png for output='store', but got {self.file_format!r}"
            raise ArgumentError(msg)
        check_choice('file_format', self.file_format, FILE_FORMATS)
        if self.file_format == 'jpeg' and self.output != 'rgb':
            msg = (
                "file_format='jpeg' is for output='rgb': it has no transparency and blurs masks. "
                "Take 'png' or 'webp'"
            )
            raise ArgumentError(msg)
        check_fill(self.fill)
        if self.mask_dir is not None and (self.output == 'store' or self.second_model is not None):
            msg = (
                '`mask_dir` takes masks that were made before: it goes neither with '
                "output='store' nor with `second_model`"
            )
            raise ArgumentError(msg)
        if self.second_model is not None:
            get_model(self.second_model)


def check_fill(fill: float | Sequence[float]) -> tuple[float, float, float]:
    """Return a fill colour as one level per channel.

    Args:
        fill: One level for all channels, or three of them, each from 0 to 255.

    Raises:
        ArgumentError: If it is neither.
    """
    levels = tuple(fill) if isinstance(fill, Sequence) else (fill,) * 3
    valid = all(isinstance(level, (int, float)) and 0 <= level <= 255 for level in levels)
    if len(levels) != 3 or not valid:
        msg = f'`fill` must be a level from 0 to 255 or three of them (R, G, B), but got {fill!r}'
        raise ArgumentError(msg)
    return levels
