"""The service with replicas on Ray Serve: one is killed under load, and nobody notices."""

from __future__ import annotations

import asyncio
import io
import os
import pickle
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import numpy as np
import pytest
from PIL import Image

from bgremoval_mm.cli.main import main
from bgremoval_mm.removal.errors import ArgumentError
from bgremoval_mm.removal.options import OutputOptions
from bgremoval_mm.serving.app import make_app
from bgremoval_mm.serving.errors import RequestError
from bgremoval_mm.serving.limits import Limits
from bgremoval_mm.serving.orders import Cutout, Order
from bgremoval_mm.serving.tokens import Tokens

ray = pytest.importorskip('ray')
pytest.importorskip('ray.serve')

TOKEN = 'correct-horse-battery'


@pytest.fixture
def cluster(removers, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A cluster of two cores that finds the tiny networks' weights."""
    monkeypatch.setenv('RAY_worker_niceness', '0')  # else a busy machine hardly lets it start
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False)
    yield
    from ray import serve

    serve.shutdown()
    ray.shutdown()


def processes_of(name: str) -> list[int]:
    """Processes of the replicas of an application."""
    pattern = ['pgrep', '-f', f'^ray::ServeReplica:{name}:']
    found = subprocess.run(pattern, capture_output=True, text=True, check=False)
    return [int(pid) for pid in found.stdout.split()]


def wait_until(is_so: Callable[[], bool], what: str, seconds: float = 240) -> None:
    """Wait for something, but not forever."""
    until = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < until, f'{what}: not within {seconds} s'
        time.sleep(0.05)


@pytest.mark.slow
def test_a_replica_is_killed_under_load(cluster, removers, running, encoded, expected) -> None:
    """Everybody gets their own picture or is told to try again; the replica is replaced.

    Before and after that, the application is the one that serves without Ray: probes, tokens,
    limits, errors, metrics.
    """
    from bgremoval_mm.serving.ray_engine import RayEngine

    engine = RayEngine(removers, Limits(queue=32, max_bytes=100_000), replicas=2)
    assert (engine.replicas, engine.cpus, engine.gpus) == (2, 1, 0)
    pictures = [encoded(seed, 16 + seed % 7, 14 + seed % 5) for seed in range(40)]
    wanted = [expected(each) for each in pictures]
    assert len({each.tobytes() for each in wanted}) == len(pictures)
    headers = {'X-Api-Key': TOKEN}
    with running(make_app(engine, Tokens([TOKEN])), engine) as address:
        client = httpx.Client(base_url=address, headers=headers, timeout=90)
        wait_until(lambda: engine.running == 2, 'two replicas')
        assert client.get('/ready').json() == {'status': 'ready', 'models': ['u2netp', 'silueta']}
        assert httpx.post(f'{address}/remove', content=pictures[0]).status_code == 401
        for content, status, code in (
            (b'no picture', 400, 'failed_to_read_image'),
            (bytes(100_001), 413, 'file_too_large'),
        ):
            refused = client.post('/remove', content=content)
            assert (refused.status_code, refused.json()['errors'][0]['code']) == (status, code)

        before = processes_of(engine.name)
        assert len(before) == 2
        stop = threading.Event()
        answers: list[tuple[int, httpx.Response]] = []

        def ask(first: int) -> None:
            number = first
            while not stop.is_set():
                place = number % len(pictures)
                answers.append((place, client.post('/remove', content=pictures[place])))
                number += 7

        with ThreadPoolExecutor(8) as pool:
            asking = [pool.submit(ask, first) for first in range(8)]
            try:
                wait_until(lambda: len(answers) >= 40, 'answers by two replicas')
                os.kill(before[0], signal.SIGKILL)
                at_kill = len(answers)
                wait_until(lambda: engine.running == 1, 'the loss is noticed')
                assert client.get('/ready').status_code == 200
                wait_until(lambda: engine.running == 2, 'two replicas again')
                after = len(answers)
                wait_until(lambda: len(answers) >= after + 40, 'answers by two replicas again')
            finally:
                stop.set()
            for each in asking:
                each.result(90)
        assert after > at_kill, 'nobody was served while one replica was away'
        now = processes_of(engine.name)
        assert len(now) == 2
        assert before[0] not in now
        assert before[1] in now
        good = 0
        for place, answer in answers:
            if answer.status_code == 503:
                assert int(answer.headers['retry-after']) >= 1
                continue
            assert answer.status_code == 200, answer.text
            got = np.asarray(Image.open(io.BytesIO(answer.content)))
            assert got.shape == wanted[place].shape
            assert np.abs(got.astype(int) - wanted[place]).max() <= 1
            good += 1
        assert good > 0.9 * len(answers)
        text = client.get('/metrics').text
        assert 'bgremoval_replicas 2.0' in text
        assert f'bgremoval_images_total{{model="u2netp",output="rgba"}} {good}.0' in text
        counted = text.split('bgremoval_stage_seconds_count{stage="encode"} ')[1].split('\n')[0]
        assert good - 40 <= float(counted) <= good + 40, 'what replicas observe is not counted'
        assert 'bgremoval_requests_in_progress 0.0' in text
    wait_until(lambda: not processes_of(engine.name), 'the replicas end', 30)
    assert ray.is_initialized(), 'a cluster that was there must stay'


@pytest.fixture
def unstarted(removers, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """A function that makes an engine as on a machine of these cores and GPUs, without Ray."""
    from bgremoval_mm.serving import ray_engine

    def make(all_cpus: int, all_gpus: int = 0, **arguments: Any) -> ray_engine.RayEngine:
        monkeypatch.setattr(ray_engine, 'start_ray', lambda: True)
        monkeypatch.setattr(ray_engine.RayEngine, '_end_ray', lambda self: None)
        monkeypatch.setattr(ray, 'cluster_resources', lambda: {'CPU': all_cpus, 'GPU': all_gpus})
        return ray_engine.RayEngine(removers, Limits(), **arguments)

    return make


def test_cores_and_gpus_are_shared_out(unstarted) -> None:
    """One replica per GPU or four cores; what is not there is refused."""

    def shares(*machine: int, **arguments: Any) -> tuple[int, int, float]:
        made = unstarted(*machine, **arguments)
        return made.replicas, made.cpus, made.gpus

    assert shares(2) == (1, 2, 0)
    assert shares(16) == (4, 4, 0)
    assert shares(16, replicas=2) == (2, 8, 0)
    assert shares(16, cpus=2) == (8, 2, 0)
    assert shares(16, 2, gpus=0.5) == (4, 4, 0.5)
    assert shares(16, 2) == (4, 4, 0), 'networks on CPUs need no GPU'
    with pytest.raises(ArgumentError, match='3 `replicas` need 6 cores, but there are 4'):
        shares(4, replicas=3, cpus=2)
    with pytest.raises(ArgumentError, match='2 `replicas` need 2 GPUs, but there are 1'):
        shares(8, 1, replicas=2, gpus=1)


@pytest.mark.parametrize('deaths', [1, 2])
def test_a_picture_is_tried_twice(unstarted, encoded, deaths: int) -> None:
    """A picture whose replica dies goes to another one, once: it may be what kills them."""
    engine = unstarted(2)
    made = Cutout(b'', 'image/png', (1, 1), (1, 1))
    seen = [('batch', 'u2netp', 2, 0.5), ('stage', 'decode', 0, 0.1)]
    given = []

    class Handle:
        @property
        def remove(self) -> Any:
            return self

        async def remote(self, order: Order) -> Any:
            given.append(order)
            if len(given) <= deaths:
                raise ray.exceptions.ActorDiedError
            return made, seen

    engine._handle = Handle()
    order = Order(encoded(), 'u2netp', OutputOptions(output='rgba'))
    if deaths == 1:
        assert asyncio.run(engine.remove(order)) == made
        text = engine.metrics.text().decode()
        assert 'bgremoval_batch_images_sum{model="u2netp"} 2.0' in text
        assert 'bgremoval_stage_seconds_sum{stage="decode"} 0.1' in text
    else:
        with pytest.raises(RequestError) as caught:
            asyncio.run(engine.remove(order))
        assert (caught.value.status, caught.value.code) == (503, 'replica_lost')
        assert 'Retry-After' in caught.value.headers
    assert given == [order] * 2


def test_errors_travel_between_processes() -> None:
    """A refusal by a replica reaches its client whole."""
    error = RequestError(400, 'code', 'Title', 'detail', {'Retry-After': '5'})
    copied = pickle.loads(pickle.dumps(error))
    assert vars(copied) == vars(error)
    assert str(copied) == 'detail'


@pytest.mark.parametrize(
    ('options', 'told'),
    [
        ('--replicas 2', '--replicas goes with --engine ray only'),
        ('--cpus-per-replica 2', '--cpus-per-replica goes with --engine ray only'),
        ('--gpus-per-replica 1', '--gpus-per-replica goes with --engine ray only'),
        ('--engine ray --workers 2', '--workers does not go with --engine ray'),
        ('--engine ray --threads 2', '--threads does not go with --engine ray'),
        ('--engine ray --device cuda:1', '--device cuda:1 does not go with --engine ray'),
        (
            '--engine ray --device cpu --gpus-per-replica 1',
            '--gpus-per-replica does not go with --device cpu',
        ),
        ('--engine ray --gpus-per-replica 1.5', 'a part of a GPU such as 0.5'),
        ('--engine ray --replicas 0', 'must be a whole number, 1 or more'),
    ],
)
def test_options(options: str, told: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Options that do not go with the engine are refused by name."""
    with pytest.raises(SystemExit) as ended:
        main(['serve', *options.split()])
    assert ended.value.code == 2
    assert told in capsys.readouterr().err


def test_ray_serve_is_not_installed(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tiny_model
) -> None:
    """The command says how to install it."""
    tiny_model('u2netp')
    monkeypatch.setitem(sys.modules, 'ray.serve', None)
    monkeypatch.delattr(ray, 'serve', raising=False)
    assert main(['serve', '--model', 'u2netp', '--engine', 'ray', '--port', '0']) == 1
    assert '`pip install "bgremoval_mm[serve-ray]"`' in capsys.readouterr().err
