"""Reading a request's body: its fields and its picture, within limits, and never to disk."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field

from python_multipart.exceptions import FormParserError
from starlette.datastructures import FormData, UploadFile
from starlette.formparsers import FormParser, MultiPartException, MultiPartParser
from starlette.requests import ClientDisconnect, Request

from bgremoval_mm.serving.errors import RequestError
from bgremoval_mm.serving.limits import Limits

__all__ = ['Upload', 'check_size', 'read_upload']

_MOST_FIELDS = 40
_ROOM = 64 * 1024  # bytes for the fields and the boundaries beside the picture
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
            detail = f'`{name}` was given more than once'
            raise RequestError(400, 'invalid_parameter', 'A parameter was given twice', detail)


async def read_upload(request: Request, limits: Limits, share: float = 1.0) -> Upload:
    """Read what a request brings.

    Args:
        request: The request; its body may be a form, JSON, or the picture itself.
        limits: What is accepted.
        share: The body's length per byte of the picture; base64 needs 4/3.

    Raises:
        RequestError: If the body is too long, takes too long, or is not what its type says.
    """
    limit = int(limits.max_bytes * share) + _ROOM
    kind = request.headers.get('content-type', '').partition(';')[0].strip().lower()
    _check_length(request, limit if kind in (_MULTIPART, _FORM, _JSON) else limits.max_bytes)
    upload = Upload()
    for name, value in request.query_params.multi_items():
        upload.add(name, value)
    try:
        async with asyncio.timeout(limits.upload_seconds):
            if kind in (_MULTIPART, _FORM):
                await _read_form(request, kind, limit, upload)
            else:
                content = await _read_all(request, limit if kind == _JSON else limits.max_bytes)
                _add_body(upload, kind, content)
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


async def _read_form(request: Request, kind: str, limit: int, upload: Upload) -> None:
    stream = _limited(request, limit)
    parser: MultiPartParser | FormParser
    if kind == _MULTIPART:
        parser = MultiPartParser(
            request.headers, stream, max_files=2, max_fields=_MOST_FIELDS, max_part_size=limit
        )
        parser.spool_max_size = limit + 1  # photos of clients are not written to disk
    else:
        parser = FormParser(request.headers, stream, max_fields=_MOST_FIELDS, max_part_size=limit)
    try:
        form: FormData = await parser.parse()
    except (MultiPartException, FormParserError) as err:
        detail = err.message if isinstance(err, MultiPartException) else str(err)
        raise RequestError(400, 'invalid_form', 'The form cannot be read', detail) from None
    for name, value in form.multi_items():
        if isinstance(value, UploadFile):
            content = await value.read()
            await value.close()
            if content or value.filename:
                upload.add_file(name, content)
        else:
            upload.add(name, value)


def _add_body(upload: Upload, kind: str, content: bytes) -> None:
    if kind != _JSON:
        if content:
            upload.files[''] = content
        return
    try:
        found = json.loads(content)
    except (ValueError, RecursionError) as err:
        raise RequestError(400, 'invalid_json', 'The JSON cannot be read', str(err)) from None
    if not isinstance(found, dict):
        raise RequestError(400, 'invalid_json', 'The JSON must be an object')
    for name, value in found.items():
        if value is None:
            continue
        if isinstance(value, bool):
            value = 'true' if value else 'false'
        if not isinstance(value, (str, int, float)):
            detail = f'`{name}` must be a text, a number or a boolean'
            raise RequestError(400, 'invalid_parameter', 'A parameter is not valid', detail)
        upload.add(name, str(value))
