"""The endpoints that receive uploads for a pipeline, and tell where each stands."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse

from bgremoval_mm.serving import parameters
from bgremoval_mm.serving.errors import RequestError
from bgremoval_mm.serving.hosts import check_site
from bgremoval_mm.serving.places import take_place
from bgremoval_mm.serving.routes import body_schema, picture_of
from bgremoval_mm.serving.service import Service
from bgremoval_mm.serving.tokens import Tokens
from bgremoval_mm.serving.uploads import read_upload

if TYPE_CHECKING:
    from bgremoval_mm.serving.inbox import Inbox

__all__ = ['make_upload_router']

_NAME = parameters.Parameter(
    'path under which the result is published', {'type': 'string', 'example': 'shoes/a.jpg'}
)


def make_upload_router(engine: Service, tokens: Tokens, inbox: Inbox) -> APIRouter:
    """Return the routes of an inbox.

    Args:
        engine: Whose limits hold, and whose places in the queue are taken.
        tokens: Who may send uploads, and may ask for them.
        inbox: Where uploads go.
    """
    router = APIRouter()

    @router.post(
        '/uploads',
        response_class=JSONResponse,
        openapi_extra=body_schema({'name': _NAME}, 'file', raw=True),
        responses={
            202: {'description': 'recorded; workers will do the rest'},
            200: {'description': 'known already'},
        },
    )
    async def receive(request: Request) -> Response:
        """Receive a photo for the pipeline: a form's field `file`, or the body itself."""
        tokens.check(request.headers)
        check_site(request.headers)  # it would be stored
        await take_place(request, engine)
        upload = await read_upload(request, engine.limits)
        content = picture_of(upload)
        parameters.refuse_unknown(upload.fields, {'name': None})
        if 'name' not in upload.fields:
            detail = '`name` must be a relative path such as shoes/a.jpg, but is missing'
            raise RequestError(400, 'invalid_parameter', 'A parameter is missing', detail)
        # To its end, also if the client leaves: files and database are written in a thread.
        receipt = await asyncio.to_thread(inbox.receive, upload.fields['name'], content)
        headers = {'Location': f'uploads/{receipt.body["id"]}', 'Cache-Control': 'no-store'}
        return JSONResponse(receipt.body, 202 if receipt.is_new else 200, headers)

    @router.get('/uploads/{number}', response_class=JSONResponse)
    async def find(number: str, request: Request) -> Response:
        """Tell where an upload stands, why, and how it came there."""
        tokens.check(request.headers)
        is_number = number.isascii() and number.isdigit() and len(number) < 20
        found = await asyncio.to_thread(inbox.find, int(number) if is_number else 0)
        return JSONResponse(found, headers={'Cache-Control': 'no-store'})

    return router
