"""Reading a request's body: its fields and its picture, within limits, and never to disk."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from python_multipart.exceptions import FormParserError
from starlette.datastructures import FormData, UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import ClientDisconnect, Request

from bgremoval_mm.serving.errors import RequestError
from bgremoval_mm.serving.limits import Limits

__all__ = ['Upload', 'check_size', 'read_upload']

_MOST_FIELDS = 40
_HEAD = 64  # bytes by which a picture is told from an encoded form
_ROOM = 64 * 1024  # bytes for the fields and the boundaries beside the picture
_MOST_COMMAS = 1000  # of JSON beyond that room: it has one object, and base64 has none
_SLICE = 64 * 1024  # bytes of a form that are decoded at once: indices take many times as much
_NO_DIGIT = 16
_DIGITS = np.full(256, _NO_DIGIT, np.uint8)  # value by character
for _character in b'0123456789abcdefABCDEF':
    _DIGITS[_character] = int(chr(_character), 16)
_MULTIPART, _FORM, _JSON = (
    'multipart/form-data',
    'application/x-www-form-urlencoded',
    'application/json',
)


@dataclass
class Upload:
    """What a request brought.

    Attributes:
        fields: Texts by name, of the address and of the body.
        files: Contents by name; that of a raw body has the name ``''``.
    """

    fields: dict[str, str] = field(default_factory=dict)
    files: dict[str, bytes] = field(default_factory=dict)

    def add(self, name: str, value: str) -> None:
        """Add a field.

        Raises:
            RequestError: If it is there already: it would not be clear which one counts.
        """
        self._check_new(name)
        self.fields[name] = value

    def add_file(self, name: str, content: bytes) -> None:
        """Add a file.

        Raises:
            RequestError: If there is one of that name, or a field.
        """
        self._check_new(name)
        self.files[name] = content

    def _check_new(self, name: str) -> None:
        if name in self.fields or name in self.files:
            raise _given_twice(name)


async def read_upload(request: Request, limits: Limits, share: float = 0.0) -> Upload:
    """Read what a request brings.

    Args:
        request: The request; its body may be a form, JSON, or the picture itself.
        limits: What is accepted.
        share: The length of a picture as text per byte of it; base64 needs 4/3. 0 if encoded forms
            and JSON bring no picture here.

    Raises:
        RequestError: If the body is too long, takes too long, or is not what its type says.
    """
    limit = int(limits.max_bytes * max(share, 1)) + _ROOM
    kind = request.headers.get('content-type', '').partition(';')[0].strip().lower()
    _check_length(request, limit if kind in (_MULTIPART, _FORM, _JSON) else limits.max_bytes)
    upload = Upload()
    for name, value in request.query_params.multi_items():
        upload.add(name, value)
    try:
        async with asyncio.timeout(limits.upload_seconds):
            if kind == _MULTIPART:
                await _read_multipart(request, limit, upload)
            else:
                most = limit if kind in (_FORM, _JSON) else limits.max_bytes
                content = await _read_all(request, most)
                if kind == _JSON or (kind == _FORM and not _is_binary(content)):
                    _check_text(content, int(limits.max_bytes * share) + _ROOM)
                    # In a thread, as others would wait: a large one takes a while.
                    parse = _parse_json if kind == _JSON else _parse_form
                    for name, value in await asyncio.to_thread(parse, content):
                        upload.add(name, value)
                elif content:
                    upload.files[''] = content
    except TimeoutError:
        detail = f'the limit is {limits.upload_seconds:g} s'
        raise RequestError(408, 'upload_too_slow', 'The request took too long', detail) from None
    except ClientDisconnect:
        raise RequestError(400, 'incomplete', 'The request was interrupted') from None
    for content in upload.files.values():
        check_size(len(content), limits.max_bytes)
    return upload


def check_size(size: int, limit: int) -> None:
    """Refuse what is larger.

    Raises:
        RequestError: With status 413.
    """
    if size > limit:
        title = 'The file is too large'
        raise RequestError(413, 'file_too_large', title, f'the limit is {limit:,} bytes')


def _check_text(content: bytes, limit: int) -> None:
    if len(content) > limit:
        title = 'The form is too large'
        detail = f'the limit of an encoded form, or JSON, is {limit:,} bytes here'
        raise RequestError(413, 'file_too_large', title, detail)


def _check_length(request: Request, limit: int) -> None:
    length = request.headers.get('content-length', '')
    if length.isdigit():
        check_size(int(length), limit)


async def _limited(request: Request, limit: int) -> AsyncGenerator[bytes, None]:
    received = 0
    async for chunk in request.stream():
        received += len(chunk)
        check_size(received, limit)
        yield chunk


async def _read_all(request: Request, limit: int) -> bytes:
    content = bytearray()
    async for chunk in _limited(request, limit):
        content += chunk
    return bytes(content)


async def _read_multipart(request: Request, limit: int, upload: Upload) -> None:
    parser = MultiPartParser(
        request.headers,
        _limited(request, limit),
        max_files=2,
        max_fields=_MOST_FIELDS,
        max_part_size=limit,
    )
    parser.spool_max_size = limit + 1  # photos of clients are not written to disk
    try:
        form: FormData = await parser.parse()
    except (MultiPartException, FormParserError) as err:
        raise _bad_form(err.message if isinstance(err, MultiPartException) else str(err)) from None
    for name, value in form.multi_items():
        if isinstance(value, UploadFile):
            content = await value.read()
            await value.close()
            if content or value.filename:
                upload.add_file(name, content)
        else:
            upload.add(name, value)


def _bad_form(detail: str) -> RequestError:
    return RequestError(400, 'invalid_form', 'The form cannot be read', detail)


def _is_binary(content: bytes) -> bool:
    """Return whether this is no text: all kinds of picture have control characters in their head.

    `curl --data-binary @photo.jpg` calls whatever it sends an encoded form.
    """
    return any(byte < 32 and byte not in b'\t\n\r' for byte in content[:_HEAD])


def _parse_form(content: bytes) -> list[tuple[str, str]]:
    """Return the names and values of an encoded form.

    The parsers of Starlette and of the standard library make an object of each escape: 15 s and
    2.8 GB for 33 MiB.
    """
    if content.count(b'&') >= _MOST_FIELDS:
        detail = f'Too many fields. Maximum number of fields is {_MOST_FIELDS}.'
        raise _bad_form(detail)
    pairs = (each.partition(b'=') for each in content.split(b'&') if each)
    return [(_unquote(name), _unquote(value)) for name, _, value in pairs]


def _unquote(text: bytes) -> str:
    """Return a text without its escapes; what looks like one but is none stays."""
    text = text.replace(b'+', b' ')
    parts, start = [], 0
    while start < len(text):
        end = start + _SLICE
        cut = text.rfind(b'%', end - 2, end)  # an escape across the end belongs to the next slice
        end = end if cut < 0 else cut
        parts.append(_unquote_slice(np.frombuffer(text[start:end], np.uint8)))
        start = end
    return b''.join(parts).decode(errors='replace')


def _unquote_slice(characters: np.ndarray) -> bytes:
    places = np.flatnonzero(characters[:-2] == ord('%'))
    high, low = _DIGITS[characters[places + 1]], _DIGITS[characters[places + 2]]
    valid = (high < _NO_DIGIT) & (low < _NO_DIGIT)
    places = places[valid]
    found, kept = characters.copy(), np.ones(len(characters), bool)
    found[places] = high[valid] * 16 + low[valid]
    kept[places + 1] = kept[places + 2] = False
    return found[kept].tobytes()


def _parse_json(content: bytes) -> list[tuple[str, str]]:
    """Return the names and values of an object in JSON; those that are null do not count."""
    if len(content) > _ROOM and content.count(b',') > _MOST_COMMAS:
        detail = 'it has too many values'
        raise RequestError(400, 'invalid_json', 'The JSON cannot be read', detail)
    try:
        found = json.loads(content, object_pairs_hook=_once)
    except (ValueError, RecursionError) as err:
        raise RequestError(400, 'invalid_json', 'The JSON cannot be read', str(err)) from None
    if not isinstance(found, dict):
        raise RequestError(400, 'invalid_json', 'The JSON must be an object')
    return [(name, _text_of(name, value)) for name, value in found.items() if value is not None]


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return the entries of an object, in which no name may come twice."""
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name in found:
            raise _given_twice(name)
        found[name] = value
    return found


def _given_twice(name: str) -> RequestError:
    detail = f'`{name}` was given more than once'
    return RequestError(400, 'invalid_parameter', 'A parameter was given twice', detail)


def _text_of(name: str, value: object) -> str:
    if isinstance(value, bool):
        return 'true' if value else 'false'
    if not isinstance(value, (str, int, float)):
        detail = f'`{name}` must be a text, a number or a boolean'
        raise RequestError(400, 'invalid_parameter', 'A parameter is not valid', detail)
    return str(value)
