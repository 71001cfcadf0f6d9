"""The two endpoints that make cut-outs, as FastAPI's routes."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse

from bgremoval_mm.serving import parameters, removebg
from bgremoval_mm.serving.errors import RequestError
from bgremoval_mm.serving.orders import Cutout, Order
from bgremoval_mm.serving.places import take_place
from bgremoval_mm.serving.service import Service
from bgremoval_mm.serving.tokens import Tokens
from bgremoval_mm.serving.uploads import Upload, read_upload
from bgremoval_mm.serving.urls import Fetcher
from bgremoval_mm.utils.text import printable

__all__ = ['ERROR', 'REMOVEBG', 'body_schema', 'make_router', 'picture_of', 'unless_gone']

REMOVEBG = '/v1.0/removebg'
_R = TypeVar('_R')
_BASE64 = 4 / 3 + 0.05  # length of a text per byte, with line breaks
_PICTURE = {'image/*': {'schema': {'type': 'string', 'format': 'binary'}}}
ERROR = {
    'description': 'refused; `code` tells why',
    'content': {
        'application/json': {
            'example': {'errors': [{'title': 'The file is too large', 'code': 'file_too_large'}]}
        }
    },
}


def make_router(engine: Service, tokens: Tokens, fetcher: Fetcher) -> APIRouter:
    """Return the routes of an engine.

    Args:
        engine: Makes the cut-outs.
        tokens: Who may have them made.
        fetcher: Fetches pictures from addresses.
    """
    router = APIRouter()
    limits = engine.limits
    model = parameters.Parameter(
        'the network', {'type': 'string', 'enum': engine.models, 'default': engine.models[0]}
    )

    @router.post(
        '/remove',
        response_class=Response,
        openapi_extra=body_schema({'model': model, **parameters.PARAMETERS}, 'file', raw=True),
        responses={200: {'description': 'the result', 'content': _PICTURE}, '4XX': ERROR},
    )
    async def remove(request: Request) -> Response:
        """Cut out the picture of a form's field `file`, or of the body itself."""
        tokens.check(request.headers)
        await take_place(request, engine)
        upload = await read_upload(request, limits)
        content = picture_of(upload)
        name = upload.fields.pop('model', '').strip() or engine.models[0]
        if name not in engine.models:
            parameters.refuse_value('model', ' or '.join(engine.models), name)
        output = parameters.read_output(upload.fields, limits.max_pixels)
        cutout = await unless_gone(request, engine.remove(Order(content, name, output)))
        headers = {'X-Width': str(cutout.size[0]), 'X-Height': str(cutout.size[1])}
        return _response(cutout, {**headers, 'X-Model': _ascii(name)})

    @router.post(
        REMOVEBG,
        response_class=Response,
        openapi_extra=body_schema(removebg.PARAMETERS, 'image_file', raw=False),
        responses={200: {'description': 'the result', 'content': _PICTURE}, '4XX': ERROR},
    )
    async def remove_as_removebg(request: Request) -> Response:
        """Do the same for clients of remove.bg: its parameters, headers and errors."""
        tokens.check(request.headers)
        await take_place(request, engine)
        upload = await read_upload(request, limits, _BASE64)
        if '' in upload.files:
            title = 'The request needs a form, or JSON'
            raise RequestError(400, 'invalid_content_type', title)
        source = removebg.source_of(upload.fields, upload.files)
        given = upload.fields.pop(source, '')
        arguments = removebg.read_order(upload.fields, engine.models, limits.max_pixels)
        if source == 'image_url':
            content = await unless_gone(request, fetcher.fetch(given))
        elif source == 'image_file_b64':
            content = await asyncio.to_thread(removebg.decode_base64, given, limits.max_bytes)
        else:
            content = upload.files[source]
        cutout = await unless_gone(request, engine.remove(Order(content, **arguments)))
        headers = removebg.headers_of(cutout)
        if 'application/json' in request.headers.get('accept', ''):
            return JSONResponse(removebg.answer(cutout), headers=headers)
        return _response(cutout, headers)

    return router


def picture_of(upload: Upload) -> bytes:
    """Return the one picture of a request.

    Raises:
        RequestError: If there is none, or the file has another name.
    """
    names = list(upload.files)
    if names in (['file'], ['']):
        return upload.files[names[0]]
    if not names:
        detail = 'send it as the field `file` of a form, or as the body'
        raise RequestError(400, 'missing_source', 'No picture was given', detail)
    parameters.refuse_unknown(dict.fromkeys(names, ''), {'file': None})
    raise RequestError(400, 'multiple_sources', 'Several pictures were given')


def _response(cutout: Cutout, headers: dict[str, str]) -> Response:
    if cutout.note:
        headers['X-Note'] = _ascii(cutout.note)
    headers['Cache-Control'] = 'no-store'
    return Response(cutout.content, media_type=cutout.media_type, headers=headers)


def _ascii(text: str) -> str:
    """Return a text as a header can hold it."""
    return printable(text).encode('ascii', 'backslashreplace').decode()


async def unless_gone(request: Request, work: Coroutine[Any, Any, _R]) -> _R:
    """Do the work, or give it up when the client has gone; the body must have been read.

    Raises:
        RequestError: If the client has gone, which it does not learn.
    """
    doing = asyncio.ensure_future(work)
    leaving = asyncio.ensure_future(_gone(request))
    try:
        await asyncio.wait({doing, leaving}, return_when=asyncio.FIRST_COMPLETED)
        if doing.done():
            return doing.result()
        raise RequestError(499, 'client_gone', 'The client has gone')
    finally:
        doing.cancel()
        leaving.cancel()


async def _gone(request: Request) -> None:
    while (await request.receive())['type'] != 'http.disconnect':
        pass


def body_schema(known: dict[str, parameters.Parameter], file: str, raw: bool) -> dict[str, Any]:
    """Return a request's body as OpenAPI describes it."""
    fields = {name: {'description': each.about, **each.schema} for name, each in known.items()}
    binary = {'type': 'string', 'format': 'binary'}
    form = {'type': 'object', 'properties': {file: binary, **fields}}
    content: dict[str, Any] = {'multipart/form-data': {'schema': form}}
    if not raw:
        return {'requestBody': {'content': content}}
    query = [
        {'in': 'query', 'name': name, 'description': each.about, 'schema': each.schema}
        for name, each in known.items()
    ]
    return {
        'requestBody': {'content': content | {'image/*': {'schema': binary}}},
        'parameters': query,
    }
