"""The application: a page, and the requests that it makes."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from urllib.parse import urlsplit

from fastapi import FastAPI, Request, Response
from fastapi.responses import HTMLResponse, JSONResponse
from starlette.exceptions import HTTPException
from starlette.middleware.trustedhost import TrustedHostMiddleware

from bgremoval_mm.pipeline.verdicts import NotWaitingError, VerdictError
from bgremoval_mm.serving import pages
from bgremoval_mm.serving.errors import RequestError
from bgremoval_mm.serving.limits import Limits
from bgremoval_mm.serving.review.desk import Desk
from bgremoval_mm.serving.tokens import Tokens
from bgremoval_mm.serving.uploads import read_upload
from bgremoval_mm.version import __version__

__all__ = ['make_review_app']

_KEPT = {'Cache-Control': 'private, max-age=3600'}  # what is shown of a version never changes


def make_review_app(
    desk: Desk,
    tokens: Tokens | None = None,
    limits: Limits | None = None,
    hosts: Sequence[str] = ('*',),
) -> FastAPI:
    """Return the review as an ASGI application.

    Args:
        desk: The uploads that wait, and what can be done with them.
        tokens: Of which a request needs one; None lets every request in.
        limits: What is accepted of a corrected mask.
        hosts: Names under which the service may be asked. A page of another site cannot reach it
            under a name of its own then.
    """
    tokens, limits = tokens or Tokens(), limits or Limits()
    app = FastAPI(title='Review of masks', version=__version__, docs_url=None, redoc_url=None)
    app.add_middleware(TrustedHostMiddleware, allowed_hosts=list(hosts), www_redirect=False)
    page = pages.review_page(tokens.are_needed)

    @app.get('/', response_class=HTMLResponse, include_in_schema=False)
    async def front() -> Response:
        """Return the page."""
        return HTMLResponse(page, headers=pages.HEADERS)

    @app.get('/health')
    async def health() -> dict[str, str]:
        """Tell that the process is alive."""
        return {'status': 'ok', 'version': __version__}

    @app.get('/waiting')
    async def waiting(request: Request) -> Response:
        """List the photos that wait, the most suspicious ones first."""
        tokens.check(request.headers)
        found = await asyncio.to_thread(desk.waiting)
        return JSONResponse(found, headers={'Cache-Control': 'no-store'})

    @app.get('/uploads/{upload}/photo', response_class=Response)
    async def photo(request: Request, upload: int) -> Response:
        """Return the photo, upright, at a size for the screen."""
        tokens.check(request.headers)
        content, media_type = await asyncio.to_thread(desk.photo, upload)
        return Response(content, media_type=media_type, headers=_KEPT)

    @app.get('/uploads/{upload}/mask', response_class=Response)
    async def mask(request: Request, upload: int) -> Response:
        """Return the mask at the size of the photo on the screen, a grey PNG."""
        tokens.check(request.headers)
        content = await asyncio.to_thread(desk.mask, upload)
        return Response(content, media_type='image/png', headers=_KEPT)

    @app.post('/uploads/{upload}/accept')
    async def accept(request: Request, upload: int) -> dict[str, str]:
        """Publish the photo, with its own mask or with the one in the request's body."""
        _check_origin(request)
        tokens.check(request.headers)
        given = (await read_upload(request, limits)).files
        if set(given) - {'', 'mask'} or len(given) > 1:
            detail = 'send the mask as the body, or as the field `mask` of a form'
            raise RequestError(400, 'invalid_parameter', 'One file at most is expected', detail)
        content = next(iter(given.values()), None)
        return {'state': await asyncio.to_thread(desk.accept, upload, content)}

    @app.post('/uploads/{upload}/reject')
    async def reject(request: Request, upload: int) -> dict[str, str]:
        """Do not publish the photo; a field `reason` goes into its history."""
        _check_origin(request)
        tokens.check(request.headers)
        reason = (await read_upload(request, limits)).fields.get('reason', '')
        return {'state': await asyncio.to_thread(desk.reject, upload, reason)}

    _add_error_handlers(app)
    return app


def _check_origin(request: Request) -> None:
    """Refuse what a page of another site sends with the reviewer's browser.

    Browsers send these headers and do not let pages set them (Fetch Metadata, W3C; Origin, RFC
    6454). Programs send neither.

    Raises:
        RequestError: If it comes from another site.
    """
    site, origin = request.headers.get('sec-fetch-site'), request.headers.get('origin')
    if site is not None:
        is_own = site in ('same-origin', 'none')
    else:
        is_own = origin is None or urlsplit(origin).netloc == request.headers.get('host')
    if not is_own:
        raise RequestError(403, 'other_site', 'Verdicts are taken from this page only')


def _add_error_handlers(app: FastAPI) -> None:
    def answer(error: RequestError) -> Response:
        return JSONResponse(error.body(), error.status, error.headers)

    @app.exception_handler(RequestError)
    async def refused(_: Request, error: RequestError) -> Response:
        return answer(error)

    @app.exception_handler(NotWaitingError)
    async def gone(_: Request, error: NotWaitingError) -> Response:
        title = 'This photo no longer waits: somebody has decided, or it has changed'
        return answer(RequestError(409, 'not_waiting', title, str(error)))

    @app.exception_handler(VerdictError)
    async def wrong(_: Request, error: VerdictError) -> Response:
        return answer(RequestError(400, 'verdict_refused', 'This cannot be done', str(error)))

    @app.exception_handler(HTTPException)
    async def not_found(_: Request, error: HTTPException) -> Response:
        code = {404: 'not_found', 405: 'method_not_allowed'}.get(error.status_code, 'http_error')
        return answer(RequestError(error.status_code, code, error.detail))

    @app.exception_handler(Exception)
    async def failed(_: Request, error: Exception) -> Response:
        # The server logs it with its traceback; clients learn nothing of it.
        return answer(RequestError(500, 'internal_error', 'The service has failed on this request'))
