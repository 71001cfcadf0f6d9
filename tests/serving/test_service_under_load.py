"""Many clients at once: nobody gets another one's picture, and what is too much is refused."""

from __future__ import annotations

import asyncio
import io
import threading
from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import numpy as np
import pytest
from PIL import Image

from bgremoval_mm.serving.app import make_app
from bgremoval_mm.serving.engine import Engine

CLIENTS = 200


def with_client(engine: Engine, work: Callable[[httpx.AsyncClient], Awaitable[Any]]) -> Any:
    """Start a service in this thread's event loop, and do the work with a client of it."""

    async def run() -> Any:
        app = make_app(engine)
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with (
            app.router.lifespan_context(app),
            httpx.AsyncClient(transport=transport, base_url='http://service') as client,
        ):
            await asyncio.wrap_future(engine.batcher.ready)
            return await work(client)

    return asyncio.run(run())


class Gate:
    """Holds the network until it is opened."""

    def __init__(self, engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
        self.opened = threading.Event()
        self.reached = threading.Event()
        self.seen: list[int] = []
        remover = engine.removers['u2netp']
        infer = remover.infer

        def held(batch: np.ndarray) -> Any:
            self.seen.append(len(batch))
            self.reached.set()
            assert self.opened.wait(60)
            return infer(batch)

        monkeypatch.setattr(remover, 'infer', held)


def test_everybody_gets_their_own(engine, encoded, expected) -> None:
    """200 distinct pictures at once, of two networks and three outputs: all answers are right."""
    made = engine(queue=CLIENTS)
    orders = [
        (
            encoded(seed, 16 + seed % 7, 14 + seed % 5),
            {'model': ('u2netp', 'silueta')[seed % 2], 'output': ('rgba', 'mask', 'rgb')[seed % 3]},
        )
        for seed in range(CLIENTS)
    ]
    wanted = [
        expected(content, **fields, **({'edges': 'clean'} if fields['output'] == 'rgb' else {}))
        for content, fields in orders
    ]
    assert len({each.tobytes() for each in wanted}) == CLIENTS

    async def ask_all(client: httpx.AsyncClient) -> list[httpx.Response]:
        return await asyncio.gather(
            *(
                client.post('/remove', files={'file': content}, data=fields, timeout=120)
                for content, fields in orders
            )
        )

    answers = with_client(made, ask_all)
    for response, right in zip(answers, wanted, strict=True):
        assert response.status_code == 200, response.text
        got = np.asarray(Image.open(io.BytesIO(response.content)))
        # Networks round differently in batches of different sizes.
        assert got.shape == right.shape
        assert np.abs(got.astype(int) - right).max() <= 1
    text = made.metrics.text().decode()
    assert f'bgremoval_requests_total{{path="/remove",status="200"}} {CLIENTS}.0' in text


def test_full_queue(engine, encoded, monkeypatch: pytest.MonkeyPatch) -> None:
    """Requests beyond the queue are refused at once, with the time after which to try again."""
    made = engine(queue=2)

    async def ask(client: httpx.AsyncClient) -> tuple[httpx.Response, list[httpx.Response]]:
        gate = Gate(made, monkeypatch)
        first = [
            asyncio.create_task(client.post('/remove', content=encoded(seed))) for seed in range(2)
        ]
        await asyncio.to_thread(gate.reached.wait, 60)
        refused = await client.post('/remove', content=encoded(9))
        assert (await client.get('/health')).status_code == 200
        gate.opened.set()
        return refused, [await each for each in first]

    refused, first = with_client(made, ask)
    assert refused.status_code == 503
    assert int(refused.headers['retry-after']) >= 1
    assert refused.json()['errors'][0]['code'] == 'queue_full'
    assert [each.status_code for each in first] == [200, 200]
    assert 'bgremoval_refused_total{code="queue_full"} 1.0' in made.metrics.text().decode()


def test_time_limit(engine, encoded, monkeypatch: pytest.MonkeyPatch) -> None:
    """A picture that takes too long is answered with 504, and given up if it still waits."""
    made = engine(seconds=0.3)
    gates = []

    async def ask(client: httpx.AsyncClient) -> list[httpx.Response]:
        gates.append(Gate(made, monkeypatch))
        first = asyncio.create_task(client.post('/remove', content=encoded()))
        await asyncio.to_thread(gates[0].reached.wait, 60)
        late = await asyncio.gather(*(client.post('/remove', content=encoded(k)) for k in range(3)))
        gates[0].opened.set()
        return [await first, *late]

    answers = with_client(made, ask)
    assert [each.status_code for each in answers] == [504] * 4
    assert answers[0].json()['errors'][0] == {
        'title': 'The picture took too long',
        'code': 'time_limit',
        'detail': 'the limit is 0.3 s',
    }
    assert gates[0].seen == [1], 'what nobody waits for any more was computed'


def test_waiting_pictures_share_a_run(engine, encoded, monkeypatch: pytest.MonkeyPatch) -> None:
    """While the network runs, a batch gathers: up to the batch size, in one run."""
    made = engine()
    gates = []

    async def ask(client: httpx.AsyncClient) -> list[httpx.Response]:
        gates.append(Gate(made, monkeypatch))
        first = asyncio.create_task(client.post('/remove', content=encoded()))
        await asyncio.to_thread(gates[0].reached.wait, 60)
        waiting = [
            asyncio.create_task(client.post('/remove', content=encoded(k))) for k in range(5)
        ]
        while len(made.batcher._waiting) < 5:
            await asyncio.sleep(0.01)
        gates[0].opened.set()
        return [await first, *[await each for each in waiting]]

    assert [each.status_code for each in with_client(made, ask)] == [200] * 6
    assert gates[0].seen == [1, 4, 1]
