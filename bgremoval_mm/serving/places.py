"""Places in the queue: requests keep theirs until their answer has been taken."""

from __future__ import annotations

from contextlib import AsyncExitStack

from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from bgremoval_mm.serving.service import Service

__all__ = ['Places', 'take_place']

_KEY = 'bgremoval_mm.place'


async def take_place(request: Request, engine: Service) -> None:
    """Take one of the places in the queue, until the answer has been taken.

    Raises:
        RequestError: If there is none, or the networks are not loaded yet.
    """
    await request.scope[_KEY].enter_async_context(engine.admitted())


class Places:
    """Middleware that gives places back once the client has taken what it asked for.

    Args:
        app: What answers requests.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope['type'] != 'http':
            await self._app(scope, receive, send)
            return

        async def send_all(message: Message) -> None:
            # The server waits until a client takes what was sent before it sends more: an empty
            # last part thus waits for all that the client has to take.
            if message['type'] == 'http.response.body' and not message.get('more_body'):
                await send({**message, 'more_body': True})
                message = {'type': 'http.response.body', 'body': b''}
            await send(message)

        async with AsyncExitStack() as stack:
            scope[_KEY] = stack
            await self._app(scope, receive, send_all)
