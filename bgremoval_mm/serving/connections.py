"""The protocol of a connection: how long a client may take to ask, and to take its answer."""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol

__all__ = ['make_protocol']


def make_protocol(seconds: float) -> type[H11Protocol]:
    """Return uvicorn's protocol, with the time limits that it lacks.

    Args:
        seconds: Time within which the head of a request must come, from the beginning of the
            connection or the end of the last answer, and within which an answer must be taken. A
            connection on which it does not is closed.
    """

    class LimitedProtocol(H11Protocol):
        _check: asyncio.TimerHandle | None = None

        def connection_made(self, transport: Any) -> None:
            super().connection_made(transport)
            self._wait()

        def pause_writing(self) -> None:
            super().pause_writing()
            self._wait()

        def on_response_complete(self) -> None:
            self._wait()
            super().on_response_complete()

        def connection_lost(self, exc: Exception | None) -> None:
            if self._check is not None:
                self._check.cancel()
            super().connection_lost(exc)

        def _wait(self) -> None:
            if self._check is not None:
                self._check.cancel()
            self._check = self.loop.call_later(seconds, self._close_idle)

        def _close_idle(self) -> None:
            if self.transport.get_write_buffer_size():
                self.transport.abort()  # `close` would wait until the client has taken the rest
            elif self.cycle is None or self.cycle.response_complete:
                self.transport.close()

    return LimitedProtocol
