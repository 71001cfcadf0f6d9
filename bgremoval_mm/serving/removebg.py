"""The parameters and answers of remove.bg's `POST /v1.0/removebg`, so that its clients work here.

What its API offers and this service does not is refused by name; a value that asks for what is done
anyway is accepted, since some clients send all defaults.
"""

from __future__ import annotations

import base64
import binascii
import re
import string
from collections.abc import Collection, Mapping
from typing import Any, NoReturn

from bgremoval_mm.serving.errors import RequestError
from bgremoval_mm.serving.orders import Cutout
from bgremoval_mm.serving.parameters import (
    Parameter,
    make_output,
    parse_colour,
    parse_flag,
    parse_in,
    refuse_unknown,
    refuse_value,
)
from bgremoval_mm.serving.uploads import check_size

__all__ = [
    'PARAMETERS',
    'SOURCES',
    'answer',
    'decode_base64',
    'headers_of',
    'read_order',
    'source_of',
    'status_of',
]

SOURCES = ('image_file', 'image_file_b64', 'image_url')
_SMALL = 250_000
# Most pixels of each size; None is the photo's own.
_SIZES = {
    'preview': _SMALL,
    'small': _SMALL,
    'regular': _SMALL,
    'medium': 1_500_000,
    'hd': 4_000_000,
    '4k': 10_000_000,
    'full': None,
    'auto': None,
    '50MP': None,
}
_FORMATS = {'auto': '', 'png': 'png', 'jpg': 'jpeg', 'jpeg': 'jpeg', 'webp': 'webp'}
# The networks find whatever stands out: these need no other one.
_TYPES = ('auto', 'product', 'other')
_MODEL_OF_PERSON = 'u2net_human_seg'
_HEX = re.compile('(?:[0-9a-fA-F]{3,4}){1,2}')
_NO_SPACE = dict.fromkeys(map(ord, string.whitespace))
_MARGIN = re.compile(r'(\d+(?:\.\d+)?)(%|px)?')
# What is accepted because it asks for nothing else than what is done.
_ONLY = {
    'type_level': ('none', '1'),
    'roi': ('0 0 100% 100%', '0% 0% 100% 100%'),
    'scale': ('original',),
    'position': ('original',),
    'semitransparency': ('true',),
    'shadow_type': ('auto', 'none'),
}
_NOT_HERE = ('bg_image_url', 'bg_image_file', 'shadow_opacity')
_ABOUT = {
    'image_url': 'address of the picture; only hosts that the service was started with',
    'size': 'preview (default), small, regular: 0.25 megapixels; medium: 1.5; hd: 4; 4k: 10; full, '
    'auto, 50MP: those of the photo',
    'type': f'auto, product or other; person where {_MODEL_OF_PERSON} is served',
    'format': 'auto (png where there is transparency, else jpg), png, jpg or webp; zip is refused',
    'crop': 'crop to the object',
    'crop_margin': 'margin of the crop, one for all sides, such as 20px or 5%',
    'channels': 'rgba, or alpha for the mask',
    'bg_color': 'colour behind the object, such as 81d4fa or red',
    'add_shadow': 'add a soft shadow on the ground below the object',
}
PARAMETERS = {
    'image_file': Parameter('the picture', {'type': 'string', 'format': 'binary'}),
    'image_file_b64': Parameter('the picture in base64', {'type': 'string'}),
    **{name: Parameter(text, {'type': 'string'}) for name, text in _ABOUT.items()},
    **{
        name: Parameter(f'{" or ".join(values)} only', {'type': 'string', 'enum': list(values)})
        for name, values in _ONLY.items()
    },
}


def source_of(fields: Mapping[str, str], files: Collection[str]) -> str:
    """Return which of the three sources a request has.

    Raises:
        RequestError: If it has none, or several, or files with other names.
    """
    for name in files:
        if name in _NOT_HERE:
            _refuse(name)
        if name != 'image_file':
            refuse_unknown({name: ''}, PARAMETERS)
            refuse_value(name, 'a text', 'a file')
    if fields.get('image_file'):
        refuse_value('image_file', 'a file', 'a text')
    given = [name for name in SOURCES if name in files or fields.get(name)]
    if len(given) != 1:
        code, title = (
            ('multiple_sources', 'Several pictures were given')
            if given
            else ('missing_source', 'No picture was given')
        )
        raise RequestError(400, code, title, f'send one of {", ".join(SOURCES)}')
    return given[0]


def decode_base64(text: str, max_bytes: int) -> bytes:
    """Return the content of a base64 text, which may be a data URL.

    Raises:
        RequestError: If it is not one, or too large.
    """
    if text.startswith('data:'):
        text = text.partition(',')[2]
    if text.isascii():  # others are none, and slow to translate
        text = text.translate(_NO_SPACE)
    try:
        content = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as err:
        detail = f'`image_file_b64`: {err}'
        raise RequestError(400, 'failed_to_read_image', 'This is not base64', detail) from None
    check_size(len(content), max_bytes)
    return content


def read_order(
    fields: Mapping[str, str], models: Collection[str], max_pixels: int
) -> dict[str, Any]:
    """Return the arguments of the Order that a request asks for, all but the content.

    Args:
        fields: Texts by name; those that are empty do not count.
        models: The networks that there are, the default one first.
        max_pixels: Most pixels of a result.

    Raises:
        RequestError: If a parameter is not known, not supported here or not valid.
    """
    given = {name: text.strip() for name, text in fields.items() if text.strip()}
    for name in given:
        if name in _NOT_HERE:
            _refuse(name)
    refuse_unknown(given, PARAMETERS)
    for name, allowed in _ONLY.items():
        if name in given and given[name] not in allowed:
            _refuse(name, f'only {" or ".join(allowed)}')
    size = _parsed(given, 'size', parse_in(*_SIZES), 'preview')
    options: dict[str, Any] = {}
    if _parsed(given, 'channels', parse_in('rgba', 'alpha'), 'rgba') == 'alpha':
        options['output'] = 'mask'
        for name in ('bg_color', 'add_shadow'):
            if name in given and given[name] != 'false':
                _refuse(name, 'not with channels=alpha')
    elif 'bg_color' in given:
        options |= {'output': 'rgb', 'fill': _background(given['bg_color']), 'edges': 'clean'}
    if _parsed(given, 'add_shadow', parse_flag, False) and given.get('shadow_type') != 'none':
        options['shadow'] = True
    options['file_format'] = _format(given, options.get('output', 'rgba'))
    return {
        'model': _model(given, list(models)),
        'output': make_output(max_pixels, _crop(given), options),
        'most_pixels': _SIZES[size],
        'needs_object': True,
    }


def headers_of(cutout: Cutout) -> dict[str, str]:
    """Return the headers of an answer that remove.bg's clients read."""
    (width, height), (most_wide, most_high) = cutout.size, cutout.photo_size
    found = {
        'X-Type': 'other',
        'X-Width': str(width),
        'X-Height': str(height),
        'X-Max-Width': str(most_wide),
        'X-Max-Height': str(most_high),
        'X-Credits-Charged': '0',
    }
    box = {f'X-Foreground-{name.title()}': str(value) for name, value in _box(cutout).items()}
    return found | box


def answer(cutout: Cutout) -> dict[str, Any]:
    """Return the answer as JSON, for clients that accept that."""
    box = {f'foreground_{name}': value for name, value in _box(cutout).items()}
    return {'data': {'result_b64': base64.b64encode(cutout.content).decode(), **box}}


def status_of(status: int) -> int:
    """Return the status that remove.bg has for ours: 400 for every bad input, 403 for tokens."""
    return {401: 403, 408: 400, 413: 400}.get(status, status)


def _box(cutout: Cutout) -> dict[str, int]:
    assert cutout.box is not None
    left, top, right, bottom = map(round, cutout.box)
    return {'top': top, 'left': left, 'width': right - left, 'height': bottom - top}


def _parsed(given: Mapping[str, str], name: str, parse: Any, default: Any) -> Any:
    if name not in given:
        return default
    try:
        return parse(given[name])
    except ValueError as err:
        refuse_value(name, str(err), given[name])


def _background(text: str) -> tuple[int, ...]:
    try:
        colour = parse_colour(f'#{text}' if _HEX.fullmatch(text) else text)
    except ValueError:
        refuse_value('bg_color', 'a colour such as 81d4fa, fff or red', text)
    if len(colour) == 4 and colour[3] != 255:
        _refuse('bg_color', 'colours without transparency only')
    return colour[:3]


def _format(given: Mapping[str, str], output: str) -> str:
    text = given.get('format', 'auto')
    if text == 'zip':
        _refuse('format', f'only {", ".join(_FORMATS)}')
    _parsed(given, 'format', parse_in(*_FORMATS), 'auto')
    if text in ('jpg', 'jpeg') and output != 'rgb':
        detail = '`format`: JPEG has no transparency; add bg_color, or take png or webp'
        raise RequestError(400, 'invalid_parameter', 'A parameter is not valid', detail)
    return _FORMATS[text] or ('jpeg' if output == 'rgb' else 'png')


def _crop(given: Mapping[str, str]) -> dict[str, str]:
    """Return the arguments of Framing."""
    margins = given.get('crop_margin', '0').split()
    found = [_MARGIN.fullmatch(each) for each in margins]
    if not (1 <= len(found) <= 4 and all(found)):
        refuse_value('crop_margin', 'a margin such as 20px or 5%', given['crop_margin'])
    if len(set(margins)) > 1:
        _refuse('crop_margin', 'one margin for all sides')
    size, unit = found[0].groups() if found[0] else ('0', '')
    if not _parsed(given, 'crop', parse_flag, False):
        if float(size):
            _refuse('crop_margin', 'only with crop=true')
        return {}
    return {'crop': f'{size}{unit or "px"}'}


def _model(given: Mapping[str, str], models: list[str]) -> str:
    kind = given.get('type', 'auto')
    if kind == 'person' and _MODEL_OF_PERSON in models:
        return _MODEL_OF_PERSON
    if kind not in _TYPES:
        _refuse('type', f'only {", ".join(_TYPES)}')
    return models[0]


def _refuse(name: str, allowed: str = '') -> NoReturn:
    detail = f'`{name}`' + (f': {allowed}' if allowed else '')
    raise RequestError(400, 'unsupported_parameter', 'A parameter is not supported here', detail)
