"""The page of the search, and its endpoints for programs, as FastAPI's routes."""

from __future__ import annotations

import json
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import HTMLResponse

from bgremoval_mm.serving import pages
from bgremoval_mm.serving.parameters import Parameter, parse_flag, refuse_unknown, refuse_value
from bgremoval_mm.serving.places import take_place
from bgremoval_mm.serving.routes import ERROR, body_schema, picture_of, unless_gone
from bgremoval_mm.serving.search.desk import MOST_HITS, SearchDesk
from bgremoval_mm.serving.service import Service
from bgremoval_mm.serving.tokens import Tokens
from bgremoval_mm.serving.uploads import read_upload

__all__ = ['make_search_router']

_JPEG = {'image/jpeg': {'schema': {'type': 'string', 'format': 'binary'}}}


def make_search_router(engine: Service, tokens: Tokens, desk: SearchDesk) -> APIRouter:
    """Return the routes of a search.

    Args:
        engine: Lets a bounded number of requests in, those for cut-outs included.
        tokens: Who may search.
        desk: Searches.
    """
    router = APIRouter()
    page = pages.search_page(desk.limits, tokens.are_needed, desk.k, MOST_HITS)
    known = {
        'k': Parameter(
            f'how many photos are found, from 1 to {MOST_HITS}',
            {'type': 'integer', 'minimum': 1, 'maximum': MOST_HITS, 'default': desk.k},
            _parse_count,
        ),
        'query': Parameter(
            'also return the query as it was searched for, and its mask, as `data:` addresses',
            {'type': 'boolean', 'default': False},
            parse_flag,
        ),
    }

    @router.get('/search', response_class=HTMLResponse, include_in_schema=False)
    async def front() -> Response:
        """Return the page for people."""
        return HTMLResponse(page, headers=pages.HEADERS)

    @router.post(
        '/search',
        response_class=Response,
        openapi_extra=body_schema(known, 'file', raw=True),
        responses={
            200: {'description': 'what was found', 'content': {'application/json': {}}},
            '4XX': ERROR,
        },
    )
    async def search(request: Request) -> Response:
        """Find the photos of the index that are most similar to a form's `file`, or the body."""
        tokens.check(request.headers)
        await take_place(request, engine)
        upload = await read_upload(request, desk.limits)
        content = picture_of(upload)
        refuse_unknown(upload.fields, known)
        given: dict[str, Any] = {'k': desk.k, 'query': False}
        for name, text in upload.fields.items():
            if text.strip():
                try:
                    given[name] = known[name].parse(text.strip())
                except ValueError as err:
                    refuse_value(name, str(err), text)
        work = desk.search(content, given['k'], given['query'])
        with engine.metrics.stages.labels('search').time():
            found = await unless_gone(request, work)
        # In ASCII: names of files may hold what is no Unicode.
        headers = {'Cache-Control': 'no-store'}
        return Response(json.dumps(found), media_type='application/json', headers=headers)

    @router.get(
        '/search/photos/{state}/{number}',
        response_class=Response,
        responses={200: {'description': 'a JPEG', 'content': _JPEG}, '4XX': ERROR},
    )
    async def thumbnail(request: Request, state: str, number: str) -> Response:
        """Return a small picture of a photo that was found; its address is in the answer."""
        tokens.check(request.headers)
        await take_place(request, engine)
        content = await desk.thumbnail(state, number)
        headers = {'Cache-Control': 'private, max-age=300'}
        return Response(content, media_type='image/jpeg', headers=headers)

    return router


def _parse_count(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) < 10 and 1 <= int(text) <= MOST_HITS):
        msg = f'a whole number from 1 to {MOST_HITS}'
        raise ValueError(msg)
    return int(text)
