"""The parameters of `POST /remove`, which are those of `bgremoval remove`."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, NoReturn

from PIL import ImageColor

from bgremoval_mm.removal.errors import ArgumentError
from bgremoval_mm.removal.options import EDGES, FILE_FORMATS, Framing, OutputOptions
from bgremoval_mm.removal.outputs.matting import check_installed
from bgremoval_mm.serving.errors import RequestError

__all__ = [
    'FORMATS',
    'PARAMETERS',
    'Parameter',
    'make_output',
    'parse_colour',
    'parse_flag',
    'parse_in',
    'read_output',
    'refuse_unknown',
    'refuse_value',
]

OUTPUTS = ('rgba', 'rgb', 'mask')
FORMATS = {name: name for name in FILE_FORMATS} | {'jpg': 'jpeg'}
_FRAMING = ('crop', 'aspect', 'canvas', 'align')
_TRUE, _FALSE = ('true', '1', 'yes', 'on'), ('false', '0', 'no', 'off')
_LEVELS = re.compile(r'(\d{1,3})(?:,(\d{1,3}),(\d{1,3}))?')


@dataclass(frozen=True)
class Parameter:
    """A parameter of the service.

    Attributes:
        about: What it does, for the reference.
        schema: Its values, as JSON Schema.
        parse: Returns the value of a text, or raises ValueError with what is allowed.
    """

    about: str
    schema: dict[str, Any]
    parse: Callable[[str], Any] = str


def parse_in(*allowed: str) -> Callable[[str], str]:
    """Return a function that takes some texts only."""

    def parse(text: str) -> str:
        if text not in allowed:
            raise ValueError(', '.join(allowed[:-1]) + f' or {allowed[-1]}')
        return text

    return parse


def parse_flag(text: str) -> bool:
    """Return whether a text says yes.

    Raises:
        ValueError: If it says neither yes nor no.
    """
    if text.lower() not in _TRUE + _FALSE:
        msg = 'true or false'
        raise ValueError(msg)
    return text.lower() in _TRUE


def parse_colour(text: str) -> tuple[int, ...]:
    """Return a colour as its levels R, G, B; and A, if it has one.

    Raises:
        ValueError: If it is none.
    """
    if found := _LEVELS.fullmatch(text.replace(' ', '')):
        levels = [int(each or found[1]) for each in found.groups()]
        if max(levels) <= 255:
            return tuple(levels)
    with suppress(ValueError):
        return tuple(ImageColor.getrgb(text))
    msg = "a level such as 255, three such as 255,0,0, '#ff0000', or a name such as red"
    raise ValueError(msg)


def _opaque(text: str) -> tuple[int, ...]:
    colour = parse_colour(text)
    if len(colour) == 4 and colour[3] != 255:
        msg = 'a colour without transparency'
        raise ValueError(msg)
    return colour[:3]


def _share(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < 1:
        msg = 'a share between 0 and 1'
        raise ValueError(msg)
    return value


def _choice(about: str, allowed: Sequence[str], default: str | None = None) -> Parameter:
    schema: dict[str, Any] = {'type': 'string', 'enum': list(allowed)}
    if default is not None:
        schema['default'] = default
    return Parameter(about, schema, parse_in(*allowed))


def _flag(about: str) -> Parameter:
    return Parameter(about, {'type': 'boolean', 'default': False}, parse_flag)


def _text(about: str, example: str) -> Parameter:
    return Parameter(about, {'type': 'string', 'example': example})


PARAMETERS = {
    'output': _choice(
        'rgba: the photo on a transparent background; rgb: on the colour `fill`; mask: the mask',
        OUTPUTS,
        'rgba',
    ),
    'fill': Parameter(
        'colour behind the object, for output=rgb: 255, 255,0,0, #ff0000 or a name (default: 0)',
        {'type': 'string', 'default': '0'},
        _opaque,
    ),
    'format': _choice('file format; jpeg is for output=rgb', list(FORMATS), 'png'),
    'edges': _choice(
        "colours of soft edges: the foreground's own (clean, the default), or the photo's", EDGES
    ),
    'matting': _flag("compute the mask's edge from the photo's colours, for hair: takes seconds"),
    'threshold': Parameter(
        'hard edges: foreground is what exceeds this share, such as 0.5',
        {'type': 'number', 'exclusiveMinimum': 0, 'exclusiveMaximum': 1},
        _share,
    ),
    'shadow': _flag('add a soft shadow on the ground below the object'),
    'convert_srgb': _flag("convert colours to sRGB instead of embedding the photo's profile"),
    'crop': _text(
        'crop to the object, with a margin in pixels or percent of its longer side', '5%'
    ),
    'aspect': _text('extend the result around its centre to this ratio', '4:5'),
    'canvas': _text('scale the result to fit in so many pixels, and centre it', '1200x1200'),
    'align': _text("the object's share of the canvas's height or width", 'height=80%'),
}


def read_output(fields: Mapping[str, str], max_pixels: int) -> OutputOptions:
    """Return what the fields of a request ask for; those that are empty do not count.

    Args:
        fields: Texts by name.
        max_pixels: Most pixels that a canvas may have.

    Raises:
        RequestError: If a parameter is not known or not valid, or two of them do not go together.
    """
    refuse_unknown(fields, PARAMETERS)
    given: dict[str, Any] = {}
    for name, text in fields.items():
        if text.strip():
            try:
                given[name] = PARAMETERS[name].parse(text.strip())
            except ValueError as err:
                refuse_value(name, str(err), text)
    if 'fill' in given and given.get('output') != 'rgb':
        raise RequestError(
            400, 'invalid_parameter', 'A parameter is not valid', '`fill` goes with output=rgb only'
        )
    given['file_format'] = FORMATS[given.pop('format', 'png')]
    framing = {name: given.pop(name) for name in _FRAMING if name in given}
    # As `bgremoval remove` does, whose results are looked at, not trained on.
    if given.get('output') == 'rgb' and 'threshold' not in given:
        given.setdefault('edges', 'clean')
    return make_output(max_pixels, framing, given)


def make_output(
    max_pixels: int, framing: Mapping[str, str], options: Mapping[str, Any]
) -> OutputOptions:
    """Return the options of a result.

    Args:
        max_pixels: Most pixels that a canvas may have.
        framing: Arguments of Framing, if there are any.
        options: Arguments of OutputOptions.

    Raises:
        RequestError: If they do not go together, or need a package that is not installed.
    """
    try:
        framed = Framing(**framing) if framing else None
        made = OutputOptions(**{'output': 'rgba', **options, 'framing': framed})
        if made.matting:
            check_installed()
    except ArgumentError as err:
        detail = str(err).replace('file_format', 'format')
        raise RequestError(400, 'invalid_parameter', 'A parameter is not valid', detail) from None
    except ImportError as err:
        title = 'A parameter is not supported here'
        raise RequestError(400, 'unsupported_parameter', title, f'`matting`: {err}') from None
    if framed is not None and framed.canvas is not None:
        width, height = framed.canvas_value
        if width * height > max_pixels:
            refuse_value('canvas', f'at most {max_pixels:,} pixels', framed.canvas)
    return made


def refuse_unknown(fields: Mapping[str, str], known: Mapping[str, Any]) -> None:
    """Refuse parameters that there are not, by name.

    Raises:
        RequestError: If there are any.
    """
    unknown = [name for name in fields if name not in known]
    if unknown:
        detail = f'{", ".join(f"`{name}`" for name in unknown)}; there are {", ".join(known)}'
        raise RequestError(400, 'unknown_parameter', 'A parameter is not known', detail)


def refuse_value(name: str, allowed: str, got: str) -> NoReturn:
    """Refuse a parameter's value.

    Raises:
        RequestError: Names the parameter, what is allowed and what came.
    """
    detail = f'`{name}` must be {allowed}, but got {got[:100]!r}'
    raise RequestError(400, 'invalid_parameter', 'A parameter is not valid', detail)
