"""A removal job killed, disturbed or run twice: each good image has exactly one right mask."""

from __future__ import annotations

import json
import os
import pickle
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from bgremoval_mm.removal import MaskStore, ModelSpec, read_image, remove_tree
from bgremoval_mm.removal.io import storage
from bgremoval_mm.removal.io.manifest import Manifest, Record

CHAOS = Path(__file__).with_name('chaos.py')
IMAGES = 500
BROKEN_EVERY = 50


@pytest.fixture
def spec(tiny_model: Callable[..., ModelSpec]) -> ModelSpec:
    """A tiny model."""
    return tiny_model('u2netp')


@pytest.fixture
def tree(tmp_path: Path, picture: Callable[..., np.ndarray]) -> Path:
    """Five hundred photos in ten folders, one in fifty cut off in the middle."""
    root = tmp_path / 'photos'
    for index in range(IMAGES):
        path = root / str(index % 10) / f'{index:03}.jpg'
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(picture(120 + index % 7, 90, index)).save(path)
        if index % BROKEN_EVERY == BROKEN_EVERY - 1:
            content = path.read_bytes()
            path.write_bytes(content[: len(content) // 2])
    return root


def check(tree: Path, masks: Path, spec: ModelSpec, tmp_path: Path) -> None:
    """Every good image has the mask of an undisturbed run, every broken one a reason."""
    expected = tmp_path / 'undisturbed'
    reference = remove_tree(tree, expected, spec, device='cpu', progress=False)
    assert len(reference.failed) == IMAGES // BROKEN_EVERY
    files = {path.relative_to(expected) for path in expected.rglob('*.png')}
    assert len(files) == IMAGES - len(reference.failed)
    assert {path.relative_to(masks) for path in masks.rglob('*.png')} == files
    for file in files:
        assert (masks / file).read_bytes() == (expected / file).read_bytes(), file
    assert not [path for path in masks.rglob('*') if path.name.startswith('.tmp-')]
    records = MaskStore(masks, spec).manifest.read()
    assert len(records) == IMAGES
    for name, reason in reference.failed.items():
        assert records[name].error == reason


@pytest.mark.slow
@pytest.mark.parametrize(('runs', 'jobs'), [(20, 1), (5, 2)], ids=['20 kills', '2 jobs, 5 kills'])
def test_killed_at_random_moments(
    runs: int, jobs: int, tree: Path, spec: ModelSpec, tmp_path: Path
) -> None:
    """After kills at random moments one more run completes the work; nothing is torn or lost."""
    spec_file = tmp_path / 'spec.pickle'
    spec_file.write_bytes(pickle.dumps(spec))
    masks = tmp_path / 'masks'
    command = [sys.executable, str(CHAOS), str(spec_file), str(tree), str(masks)]
    done = subprocess.run(
        [*command, str(runs), '0', str(jobs)],
        capture_output=True,
        text=True,
        timeout=300,
        check=True,
    )
    found = json.loads(done.stdout)
    assert len(found) == runs
    assert found == sorted(found)  # what was done stays done
    assert found[0] < IMAGES  # the first was really killed in its work
    remove_tree(tree, masks, spec, device='cpu', progress=False)
    check(tree, masks, spec, tmp_path)


def test_two_jobs_at_once(tree: Path, spec: ModelSpec, tmp_path: Path) -> None:
    """Two undisturbed jobs on one target: the same masks, a whole manifest."""
    from concurrent.futures import ThreadPoolExecutor

    masks = tmp_path / 'masks'

    def job(_: int) -> int:
        return remove_tree(tree, masks, spec, device='cpu', progress=False).done

    with ThreadPoolExecutor(2) as pool:
        done = list(pool.map(job, range(2)))
    assert sum(done) >= IMAGES - IMAGES // BROKEN_EVERY
    check(tree, masks, spec, tmp_path)


def test_sources_that_change_during_the_run(
    tree: Path, spec: ModelSpec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A photo deleted after the scan has a reason; one that changes later is done again."""
    victim, changed = sorted(tree.rglob('*.jpg'))[:2]
    real_scan = storage.scan_tree

    def scan_and_delete(root: Path):
        scan = real_scan(root)
        victim.unlink()
        return scan

    monkeypatch.setattr(storage, 'scan_tree', scan_and_delete)
    masks = tmp_path / 'masks'
    first = remove_tree(tree, masks, spec, device='cpu', progress=False)
    name = victim.relative_to(tree).as_posix()
    assert 'cannot be read: No such file' in first.failed[name]
    assert not MaskStore(masks, spec).path(name).exists()

    monkeypatch.setattr(storage, 'scan_tree', real_scan)
    Image.new('RGB', (50, 40), 'white').save(changed)
    second = remove_tree(tree, masks, spec, device='cpu', progress=False)
    assert second.done == 1
    stored = MaskStore(masks, spec).get(changed.relative_to(tree).as_posix())
    assert stored is not None
    assert stored.size == (50, 40)
    assert MaskStore(masks, spec).is_current(stored, changed)


def test_photo_replaced_while_it_is_read(
    tree: Path, spec: ModelSpec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The mask belongs to the bytes that were read: after a replacement it counts as stale."""
    victim = sorted(tree.rglob('*.jpg'))[0]

    def read_and_replace(path: Path, *limits: int):
        source = read_image(path, *limits)
        if path == victim:
            Image.new('RGB', (50, 40), 'white').save(path)
        return source

    monkeypatch.setattr(storage, 'read_image', read_and_replace)
    masks = tmp_path / 'masks'
    remove_tree(tree, masks, spec, device='cpu', progress=False)
    name = victim.relative_to(tree).as_posix()
    store = MaskStore(masks, spec)
    stored = store.get(name)
    assert stored is not None
    assert stored.size == (120, 90)
    assert not store.is_current(stored, victim)
    monkeypatch.setattr(storage, 'read_image', read_image)
    assert remove_tree(tree, masks, spec, device='cpu', progress=False).done == 1


@pytest.mark.parametrize(
    ('first', 'other'),
    [
        ({'output': 'rgba'}, {'output': 'rgb'}),
        ({'output': 'store'}, {'output': 'store', 'overwrite': True}),
        ({'output': 'store'}, 'another photo'),
    ],
    ids=['other settings', 'overwritten', 'another photo'],
)
def test_killed_while_results_are_replaced(
    first: dict, other: Any, spec: ModelSpec, tmp_path: Path, monkeypatch, picture
) -> None:
    """A result that was replaced, but not recorded, is not taken for the earlier one."""
    source, target = tmp_path / 'in', tmp_path / 'out'
    source.mkdir()
    for index in range(12):
        Image.fromarray(picture(60, 50, index)).save(source / f'{index:02}.png')
    quiet = {'device': 'cpu', 'progress': False}
    remove_tree(source, target, spec, **first, **quiet)
    undisturbed = {path: path.read_bytes() for path in target.rglob('*.png')}
    photo = source / '00.png'
    before, status = photo.read_bytes(), photo.stat()
    if other == 'another photo':
        photo.write_bytes((source / '01.png').read_bytes())
        other = first

    def killed(self: Manifest, record: Record) -> None:
        if record.status == 'ok':
            raise KeyboardInterrupt
        append(self, record)

    append = Manifest.append
    with monkeypatch.context() as patch:
        patch.setattr(Manifest, 'append', killed)
        with pytest.raises(KeyboardInterrupt):
            remove_tree(source, target, spec, **other, **quiet)
    photo.write_bytes(before)
    os.utime(photo, ns=(status.st_atime_ns, status.st_mtime_ns))
    remove_tree(source, target, spec, **first, **quiet)
    assert {path: path.read_bytes() for path in target.rglob('*.png')} == undisturbed
    assert remove_tree(source, target, spec, **first, **quiet).skipped == 12
