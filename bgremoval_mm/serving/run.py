"""Running the service: a socket, uvicorn, and a graceful stop."""

from __future__ import annotations

import logging
import math
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import uvicorn
from fastapi import FastAPI

from bgremoval_mm.removal.errors import BgremovalError
from bgremoval_mm.serving.connections import make_protocol
from bgremoval_mm.serving.limits import Limits
from bgremoval_mm.serving.service import Service

__all__ = ['Server', 'listen', 'make_server', 'serve']

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Server(uvicorn.Server):
    """uvicorn's server, which does not send itself the signal again that has stopped it.

    A service that has finished what it accepted has done what SIGTERM asked for: it ends with
    code 0.
    """

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Stop gracefully on SIGINT and SIGTERM; a second Ctrl-C does not wait."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = {number: signal.signal(number, self.handle_exit) for number in _SIGNALS}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


def listen(host: str, port: int) -> socket.socket:
    """Return a socket on which connections are accepted.

    Args:
        host: Name or address to listen on.
        port: Its port; 0 takes any that is free.

    Raises:
        BgremovalError: If that is not possible.
    """
    try:
        family, *_, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        return socket.create_server(address[:2], family=family, backlog=2048)
    except (OSError, OverflowError, UnicodeError) as err:
        reason = err.strerror if isinstance(err, OSError) and err.strerror else err
        msg = f'cannot listen on {host}, port {port}: {reason}'
        raise BgremovalError(msg) from err


def make_server(app: FastAPI, limits: Limits) -> Server:
    """Return a server that is not running yet; its stop waits for what the limits allow."""
    # What it says at the start and the end, the command says itself.
    logging.getLogger('uvicorn').setLevel(logging.WARNING)
    logging.getLogger('httpx').setLevel(logging.WARNING)  # it would log the addresses of pictures
    # An upload, the work on it, and its answer.
    longest = math.ceil(2 * limits.upload_seconds + limits.seconds) + 1
    config = uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        server_header=False,
        loop='asyncio',  # the same whatever else is installed
        http=make_protocol(limits.upload_seconds),
        proxy_headers=False,  # who the client is makes no difference
        lifespan='on',
        ws='none',
        timeout_graceful_shutdown=longest,
    )
    return Server(config)


def serve(
    app: FastAPI,
    engine: Service,
    listening: socket.socket,
    started: Callable[[Server], Any] = lambda server: None,
) -> None:
    """Serve until SIGTERM or Ctrl-C; then finish what was accepted.

    Args:
        app: The application.
        engine: Its engine.
        listening: Where connections are accepted; closed in the end.
        started: Called before the first request, with the server; setting its `should_exit` stops
            it.

    Raises:
        Exception: What the networks raised as they were loaded.
    """
    server = make_server(app, engine.limits)

    def stop_if_failed(ready: Any) -> None:
        if not ready.cancelled() and ready.exception() is not None:
            server.should_exit = True

    engine.ready.add_done_callback(stop_if_failed)
    started(server)
    with listening:
        server.run(sockets=[listening])
    ready = engine.ready
    if ready.done() and (error := ready.exception()) is not None:
        raise error
