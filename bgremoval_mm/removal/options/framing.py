"""Framing: where the object stands in its cut-out, and how large."""

from __future__ import annotations

import re
from dataclasses import dataclass, fields

from bgremoval_mm.removal.errors import ArgumentError

__all__ = ['Framing']

_MARGIN = re.compile(r'(\d+(?:\.\d+)?)(%|px)')
_ASPECT = re.compile(r'(\d+(?:\.\d+)?):(\d+(?:\.\d+)?)')
_CANVAS = re.compile(r'(\d+)x(\d+)')
_ALIGN = re.compile(r'(width|height)=(\d+(?:\.\d+)?)%')
_MAX_SIDE = 16_383  # pixels, WebP's limit
_MAX_MARGIN = {'%': 100, 'px': _MAX_SIDE}


@dataclass(frozen=True)
class Framing:
    """Where the object stands in its cut-out, and how large.

    Each is text, as the command takes it and the manifest records it. The object is what exceeds a
    tenth of full foreground; its box is the smallest around it.

    Attributes:
        crop: ``'5%'`` or ``'20px'``: crop to the object's box, with this margin on every side, in
            percent of the box's longer side, up to 100, or in pixels, up to 16,383. Where the
            margin leaves the photo, the background goes on.
        aspect: ``'W:H'``: widen or heighten the result around its centre to this ratio.
        canvas: ``'WxH'``: scale the result to fit in so many pixels, and centre it there.
        align: ``'height=80%'`` or ``'width=60%'``: scale the object so that its box takes that
            share of the canvas, and stand it on one line: the objects of a catalogue share scale
            and baseline. What the share leaves of the canvas's height is divided equally above
            and below. A box that would leave less than half of that at a side of the canvas is
            made smaller, with a note.

    Raises:
        ArgumentError: If one of them is something else, or two of them do not go together.
    """

    crop: str | None = None
    aspect: str | None = None
    canvas: str | None = None
    align: str | None = None

    def __post_init__(self) -> None:
        for name in self.given:
            getattr(self, f'{name}_value')
        if self.align is not None and self.canvas is None:
            msg = '`align` needs `canvas`, the picture that the objects are aligned in'
            raise ArgumentError(msg)
        if self.align is not None and self.crop is not None:
            msg = '`align` places the object itself: it does not go with `crop`'
            raise ArgumentError(msg)
        if self.aspect is not None and self.canvas is not None:
            msg = '`canvas` has an aspect of its own: it does not go with `aspect`'
            raise ArgumentError(msg)
        if not self.given:
            msg = 'a Framing needs at least one of `crop`, `aspect` and `canvas`'
            raise ArgumentError(msg)

    @property
    def given(self) -> dict[str, str]:
        """What was given, by name: what the manifest records."""
        found = {each.name: getattr(self, each.name) for each in fields(self)}
        return {name: value for name, value in found.items() if value is not None}

    @property
    def crop_value(self) -> tuple[float, str]:
        """Margin and its unit, ``'%'`` or ``'px'``."""
        size, unit = _parse('crop', self.crop, _MARGIN, "a margin such as '5%' or '20px'")
        most = _MAX_MARGIN[unit]
        if float(size) > most:
            msg = f"`crop` must be at most '{most}{unit}', but got {self.crop!r}"
            raise ArgumentError(msg)
        if unit == 'px' and not size.isdigit():
            msg = f'`crop` must be a whole number of pixels, but got {self.crop!r}'
            raise ArgumentError(msg)
        return float(size), unit

    @property
    def aspect_value(self) -> float:
        """Width divided by height."""
        width, height = map(float, _parse('aspect', self.aspect, _ASPECT, "'W:H' such as '4:5'"))
        if not (height and 0.05 <= width / height <= 20):
            msg = f"`aspect` must be a ratio from '1:20' to '20:1', but got {self.aspect!r}"
            raise ArgumentError(msg)
        return width / height

    @property
    def canvas_value(self) -> tuple[int, int]:
        """Width and height in pixels."""
        allowed = f"'WxH' in pixels, such as '1200x1200', up to {_MAX_SIDE} a side"
        width, height = map(int, _parse('canvas', self.canvas, _CANVAS, allowed))
        if not (1 <= width <= _MAX_SIDE and 1 <= height <= _MAX_SIDE):
            msg = f'`canvas` must be {allowed}, but got {self.canvas!r}'
            raise ArgumentError(msg)
        return width, height

    @property
    def align_value(self) -> tuple[str, float]:
        """The side, ``'width'`` or ``'height'``, and the share of the canvas that it takes."""
        allowed = "'height=80%' or 'width=60%', above 0 and up to 100 %"
        side, percent = _parse('align', self.align, _ALIGN, allowed)
        if not 0 < float(percent) <= 100:
            msg = f'`align` must be {allowed}, but got {self.align!r}'
            raise ArgumentError(msg)
        return side, float(percent) / 100


def _parse(name: str, text: object, pattern: re.Pattern[str], allowed: str) -> tuple[str, ...]:
    """Return the parts of a text.

    Raises:
        ArgumentError: Names the argument, what is allowed and what came.
    """
    found = pattern.fullmatch(text) if isinstance(text, str) else None
    if found is None:
        msg = f'`{name}` must be {allowed}, but got {text!r}'
        raise ArgumentError(msg)
    return found.groups()
