"""The application: the page, and the endpoints by which it reads and decides."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any, TypeVar

from fastapi import FastAPI, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, JSONResponse
from sqlalchemy.exc import OperationalError

from bgremoval_mm.pipeline.claims import claim_of
from bgremoval_mm.pipeline.files import PipelineFiles
from bgremoval_mm.pipeline.queue import UploadQueue
from bgremoval_mm.pipeline.routes import Routes
from bgremoval_mm.pipeline.states import State
from bgremoval_mm.pipeline.tables import Upload
from bgremoval_mm.pipeline.waiting import Waiting, WaitingList
from bgremoval_mm.removal.images.reading import ImageError
from bgremoval_mm.removal.outputs.cutouts import encode_image
from bgremoval_mm.reviewing import page
from bgremoval_mm.reviewing.guard import Guard
from bgremoval_mm.reviewing.pictures import Pictures
from bgremoval_mm.reviewing.verdicts import Verdicts
from bgremoval_mm.serving.answers import add_error_handlers
from bgremoval_mm.serving.errors import RequestError
from bgremoval_mm.serving.limits import Limits
from bgremoval_mm.serving.tokens import Tokens
from bgremoval_mm.serving.uploads import Upload as Body
from bgremoval_mm.serving.uploads import read_upload
from bgremoval_mm.utils.text import printable
from bgremoval_mm.version import __version__

__all__ = ['LIMITS', 'make_app']

logger = logging.getLogger(__name__)
_R = TypeVar('_R')

# A mask of a photo of 150 megapixels has some megabytes as PNG.
LIMITS = Limits(max_bytes=50 * 1024**2, max_pixels=300_000_000, seconds=120)
_MOST_LISTED = 500
_LONGEST_REASON = 1000
_PRIVATE = {'Cross-Origin-Resource-Policy': 'same-origin', 'X-Content-Type-Options': 'nosniff'}
_NOT_KEPT = {**_PRIVATE, 'Cache-Control': 'no-store'}


def make_app(
    queue: UploadQueue,
    files: PipelineFiles,
    routes: Routes,
    tokens: Tokens | None = None,
    *,
    any_host: bool = False,
    limits: Limits = LIMITS,
) -> FastAPI:
    """Return the service as an ASGI application.

    Args:
        queue: The uploads.
        files: Their files.
        routes: What is made of which.
        tokens: Of which a request needs one; None lets every request of this machine in.
        any_host: Whether other names than this machine's are allowed without tokens.
        limits: What is accepted.
    """
    tokens = tokens or Tokens()
    guard = Guard(tokens, any_host)
    app = FastAPI(
        title='bgremoval_mm review',
        summary='Decides on masks that wait in review.',
        version=__version__,
        docs_url=None,  # FastAPI's own page loads its scripts from another host
        redoc_url=None,
    )
    text = page.review_page(files.root.resolve().name, limits, tokens.are_needed, queue.lease)

    @app.get('/', response_class=HTMLResponse, include_in_schema=False)
    def front(request: Request) -> Response:
        """Return the page."""
        guard.check_host(request.headers)
        return HTMLResponse(text, headers=page.HEADERS)

    @app.get('/health')
    async def health() -> dict[str, str]:
        """Tell that the process is alive."""
        return {'status': 'ok', 'version': __version__}

    _add_reading(app, queue, WaitingList(queue, files), Pictures(files), guard)
    _add_verdicts(app, queue, Verdicts(queue, files, routes), guard, limits)
    _add_error_handlers(app)
    return app


def _add_error_handlers(app: FastAPI) -> None:
    add_error_handlers(app, _answer)

    @app.exception_handler(RequestValidationError)
    async def invalid(request: Request, error: RequestValidationError) -> Response:
        found = error.errors()[0]
        detail = f'`{found["loc"][-1]}`: {found["msg"]}'
        title = 'A parameter is not valid'
        return _answer(request, RequestError(400, 'invalid_parameter', title, detail))

    @app.exception_handler(OperationalError)
    async def away(request: Request, error: OperationalError) -> Response:
        logger.warning('the database does not answer: %s', error.orig)
        title = 'The database does not answer'
        return _answer(
            request, RequestError(503, 'no_database', title, 'try again', {'Retry-After': '5'})
        )


def _answer(request: Request, error: RequestError) -> Response:
    return JSONResponse(error.body(), error.status, {**_NOT_KEPT, **error.headers})


def _add_reading(
    app: FastAPI, queue: UploadQueue, waiting: WaitingList, pictures: Pictures, guard: Guard
) -> None:
    @app.get('/uploads')
    def uploads(request: Request) -> Response:
        """List what waits in review, the most doubtful mask first, at most 500 of them."""
        guard.check(request.headers)
        found = waiting.read()
        body = {'waiting': len(found), 'uploads': [_row(each) for each in found[:_MOST_LISTED]]}
        return JSONResponse(body, headers=_NOT_KEPT)

    @app.get('/uploads/{number:int}/photo')
    def photo(request: Request, number: int, full: bool = False) -> Response:
        """Return the photo, upright, as JPEG: 1.5 megapixels at most, or `full`."""
        guard.check(request.headers)
        content = _read(lambda: pictures.photo(_find(queue, number), full))
        headers = {**_PRIVATE, 'Cache-Control': 'private, max-age=3600'}
        return Response(content, media_type='image/jpeg', headers=headers)

    @app.get('/uploads/{number:int}/mask')
    def mask(request: Request, number: int) -> Response:
        """Return the network's mask as PNG, at the photo's size."""
        guard.check(request.headers)
        content = encode_image(_read(lambda: pictures.mask(_find(queue, number))), 'png')
        return Response(content, media_type='image/png', headers=_NOT_KEPT)

    @app.get('/uploads/{number:int}/mask/levels')
    def levels(request: Request, number: int) -> Response:
        """Return the same as levels row by row, with X-Width and X-Height."""
        guard.check(request.headers)
        found = _read(lambda: pictures.raw_mask(_find(queue, number)))
        headers = {
            **_NOT_KEPT,
            'Content-Encoding': 'gzip',
            'X-Width': str(found.size[0]),
            'X-Height': str(found.size[1]),
        }
        kind = 'application/octet-stream'
        return Response(found.zipped, media_type=kind, headers=headers)


def _add_verdicts(
    app: FastAPI, queue: UploadQueue, verdicts: Verdicts, guard: Guard, limits: Limits
) -> None:
    async def decide(request: Request, number: int, do: Callable[[Upload, str], State]) -> Response:
        """Have a verdict carried out in a thread; the page's claim is in X-Claim."""
        upload = await run_in_threadpool(_find, queue, number)
        state = await run_in_threadpool(do, upload, request.headers.get('x-claim', ''))
        return JSONResponse({'state': state}, headers=_NOT_KEPT)

    @app.post('/uploads/{number:int}/accept')
    async def accept(request: Request, number: int) -> Response:
        """Publish the photo with the network's mask."""
        guard.check_change(request.headers)
        return await decide(request, number, verdicts.accept)

    @app.post('/uploads/{number:int}/reject')
    async def reject(request: Request, number: int) -> Response:
        """Do not publish the photo; JSON with a `reason`, or nothing."""
        guard.check_change(request.headers)
        reason = _reason(await read_upload(request, limits))
        return await decide(
            request, number, lambda upload, token: verdicts.reject(upload, token, reason)
        )

    @app.post('/uploads/{number:int}/mask')
    async def correct(request: Request, number: int) -> Response:
        """Publish the photo with this mask: the body, or the field `file` of a form."""
        guard.check_change(request.headers)
        content = _file(await read_upload(request, limits))
        return await decide(
            request,
            number,
            lambda upload, token: verdicts.correct(upload, token, content, limits.max_pixels),
        )

    @app.post('/uploads/{number:int}/hold')
    def hold(request: Request, number: int) -> Response:
        """Keep the photo for one person, or for longer with X-Claim; returns that claim."""
        guard.check_change(request.headers)
        upload, token = _find(queue, number), request.headers.get('x-claim', '')
        claim = queue.claim_review(upload.name, upload.version, token)
        if claim is None:
            detail = 'somebody else is deciding on it, or has done so'
            raise RequestError(409, 'taken', 'This photo cannot be decided on', detail)
        body = {'claim': claim.token, 'seconds': queue.lease}
        return JSONResponse(body, headers=_NOT_KEPT)

    @app.post('/uploads/{number:int}/release')
    def release(request: Request, number: int) -> Response:
        """Give the photo back that was held with this X-Claim."""
        guard.check_change(request.headers)
        upload, token = _find(queue, number), request.headers.get('x-claim', '')
        if token and upload.claim == token:
            queue.release(claim_of(upload))
        return JSONResponse({}, headers=_NOT_KEPT)


def _row(each: Waiting) -> dict[str, Any]:
    upload, found = each.upload, each.quality
    figures = ('foreground', 'confidence', 'border', 'components')
    return {
        'id': upload.id,
        'name': printable(upload.name),
        'version': upload.version,
        'route': upload.route,
        'model': upload.model,
        'received': upload.received,
        'reasons': upload.reasons.split('; ') if upload.reasons else [],
        'flags': ['no mask'] if found is None else list(found.flags),
        'suspicion': round(each.suspicion, 2),
        'figures': {} if found is None else {name: getattr(found, name) for name in figures},
        'held': each.is_held,
    }


def _find(queue: UploadQueue, number: int) -> Upload:
    """Return an upload that has a mask, and so is or was in review."""
    found = queue.upload(number) if number < 2**31 else None
    if found is None or not found.model:
        raise RequestError(404, 'not_found', 'There is no such upload')
    return found


def _read(read: Callable[[], _R]) -> _R:
    try:
        return read()
    except ImageError as err:
        raise RequestError(422, 'unreadable', 'The photo cannot be read', str(err)) from err
    except OSError as err:
        logger.exception('a file of the pipeline cannot be read')
        detail = err.strerror or 'no picture'
        raise RequestError(404, 'no_file', 'The file cannot be read', detail) from err


def _reason(body: Body) -> str:
    if set(body.fields) - {'reason'} or body.files:
        raise RequestError(400, 'invalid_parameter', 'Only JSON with `reason` is taken')
    reason = body.fields.get('reason', '').strip()
    if len(reason) > _LONGEST_REASON:
        detail = f'`reason` must have {_LONGEST_REASON} characters at most, but has {len(reason)}'
        raise RequestError(400, 'invalid_parameter', 'The reason is too long', detail)
    return reason


def _file(body: Body) -> bytes:
    names = list(body.files)
    if body.fields or names not in (['file'], ['']):
        detail = 'send it as the body, or as the field `file` of a form'
        raise RequestError(400, 'missing_source', 'No mask was given', detail)
    return body.files[names[0]]
