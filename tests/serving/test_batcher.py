"""Batcher: which jobs share a run, and what one that fails does to the others."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from bgremoval_mm.serving.batcher import Batcher


class Network:
    """Returns each input's mean as its mask; fails on negative inputs."""

    def __init__(self, batch_size: int = 4) -> None:
        self.spec = SimpleNamespace(size=2)
        self.batch_size = batch_size
        self.runs: list[list[float]] = []

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
    warm = [[0.0], [0.0] * 4], [[0.0], [0.0] * 2]
    assert networks['a'].runs == [*warm[0], [0, 1, 3, 5], [8, 9]]
    assert networks['b'].runs == [*warm[1], [2, 6], [7]]
    assert batcher.submit('a', inputs(1)).cancelled()


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
