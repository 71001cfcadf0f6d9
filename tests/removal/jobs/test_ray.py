"""The Ray engine: the local engine's results, whatever happens to its actors."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bgremoval_mm.removal import MaskStore, ModelSpec, TargetError, remove_tree
from bgremoval_mm.removal.jobs import ray_engine

ray = pytest.importorskip('ray')


@pytest.fixture
def spec(tiny_model) -> Iterator[ModelSpec]:
    """A tiny model, and a cluster of two cores that finds its weights."""
    made = tiny_model('u2netp')
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False)
    yield made
    ray.shutdown()


@pytest.fixture
def tree(tmp_path: Path, picture) -> Path:
    """Three hundred photos, two of them broken, one with a name that is no UTF-8."""
    root = tmp_path / 'photos'
    (root / 'a').mkdir(parents=True)
    for index in range(300):
        Image.fromarray(picture(200, 150, index)).save(root / 'a' / f'{index:03}.jpg')
    (root / 'a/100.jpg').write_bytes(b'')
    (root / 'a/200.jpg').write_bytes((root / 'a/201.jpg').read_bytes()[:300])
    (root / 'a/050.jpg').rename(root / 'a' / os.fsdecode(b'caf\xe9.jpg'))
    return root


def files(folder: Path) -> dict[Path, bytes]:
    """Results by name."""
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob('*.png')}


@pytest.mark.slow
def test_same_bytes_whatever_happens_to_actors(spec: ModelSpec, tree: Path, tmp_path: Path) -> None:
    """Two actors, one killed in the middle: the local run's files; a second run does nothing."""
    expected = remove_tree(tree, tmp_path / 'local', spec, device='cpu', progress=False)
    options = {'device': 'cpu', 'progress': False, 'engine': 'ray', 'workers': 2}
    target = tmp_path / 'ray'
    killed: list[int] = []
    over = threading.Event()

    def kill_an_actor() -> None:
        pattern = ['pgrep', '-f', 'ray::MapWorker']
        # On a machine with other work, actors take minutes to start.
        while not killed and not over.wait(0.005):
            if any(True for _ in target.rglob('*.png')):
                found = subprocess.run(pattern, capture_output=True, text=True, check=False)
                killed.extend(int(pid) for pid in found.stdout.split()[:1])
        for pid in killed:
            os.kill(pid, signal.SIGKILL)

    killer = threading.Thread(target=kill_an_actor)
    killer.start()
    try:
        summary = remove_tree(tree, target, spec, **options)
    finally:
        over.set()
    killer.join()
    assert killed
    assert (summary.done, summary.failed) == (298, expected.failed)
    assert set(summary.failed) == {'a/100.jpg', 'a/200.jpg'}
    assert files(target) == files(tmp_path / 'local')
    assert len(MaskStore(target, spec).manifest.read()) == 300

    again = remove_tree(tree, target, spec, **options)
    assert (again.done, again.skipped, again.failed) == (0, 298, expected.failed)


@pytest.mark.parametrize(
    ('cores', 'asked', 'expected'),
    [
        ([2], {}, (1, 2, 2)),
        ([8], {}, (2, 4, 4)),
        ([1, 1], {}, (2, 1, 1)),  # not one actor of two cores, which no machine has
        ([2, 2, 2, 2], {}, (4, 2, 2)),
        ([4, 4, 4], {'workers': 2}, (2, 4, 4)),
        ([4, 4], {'workers': 1}, (1, 4, 4)),
        ([3, 5], {}, (2, 3, 3)),
        ([2], {'workers': 5}, (5, 1, 1)),
        ([], {}, (1, 1, 1)),  # an autoscaler has still to start the first one
        ([8], {'num_threads': 2}, (4, 2, 2)),
        ([8], {'workers': 2, 'num_threads': 1}, (2, 4, 1)),
        ([4], {'workers': 2, 'num_threads': 4}, (2, 2, 4)),
    ],
)
def test_every_actor_fits_on_a_machine(
    tiny_model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cores, asked, expected
) -> None:
    """Actors and the CPUs of each by what every machine has; threads are those asked for."""
    spec, made = tiny_model('u2netp'), []
    nodes = [{'Alive': True, 'Resources': {'CPU': float(each), 'memory': 1.0}} for each in cores]
    gone = {'Alive': False, 'Resources': {'CPU': 64.0}}
    monkeypatch.setattr(ray, 'nodes', lambda: [*nodes, {'Alive': True, 'Resources': {}}, gone])
    monkeypatch.setattr(ray_engine, 'start_ray', lambda: False)

    class Found:
        def map_batches(self, _, fn_constructor_args, compute, num_cpus, **__):
            backend = fn_constructor_args[0].remover.backend
            made.append((compute.min_size, num_cpus, backend.options.num_threads))
            return self

        def iter_rows(self):
            return iter(())

    monkeypatch.setattr(ray.data, 'from_items', lambda *_, **__: Found())
    Image.new('RGB', (9, 9)).save(tmp_path / 'a.png')
    options = {'device': 'cpu', 'progress': False, 'engine': 'ray', **asked}
    remove_tree(tmp_path, tmp_path.with_name('out'), spec, **options)
    assert made == [expected]


@pytest.mark.slow
def test_target_that_takes_no_more(spec: ModelSpec, tmp_path: Path) -> None:
    """A full disk under an actor ends the run as it ends the local one."""
    small, src = tmp_path / 'small', tmp_path / 'src'
    small.mkdir()
    src.mkdir()
    mount = ['mount', '-t', 'tmpfs', '-o', 'size=64k', 'tmpfs', str(small)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip('needs the right to mount a small file system')
    try:
        noise = np.random.default_rng(0)
        for index in range(12):
            pixels = noise.integers(0, 255, (64, 64, 3), np.uint8)
            Image.fromarray(pixels).save(src / f'{index:02}.png')
        with pytest.raises(TargetError, match='No space left on device'):
            remove_tree(
                src, small / 'out', spec, output='rgb', device='cpu', progress=False, engine='ray'
            )
    finally:
        subprocess.run(['umount', str(small)], check=False)
