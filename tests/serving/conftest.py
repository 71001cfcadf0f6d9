"""A service with a tiny network, and its clients."""

from __future__ import annotations

import io
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import numpy as np
import pytest
from PIL import Image
from starlette.testclient import TestClient

from bgremoval_mm.removal import BackgroundRemover
from bgremoval_mm.removal.images.reading import decode_image
from bgremoval_mm.removal.options import OutputOptions
from bgremoval_mm.removal.outputs.rendering import render
from bgremoval_mm.serving.app import make_app
from bgremoval_mm.serving.engine import Engine
from bgremoval_mm.serving.limits import Limits
from bgremoval_mm.serving.run import Server, listen, serve


@pytest.fixture
def encoded(picture) -> Callable[..., bytes]:
    """A function that makes a picture file: a bright square."""

    def make(seed: int = 0, width: int = 24, height: int = 16, kind: str = 'PNG') -> bytes:
        buffer = io.BytesIO()
        Image.fromarray(picture(width, height, seed)).save(buffer, kind)
        return buffer.getvalue()

    return make


@pytest.fixture
def removers(tiny_model) -> dict[str, BackgroundRemover]:
    """Two tiny networks, in batches of four."""
    made = {}
    for name in ('u2netp', 'silueta'):
        tiny_model(name)
        made[name] = BackgroundRemover(
            name, backend='onnxruntime', device='cpu', batch_size=4, num_threads=1
        )
    return made


@pytest.fixture
def expected(removers) -> Callable[..., np.ndarray]:
    """A function that makes the pixels of a picture's result, without the service."""

    def make(content: bytes, model: str = 'u2netp', **options: Any) -> np.ndarray:
        source = decode_image(content)
        mask, _ = removers[model].low_resolution([source.rgb])[0]
        return render(source, mask, OutputOptions(**{'output': 'rgba', **options})).pixels

    return make


@pytest.fixture
def engine(removers) -> Callable[..., Engine]:
    """A function that makes an engine with these limits."""
    return lambda **limits: Engine(removers, Limits(**limits), workers=2)


@pytest.fixture
def service(engine) -> Iterator[Callable[..., TestClient]]:
    """A function that starts a service and returns its client."""
    with ExitStack() as stack:

        def start(tokens: Any = None, url_hosts: Any = (), **limits: Any) -> TestClient:
            made = engine(**limits)
            app = make_app(made, tokens, url_hosts)
            client = stack.enter_context(TestClient(app, raise_server_exceptions=False))
            made.batcher.ready.result(60)
            client.engine = made
            return client

        yield start


@pytest.fixture
def running() -> Callable[..., Any]:
    """A function that serves an application on a port of this machine, in a thread."""

    @contextmanager
    def run(app: Any, engine: Engine) -> Iterator[str]:
        listening = listen('127.0.0.1', 0)
        servers: list[Server] = []
        thread = threading.Thread(target=serve, args=(app, engine, listening, servers.append))
        thread.start()
        engine.ready.result(300)
        try:
            yield f'http://127.0.0.1:{listening.getsockname()[1]}'
        finally:
            servers[0].should_exit = True
            thread.join(60)
        assert not thread.is_alive()

    return run
