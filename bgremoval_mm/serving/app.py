"""The application: routes, probes, metrics, pages; and what a client is told of an error."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from fastapi import Depends, FastAPI, Request, Response
from fastapi.responses import HTMLResponse, JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from bgremoval_mm.serving import pages, removebg
from bgremoval_mm.serving.answers import add_error_handlers
from bgremoval_mm.serving.errors import RequestError
from bgremoval_mm.serving.hosts import check_host
from bgremoval_mm.serving.metrics import CONTENT_TYPE, Metrics
from bgremoval_mm.serving.places import Places
from bgremoval_mm.serving.routes import REMOVEBG, make_router
from bgremoval_mm.serving.search.desk import SearchDesk
from bgremoval_mm.serving.search.routes import make_search_router
from bgremoval_mm.serving.service import Service
from bgremoval_mm.serving.tokens import Tokens
from bgremoval_mm.serving.upload_routes import make_upload_router
from bgremoval_mm.serving.urls import Fetcher
from bgremoval_mm.version import __version__

if TYPE_CHECKING:  # it needs the extra `pipeline`
    from bgremoval_mm.serving.inbox import Inbox

__all__ = ['make_app']

logger = logging.getLogger(__name__)

_PROBES = ('/health', '/ready', '/metrics')


def make_app(
    engine: Service,
    tokens: Tokens | None = None,
    url_hosts: Iterable[str] = (),
    inbox: Inbox | None = None,
    desk: SearchDesk | None = None,
    any_host: bool = True,
) -> FastAPI:
    """Return the service as an ASGI application; it starts and ends the engine.

    Args:
        engine: Makes the cut-outs.
        tokens: Of which a request needs one; None lets every request in.
        url_hosts: Hosts that pictures may be fetched from.
        inbox: Receives uploads for a pipeline; None leaves these endpoints out.
        desk: Searches an index of photos; None: there is no search.
        any_host: Whether other names than this machine's are allowed without tokens.
    """
    tokens = tokens or Tokens()

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        engine.start()
        yield
        await asyncio.to_thread(engine.close)
        if desk is not None:
            desk.close()

    app = FastAPI(
        title='bgremoval_mm',
        summary='Removes the background of photos.',
        version=__version__,
        lifespan=lifespan,
        docs_url=None,  # FastAPI's own page loads its scripts from another host
        redoc_url=None,
        dependencies=[] if any_host or tokens.are_needed else [Depends(_check_host)],
    )
    app.include_router(make_router(engine, tokens, Fetcher(url_hosts, engine.limits)))
    if inbox is not None:
        app.include_router(make_upload_router(engine, tokens, inbox))
    _add_probes(app, engine)
    if desk is not None:
        app.include_router(make_search_router(engine, tokens, desk))
    _add_pages(app, engine, tokens, searches=desk is not None)
    _add_error_handlers(app, engine.metrics)
    app.add_middleware(Places)
    app.add_middleware(_Observer, metrics=engine.metrics)
    return app


def _check_host(request: Request) -> None:
    if request.url.path not in _PROBES:
        check_host(request.headers)


def _add_probes(app: FastAPI, engine: Service) -> None:
    @app.get('/health')
    async def health() -> dict[str, str]:
        """Tell that the process is alive."""
        return {'status': 'ok', 'version': __version__}

    @app.get('/ready')
    async def ready() -> Response:
        """Tell whether the networks are loaded and run; status 503 until then."""
        if engine.is_ready:
            return JSONResponse({'status': 'ready', 'models': engine.models})
        return JSONResponse({'status': 'starting'}, 503, {'Retry-After': '5'})

    @app.get('/metrics', response_class=Response)
    async def metrics() -> Response:
        """Return the metrics in Prometheus's text format."""
        return Response(engine.metrics.text(), media_type=CONTENT_TYPE)


def _add_pages(app: FastAPI, engine: Service, tokens: Tokens, searches: bool) -> None:
    page = pages.front_page(engine.models, engine.limits, tokens.are_needed, searches)

    @app.get('/', response_class=HTMLResponse, include_in_schema=False)
    async def front() -> Response:
        """Return the page for people."""
        return HTMLResponse(page, headers=pages.HEADERS)

    @app.get('/docs', response_class=HTMLResponse, include_in_schema=False)
    async def reference() -> Response:
        """Return the reference for programmers."""
        return HTMLResponse(pages.reference(app.openapi()), headers=pages.HEADERS)


def _add_error_handlers(app: FastAPI, metrics: Metrics) -> None:
    def answer(request: Request, error: RequestError) -> Response:
        metrics.refused.labels(error.code).inc()
        is_removebg = request.url.path == REMOVEBG
        status = removebg.status_of(error.status) if is_removebg else error.status
        return JSONResponse(error.body(), status, error.headers)

    add_error_handlers(app, answer)


class _Observer:
    """Counts, times and logs requests; the picture and what was asked for are not logged."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope['type'] != 'http':
            await self._app(scope, receive, send)
            return
        started = time.perf_counter()
        status = 500

        async def observed(message: Message) -> None:
            nonlocal status
            if message['type'] == 'http.response.start':
                status = message['status']
                message['headers'] = [
                    *message['headers'],
                    (b'x-content-type-options', b'nosniff'),
                ]
            await send(message)

        try:
            await self._app(scope, receive, observed)
        finally:
            self._record(scope, status, time.perf_counter() - started)

    def _record(self, scope: Scope, status: int, seconds: float) -> None:
        route: Any = scope.get('route')
        path = getattr(route, 'path', 'other')  # what a client makes up is no label
        self._metrics.requests.labels(path, str(status)).inc()
        self._metrics.seconds.labels(path).observe(seconds)
        if path not in _PROBES:
            logger.info('%s %s %d %.3f s', scope['method'], scope['path'], status, seconds)
