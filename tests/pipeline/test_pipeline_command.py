"""`bgremoval pipeline` as users run it: a folder, a watched folder, killed workers, status."""

from __future__ import annotations

import io
import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from sqlalchemy import select
from sqlalchemy.exc import OperationalError

from bgremoval_mm.cli.main import main
from bgremoval_mm.pipeline.files import PipelineFiles
from bgremoval_mm.pipeline.queue import UploadQueue
from bgremoval_mm.pipeline.routes import Gate
from bgremoval_mm.pipeline.sources import receive_bytes
from bgremoval_mm.pipeline.states import FINAL, State
from bgremoval_mm.pipeline.tables import Measurement
from bgremoval_mm.removal import BackgroundRemover
from bgremoval_mm.removal.images.reading import decode_image
from bgremoval_mm.removal.masks.quality import quality
from bgremoval_mm.removal.options import OutputOptions
from bgremoval_mm.removal.outputs.rendering import render

SUSPICION = 80  # between those of the clean photos and those of the noisy ones


def encoded(seed: int) -> bytes:
    """A small photo: a bright square on black, or on noise, which makes its mask doubtful."""
    rng = np.random.default_rng(seed)
    pixels = rng.integers(0, 60 if seed % 3 == 0 else 1, (24, 32, 3), np.uint8)
    left, top = rng.integers(0, 12, 2)
    pixels[top : top + 10, left : left + 14] = rng.integers(120, 255, 3)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, 'PNG')
    return buffer.getvalue()


@pytest.fixture
def routes(tmp_path: Path, tiny_file: Path) -> Path:
    """A file with one route, whose network is tiny."""
    file = tmp_path / 'routes.toml'
    file.write_text(
        f'[[route]]\nname = "all"\nmodel = "{tiny_file}"\noutput = "rgb"\nfill = 255\n'
        f'[route.gate]\nsuspicion = {SUSPICION}\nflags = []\n'
    )
    return file


def worker_options(routes: Path, lease: int = 300) -> list[str]:
    """Options of `run` and `work`."""
    options = ['--routes', str(routes), '--lease', str(lease), '--backend', 'onnxruntime']
    return [*options, '--device', 'cpu', '--threads', '1']


def test_a_folder_once(tmp_path: Path, routes: Path, capsys, caplog) -> None:
    """Good photos are published, broken ones are named, and the exit code tells of them."""
    photos = tmp_path / 'photos'
    photos.mkdir()
    for number in range(3):
        (photos / f'{number}.png').write_bytes(encoded(number))
    (photos / 'broken.jpg').write_bytes(b'\xff\xd8 no picture')
    Path(os.fsdecode(bytes(photos) + b'/\xe9.png')).write_bytes(encoded(3))
    root = str(tmp_path / 'root')
    command = ['pipeline', 'run', str(photos), root, '--once', *worker_options(routes)]
    assert main(command) == 1
    assert 'failed: broken.jpg: ' in capsys.readouterr().out
    assert 'must be valid UTF-8' in caplog.text
    assert main(['pipeline', 'status', root, '--json']) == 1
    found = json.loads(capsys.readouterr().out)
    assert found['counts']['failed'] == 1
    assert found['counts']['published'] + found['counts']['review'] == 3
    (photos / 'broken.jpg').write_bytes(encoded(9))  # mended
    assert main(command) == 1  # the name that is no UTF-8 is still there
    assert main(['pipeline', 'status', root, '--name', 'broken.jpg']) == 0
    history = capsys.readouterr().out
    assert 'broken.jpg, version 1: superseded' in history
    assert 'broken.jpg, version 2: ' in history


def test_an_address_once(tmp_path: Path, routes: Path, capsys) -> None:
    """Photos may lie at an address that fsspec opens."""
    import fsspec

    address = f'memory://bucket-{os.urandom(4).hex()}'
    fsspec.filesystem('memory').pipe_file(f'{address}/x/1.png', encoded(1))
    root = tmp_path / 'root'
    assert main(['pipeline', 'run', address, str(root), '--once', *worker_options(routes)]) == 0
    assert capsys.readouterr().out == '1 published\n'
    assert (root / 'published' / 'x' / '1.png.png').is_file()


def test_verdicts(tmp_path: Path, routes: Path, capsys) -> None:
    """A person publishes, corrects or rejects what waits in review, each once."""
    photos, root = tmp_path / 'photos', tmp_path / 'root'
    photos.mkdir()
    for number in (0, 3, 6):  # the noisy ones
        (photos / f'{number}.png').write_bytes(encoded(number))
    main(['pipeline', 'run', str(photos), str(root), '--once', *worker_options(routes)])
    with_routes = ['--routes', str(routes)]
    assert main(['pipeline', 'accept', str(root), '0.png', *with_routes]) == 0
    right = np.zeros((24, 32), np.uint8)
    right[4:20, 8:24] = 255
    mask, small = tmp_path / 'mask.png', tmp_path / 'small.png'
    Image.fromarray(right).save(mask)
    Image.fromarray(right[:-1]).save(small)
    correct = ['pipeline', 'accept', str(root), '3.png', *with_routes, '--mask']
    assert main([*correct, str(small)]) == 1
    assert 'the size of its photo, 32 x 24 pixels, but has 32 x 23' in capsys.readouterr().err
    assert main([*correct, str(mask)]) == 0
    assert main(['pipeline', 'reject', str(root), '6.png', '--reason', 'blurred']) == 0
    assert main(['pipeline', 'reject', str(root), '6.png', 'gone.png']) == 1
    assert 'gone.png: does not wait in review' in capsys.readouterr().err

    queue = UploadQueue(f'sqlite:///{root}/pipeline.db')
    rows = {each.name: each for each in queue.uploads()}
    assert {name: row.state for name, row in rows.items()} == {
        '0.png': 'published',
        '3.png': 'published',
        '6.png': 'failed',
    }
    assert rows['3.png'].model == 'people'
    last = {name: queue.history(row.id)[-1].reason for name, row in rows.items()}
    assert last == {
        '0.png': 'accepted by a person',
        '3.png': 'mask corrected by a person',
        '6.png': 'rejected by a person: blurred',
    }
    kept = PipelineFiles(root).mask(rows['3.png'].sha256, 'people')
    np.testing.assert_array_equal(kept, right)
    result = np.array(Image.open(root / 'published' / '3.png.png'))
    photo = np.array(Image.open(photos / '3.png'))
    np.testing.assert_array_equal(result[right > 0], photo[right > 0])
    assert (result[right == 0] == 255).all()
    queue.close()


def test_a_database_that_is_gone_in_the_end(
    tmp_path: Path, routes: Path, monkeypatch, capsys
) -> None:
    """What was done is not counted then; that is told in one line."""

    def refuse(*_: object) -> None:
        statement = 'SELECT'
        raise OperationalError(statement, {}, Exception('server closed the connection\nhint'))

    monkeypatch.setattr(UploadQueue, 'counts', refuse)
    (tmp_path / 'photos').mkdir()
    command = ['pipeline', 'run', str(tmp_path / 'photos'), str(tmp_path / 'root'), '--once']
    assert main([*command, '--routes', str(routes)]) == 1
    expected = 'error: the database does not answer: server closed the connection'
    assert capsys.readouterr().err.splitlines()[-1] == expected


def test_errors(tmp_path: Path, routes: Path, capsys) -> None:
    """What is missing is named in one line."""
    root = str(tmp_path / 'root')
    assert main(['pipeline', 'status', root]) == 1
    assert f'{root}: there is no pipeline' in capsys.readouterr().err
    other = tmp_path / 'other'
    (other / 'photos').mkdir(parents=True)
    assert main(['pipeline', 'status', str(other)]) == 1
    assert f'{other}: there is no pipeline' in capsys.readouterr().err
    assert [each.name for each in other.iterdir()] == ['photos']  # nothing was made there
    assert main(['pipeline', 'run', str(tmp_path / 'gone'), root]) == 1
    assert 'gone' in capsys.readouterr().err
    assert main(['pipeline', 'work', root, '--routes', str(tmp_path / 'no.toml')]) == 1
    assert 'no.toml: cannot be read as TOML' in capsys.readouterr().err
    assert main(['pipeline', 'work', root, '--once', '--database', 'mysql://x/y']) == 1
    assert '`database` must be sqlite:///PATH' in capsys.readouterr().err


def start(*arguments: str) -> subprocess.Popen[bytes]:
    """Start the command in a process of its own."""
    return subprocess.Popen(
        [sys.executable, '-m', 'bgremoval_mm.cli.main', 'pipeline', *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        env={**os.environ, 'OMP_NUM_THREADS': '1'},
    )


def test_a_watched_folder(tmp_path: Path, routes: Path) -> None:
    """Photos are taken as they arrive; SIGTERM ends the command with code 0."""
    photos, root = tmp_path / 'photos', tmp_path / 'root'
    photos.mkdir()
    root.mkdir()
    with start('run', str(photos), str(root), *worker_options(routes)) as process:
        try:
            for number in range(2):
                (photos / f'{number}.png').write_bytes(encoded(number))
                wait_until(root, process, number + 1)
            process.send_signal(signal.SIGTERM)
            _, said = process.communicate(timeout=60)
            assert process.returncode == 0, said.decode()
        finally:
            process.kill()


def wait_until(root: Path, process: subprocess.Popen[bytes], number: int) -> None:
    """Wait, a minute at most, until so many uploads are at their end."""
    queue = UploadQueue(f'sqlite:///{root}/pipeline.db')
    until = time.monotonic() + 60
    while sum(queue.counts()[state] for state in FINAL) < number:
        assert process.poll() is None
        assert time.monotonic() < until, queue.counts()
        time.sleep(0.2)
    queue.close()


@pytest.mark.timeout(600)
def test_killed_workers_lose_nothing(tmp_path: Path, routes: Path, database: str) -> None:
    """500 uploads, every 50th broken, workers killed at random: each has its one right end."""
    uploads, chance = 500, random.Random(0)
    root = tmp_path / 'root'
    queue, files = UploadQueue(database, lease=3), PipelineFiles(root)
    contents = {}
    for number in range(uploads):
        is_broken = number % 50 == 49
        contents[f'{number:03}.png'] = encoded(number)[:60] if is_broken else encoded(number)
    for name, content in contents.items():
        receive_bytes(queue, files, name, content, 'tests')
    command = ['work', str(root), '--database', database, *worker_options(routes, lease=3)]
    kills = 0
    while queue.next_due() is not None and kills < 12:
        workers = [start(*command), start(*command)]
        done = sum(queue.counts()[state] for state in FINAL)
        goal = done + chance.randrange(5, 60)
        until = time.monotonic() + 60
        while sum(queue.counts()[state] for state in FINAL) < min(goal, uploads):
            assert time.monotonic() < until, queue.counts()
            time.sleep(0.01)
        for worker in workers:
            worker.kill()
            worker.communicate(timeout=60)
            kills += 1
    assert kills >= 6
    with start(*command, '--once') as last:
        _, said = last.communicate(timeout=300)
    assert last.returncode == 1, said.decode()  # some have failed

    expected = expected_ends(contents, routes.with_name('tiny.onnx'))
    found = {each.name: each for each in queue.uploads()}
    assert len(found) == len(queue.uploads()) == uploads
    assert {name: State(row.state) for name, row in found.items()} == {
        name: state for name, (state, _) in expected.items()
    }
    assert {state for state, _ in expected.values()} == {
        State.PUBLISHED,
        State.REVIEW,
        State.FAILED,
    }
    for row in found.values():
        after = [change.after for change in queue.history(row.id) if change.before != change.after]
        whole = ['received', 'typed', 'removed', row.state]
        assert after == (whole if row.state != State.FAILED else ['received', 'typed', 'failed'])
    with queue.engine.connect() as connection:
        measured = list(connection.scalars(select(Measurement.upload_id)))
    assert sorted(measured) == sorted(e.id for e in found.values() if e.state != State.FAILED)
    published = {
        path.relative_to(root / 'published').as_posix(): np.array(Image.open(path))
        for path in (root / 'published').rglob('*')
        if path.is_file()
    }
    wanted = {f'{name}.png': pixels for name, (_, pixels) in expected.items() if pixels is not None}
    assert published.keys() == wanted.keys()
    for name, pixels in wanted.items():
        np.testing.assert_array_equal(published[name], pixels)
    queue.close()


def expected_ends(
    contents: dict[str, bytes], model: Path
) -> dict[str, tuple[State, np.ndarray | None]]:
    """The state of each photo and the pixels of its result, made without the pipeline."""
    remover = BackgroundRemover(model, backend='onnxruntime', device='cpu', num_threads=1)
    gate = Gate(suspicion=SUSPICION, flags=())
    found: dict[str, tuple[State, np.ndarray | None]] = {}
    for name, content in contents.items():
        if int(name[:3]) % 50 == 49:
            found[name] = State.FAILED, None
            continue
        source = decode_image(content)
        ((mask, _),) = remover.low_resolution([source.rgb])
        if gate.reasons(quality(mask)):
            found[name] = State.REVIEW, None
        else:
            output = OutputOptions(output='rgb', fill=255)
            found[name] = State.PUBLISHED, render(source, mask, output).pixels
    return found


def test_a_broken_photo_that_is_replaced(tmp_path: Path, routes: Path, capsys) -> None:
    """It counts as failed until another version comes, and no longer."""
    photos, root = tmp_path / 'photos', tmp_path / 'root'
    photos.mkdir()
    run = ['pipeline', 'run', str(photos), str(root), '--once', *worker_options(routes)]
    (photos / 'b.png').write_bytes(encoded(1)[:60])
    assert main(run) == 1
    assert capsys.readouterr().out.startswith('1 failed\n')
    (photos / 'b.png').write_bytes(encoded(1))
    assert main(run) == 0
    counted = capsys.readouterr().out.splitlines()[0]
    assert 'failed' not in counted
    assert '1 superseded' in counted
    assert main(['pipeline', 'retry', str(root)]) == 0
    assert capsys.readouterr().out == '0 uploads will be tried again\n'
