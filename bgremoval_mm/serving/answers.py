"""What a client is told of an error, whatever it was."""

from __future__ import annotations

from collections.abc import Callable

from fastapi import FastAPI, Request, Response
from starlette.exceptions import HTTPException

from bgremoval_mm.serving.errors import RequestError

__all__ = ['add_error_handlers']


def add_error_handlers(app: FastAPI, answer: Callable[[Request, RequestError], Response]) -> None:
    """Have an application answer every error in one form.

    Args:
        app: The application.
        answer: Makes the answer of a request's error.
    """

    @app.exception_handler(RequestError)
    async def refused(request: Request, error: RequestError) -> Response:
        return answer(request, error)

    @app.exception_handler(HTTPException)
    async def not_found(request: Request, error: HTTPException) -> Response:
        code = {404: 'not_found', 405: 'method_not_allowed'}.get(error.status_code, 'http_error')
        headers = dict(error.headers or {})
        return answer(request, RequestError(error.status_code, code, error.detail, '', headers))

    @app.exception_handler(Exception)
    async def failed(request: Request, error: Exception) -> Response:
        # The server logs it with its traceback; clients learn nothing of it.
        title = 'The service has failed on this request'
        return answer(request, RequestError(500, 'internal_error', title))
