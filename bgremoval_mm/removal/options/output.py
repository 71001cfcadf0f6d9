"""OutputOptions: what a job writes of each image."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bgremoval_mm.removal.errors import ArgumentError
from bgremoval_mm.removal.options.framing import Framing
from bgremoval_mm.removal.options.values import (
    EDGES,
    FILE_FORMATS,
    OUTPUTS,
    Output,
    check_choice,
    check_threshold,
)
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
        edges: Colours where the mask is between 0 and 255. ``'straight'``: the photo's own, in
            which the old background is mixed. ``'clean'``: the foreground's, as estimated by
            ``estimate_foreground``. None is ``'clean'`` for ``'rgba'``, and ``'straight'`` for
            ``'rgb'``, which is what RemoveBackground composes in training.
        matting: Estimate alpha along the mask's edge, for hair and fur (see ``refine_mask``). Where
            that fails, the mask is used as it is, with a note.
        threshold: Share in (0, 1) above which a pixel is foreground, for hard edges; None keeps
            soft ones.
        framing: Where the object stands in the result, and how large; None keeps the photo's frame.
        shadow: Add a soft shadow on the ground below the object, for ``'rgb'`` and ``'rgba'``.
        convert_srgb: Convert colours to sRGB, instead of passing the photo's description of them
            on.

    Raises:
        ArgumentError: If an option is not one of the above, or two of them do not go together.
    """

    output: Output = 'store'
    fill: float | Sequence[float] = 0
    file_format: str = 'png'
    mask_dir: str | Path | None = None
    second_model: str | Path | ModelSpec | None = None
    edges: str | None = None
    matting: bool = False
    threshold: float | None = None
    framing: Framing | None = None
    shadow: bool = False
    convert_srgb: bool = False

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
            try:
                get_model(self.second_model)
            except ArgumentError as err:
                msg = str(err).replace('`model`', '`second_model`', 1)
                raise ArgumentError(msg) from err
        self._check_finish()

    @property
    def has_clean_edges(self) -> bool:
        """Whether the foreground's colours are estimated; ``edges=None`` is decided."""
        return self.edges == 'clean' or (
            self.edges is None and self.output == 'rgba' and self.threshold is None
        )

    def finish(self) -> dict[str, Any]:
        """Return what the pixels of a full-size result depend on besides mask, fill and format.

        This is what the manifest records: only what is not as in version 0.1, so that its results
        are still known as done where they would be made alike.
        """
        found: dict[str, Any] = {}
        if self.has_clean_edges:
            found['edges'] = 'clean'
        for name in ('matting', 'shadow', 'convert_srgb'):
            if getattr(self, name):
                found[name] = True
        if self.threshold is not None:
            found['threshold'] = self.threshold
        return found | (self.framing.given if self.framing is not None else {})

    def _check_finish(self) -> None:
        """Refuse what a result cannot have, and what would have no effect."""
        if self.edges is not None:
            check_choice('edges', self.edges, EDGES)
        check_threshold(self.threshold)
        _check_framing(self.framing)
        of_colours = ('edges', 'shadow', 'convert_srgb')
        of_files = (*of_colours, 'matting', 'threshold', 'framing')
        refused = {'store': of_files, 'mask': of_colours}.get(self.output, ())
        for name in refused:
            if getattr(self, name) not in (None, False):
                where = "'rgb' and 'rgba'" if name in of_colours else "'mask', 'rgb' and 'rgba'"
                msg = f'`{name}` is for output={where}, but got output={self.output!r}'
                raise ArgumentError(msg)
        if self.threshold is not None and (self.matting or self.edges == 'clean'):
            other = '`matting`' if self.matting else "edges='clean'"
            msg = f'`threshold` makes edges hard, and {other} is for soft ones: choose one'
            raise ArgumentError(msg)


def _check_framing(framing: object) -> None:
    if not (framing is None or isinstance(framing, Framing)):
        msg = f'`framing` must be a Framing, but got {framing!r}'
        raise ArgumentError(msg)


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
