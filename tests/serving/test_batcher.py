"""Batcher: which jobs share a run, and what one that fails does to the others."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from bgremoval_mm.removal.errors import ArgumentError
from bgremoval_mm.removal.options import EngineOptions, choice
from bgremoval_mm.serving.batcher import Batcher
from bgremoval_mm.serving.engine import Engine, make_removers


class Network:
    """Returns each input's mean as its mask; fails on negative inputs."""

    def __init__(self, batch_size: int = 4) -> None:
        self.spec = SimpleNamespace(size=2)
        self.batch_size = batch_size
        self.runs: list[list[float]] = []

    def preprocess(self, image: np.ndarray) -> np.ndarray:
        """Return an input of the mean of the image."""
        return inputs(image.mean())

    def infer(self, batch: np.ndarray) -> list[tuple[Any, bool]]:
        """Run on a batch."""
        assert batch.shape[1:] == (3, 2, 2)
        means = [float(each.mean()) for each in batch]
        self.runs.append(means)
        if min(means) < 0:
            msg = 'negative'
            raise ValueError(msg)
        return [(mean, False) for mean in means]


def inputs(value: float) -> np.ndarray:
    """An input of this mean."""
    return np.full((3, 2, 2), value, np.float32)


def test_batches() -> None:
    """One model a run, in the order of arrival, as many as the batch size; cancelled ones never."""
    networks = {'a': Network(), 'b': Network(2)}
    batcher = Batcher(networks)
    jobs = [batcher.submit(name, inputs(k)) for k, name in enumerate('aabaaabbaa')]
    jobs[4].cancel()
    batcher.start()
    batcher.ready.result(10)
    batcher.close(10)
    done = [job.result(10)[0] for k, job in enumerate(jobs) if k != 4]
    assert done == [0, 1, 2, 3, 5, 6, 7, 8, 9]
    warm = [[0.0], [0.0] * 2, [0.0] * 4], [[0.0], [0.0] * 2]
    assert networks['a'].runs == [*warm[0], [0, 1, 3, 5], [8, 9]]
    assert networks['b'].runs == [*warm[1], [2, 6], [7]]
    assert batcher.submit('a', inputs(1)).cancelled()


@pytest.mark.parametrize(
    ('batch_size', 'sizes'), [(1, [1]), (2, [1, 2]), (6, [1, 2, 4, 6]), (8, [1, 2, 4, 8])]
)
def test_every_bucket_is_warm(batch_size: int, sizes: list[int]) -> None:
    """No request waits for an engine or a CUDA graph of its batch's size to be made."""
    network = Network(batch_size)
    batcher = Batcher({'a': network})
    batcher.start()
    batcher.ready.result(10)
    batcher.close(10)
    assert [len(each) for each in network.runs] == sizes


def test_a_failure_is_its_own() -> None:
    """An input on which the network fails does not spoil the answers to the others of its batch."""
    networks = {'a': Network()}
    seen: list[tuple[str, int]] = []
    batcher = Batcher(networks, lambda model, images, _: seen.append((model, images)))
    jobs = [batcher.submit('a', inputs(value)) for value in (1, -1, 2)]
    batcher.start()
    batcher.close(10)
    assert (jobs[0].result(10)[0], jobs[2].result(10)[0]) == (1, 2)
    with pytest.raises(ValueError, match='negative'):
        jobs[1].result(10)
    assert seen == [('a', 1), ('a', 1)]


def test_a_network_that_does_not_load() -> None:
    """The error of the first run is that of `ready`."""
    network = Network()
    network.infer = lambda batch: 1 / 0
    batcher = Batcher({'a': network})
    batcher.start()
    with pytest.raises(ZeroDivisionError):
        batcher.ready.result(10)
    batcher.close(10)


def test_two_runs_share_the_cores() -> None:
    """A job alone runs on all cores; once more are waiting, two runs are under way at once."""
    alone, shared = Network(1), Network(1)
    both = threading.Barrier(2)
    infer = shared.infer

    def together(batch: np.ndarray) -> list[tuple[Any, bool]]:
        if batch.any():
            both.wait(10)  # breaks unless a second run begins meanwhile
        return infer(batch)

    shared.infer = together
    batcher = Batcher({'a': alone}, shared={'a': shared})
    batcher.start()
    batcher.ready.result(10)
    assert batcher.submit('a', inputs(1)).result(10)[0] == 1
    assert (alone.runs, shared.runs) == ([[0], [1]], [[0]])
    while batcher._running:
        time.sleep(0.001)
    with batcher._changed:  # nobody takes a job before all are waiting
        jobs = [batcher.submit('a', inputs(value)) for value in (2, 3, 4, 5)]
    assert [job.result(10)[0] for job in jobs] == [2, 3, 4, 5]
    batcher.close(10)
    assert not any(thread.is_alive() for thread in batcher._threads)


@pytest.mark.parametrize('one_run', [False, True])
def test_networks_of_an_engine(tiny_model, one_run: bool) -> None:
    """With several cores an engine has both kinds of network, unless it is to save memory."""
    tiny_model('u2netp')
    options = EngineOptions(backend='onnxruntime', device='cpu', num_threads=4)
    made = make_removers(['u2netp'], options)
    engine = Engine(made, one_run=one_run)
    assert made['u2netp'].batch_size == 1
    assert engine.batcher._removers['u2netp'].backend.streams == 1
    shared = {name: each.backend.streams for name, each in engine.batcher._shared.items()}
    assert shared == ({} if one_run else {'u2netp': 2})
    assert len(engine.batcher._threads) == 2 - one_run
    with pytest.raises(ArgumentError, match="different names, but two are called 'u2netp'"):
        make_removers(['u2netp', 'u2netp'], options)


@pytest.mark.parametrize(
    ('device', 'driver', 'run_here', 'batch_size'),
    [
        ('auto', False, True, 1),
        ('auto', True, True, 8),
        ('auto', False, False, 8),  # on other machines, of which this one does not know
        ('cuda', False, True, 8),
        ('cpu', True, False, 1),
    ],
)
def test_batches_of_a_gpu(
    tiny_model,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    device: str,
    driver: bool,
    run_here: bool,
    batch_size: int,
) -> None:
    """Batches are for GPUs: a machine without one runs images one by one, whatever may be there."""
    tiny_model('u2netp')
    monkeypatch.setattr(choice, '_DRIVERS', (str(tmp_path),) if driver else ())
    options = EngineOptions(backend='torch', device=device)
    made = make_removers(['u2netp'], options, run_here=run_here)
    assert made['u2netp'].batch_size == batch_size
    assert make_removers(['u2netp'], options, 3, run_here)['u2netp'].batch_size == 3
