"""`bgremoval pipeline run` while it receives: what could not be stored is received later."""

from __future__ import annotations

import errno
import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Event
from types import SimpleNamespace

import pytest
from sqlalchemy.exc import OperationalError

from bgremoval_mm.cli import pipeline_work
from bgremoval_mm.cli.main import main
from bgremoval_mm.cli.watch import Watcher
from bgremoval_mm.pipeline import database, event_queue, sources
from bgremoval_mm.pipeline.database import DatabaseError
from bgremoval_mm.pipeline.event_queue import Message, receive_events
from bgremoval_mm.pipeline.files import PipelineFiles
from bgremoval_mm.pipeline.queue import UploadQueue
from bgremoval_mm.pipeline.sources import receive_files
from bgremoval_mm.removal.io.storage import open_storage


class Until(Event):
    """Set once a condition holds, or after some seconds without it."""

    def __init__(self, holds: Callable[[], bool], seconds: float = 20) -> None:
        super().__init__()
        self.holds = holds
        self.end = time.monotonic() + seconds

    def is_set(self) -> bool:
        """Whether it holds, or the time is over."""
        return self.holds() or time.monotonic() > self.end

    def wait(self, timeout: float | None = None) -> bool:
        """Wait for a moment, however long is asked for."""
        time.sleep(min(timeout or 0, 0.01))
        return self.is_set()


@pytest.fixture
def worker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SimpleNamespace]:
    """Queue and files of a pipeline that does not wait until files have settled."""
    monkeypatch.setattr(Watcher.__init__, '__defaults__', (0.0,))
    queue = UploadQueue(f'sqlite:///{tmp_path}/pipeline.db')
    yield SimpleNamespace(queue=queue, files=PipelineFiles(tmp_path / 'root'))
    queue.close()


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """A folder of six photos, of which nothing reads the pixels."""
    folder = tmp_path / 'photos'
    folder.mkdir()
    for number in range(6):
        (folder / f'{number}.png').write_bytes(b'%d' % number)
    return folder


def names(worker: SimpleNamespace) -> list[str]:
    """The names of the uploads that were recorded."""
    return sorted(each.name for each in worker.queue.uploads())


def fill_disk(worker: SimpleNamespace, monkeypatch: pytest.MonkeyPatch, times: int) -> None:
    """Let the disk be full for so many photos."""
    honest, calls = worker.files.keep_photo, []

    def keep(content: bytes) -> str:
        calls.append(content)
        if len(calls) <= times:
            raise OSError(errno.ENOSPC, 'No space left on device')
        return honest(content)

    monkeypatch.setattr(worker.files, 'keep_photo', keep)


def test_a_photo_that_could_not_be_stored(worker, photos: Path, monkeypatch, caplog) -> None:
    """It is received once the disk has room again, without a change of its file."""
    monkeypatch.setattr(pipeline_work, '_LISTING', 0.1)
    fill_disk(worker, monkeypatch, times=1)
    stop = Until(lambda: len(names(worker)) == 6)
    pipeline_work._receive_as_they_settle(worker, photos, stop)
    assert names(worker) == [f'{number}.png' for number in range(6)]
    assert caplog.text.count('not received: 0.png: No space left on device') == 1


def test_what_else_lies_in_the_folder(worker, photos: Path, caplog) -> None:
    """What is no image is left alone; a pipe that nobody writes to is named, and not waited for."""
    (photos / 'notes.txt').write_text('no photo')
    (photos / 'film.mp4').write_bytes(bytes(99))
    os.mkfifo(photos / '00.jpg')
    (photos / '01.jpg').symlink_to('/dev/zero')
    pipeline_work._receive_as_they_settle(worker, photos, Until(lambda: False, seconds=0.5))
    assert names(worker) == [f'{number}.png' for number in range(6)]
    for name in ('00.jpg', '01.jpg'):
        assert caplog.text.count(f'not received: {name}: ') <= 1


def test_a_file_larger_than_any_photo(worker, photos: Path, monkeypatch, caplog) -> None:
    """It is named once and not read; the others are received."""
    monkeypatch.setattr(sources, 'MAX_BYTES', 1000)
    monkeypatch.setattr(pipeline_work, '_LISTING', 0.05)
    with (photos / '0.png').open('wb') as file:
        file.truncate(1001)
    pipeline_work._receive_as_they_settle(worker, photos, Until(lambda: False, seconds=0.5))
    assert names(worker) == [f'{number}.png' for number in range(1, 6)]
    assert caplog.text.count('0.png: 1,001 bytes are more than a photo may have, 1,000') == 1


def test_a_full_disk_is_not_told_of_at_each_look(worker, photos: Path, monkeypatch, caplog) -> None:
    """A photo is tried again after the time between two listings, and not before."""
    fill_disk(worker, monkeypatch, times=1000)
    pipeline_work._receive_as_they_settle(worker, photos, Until(lambda: False, seconds=0.5))
    assert caplog.text.count('not received') == 6


def test_a_name_that_no_upload_can_have(worker, photos: Path, monkeypatch, caplog) -> None:
    """It is told of once: another try would not help."""
    (photos / 'a\\b.png').write_bytes(b'x')
    monkeypatch.setattr(pipeline_work, '_LISTING', 0.05)
    pipeline_work._receive_as_they_settle(worker, photos, Until(lambda: False, seconds=0.5))
    assert len(names(worker)) == 6
    assert caplog.text.count('not received') == 1


def stop_after(worker: SimpleNamespace, monkeypatch: pytest.MonkeyPatch, count: int) -> Event:
    """An event that is set once so many photos have been recorded."""
    stop, honest, calls = Event(), worker.queue.receive, []

    def receive(*arguments: object) -> object:
        calls.append(1)
        if len(calls) == count:
            stop.set()
        return honest(*arguments)

    monkeypatch.setattr(worker.queue, 'receive', receive)
    return stop


@pytest.mark.parametrize('way', ['folder', 'address', 'once'])
def test_a_signal_ends_receiving(worker, photos: Path, monkeypatch, caplog, way: str) -> None:
    """After the photo under way, and without a word on those that are left."""
    stop = stop_after(worker, monkeypatch, 3)
    if way == 'folder':
        pipeline_work._receive_as_they_settle(worker, photos, stop)
    elif way == 'address':
        pipeline_work._receive_by_listing(worker, photos.as_uri(), stop)
    else:
        pipeline_work._receive_once(worker.queue, worker.files, str(photos), stop)
    assert names(worker) == ['0.png', '1.png', '2.png']
    assert not caplog.text


def test_what_a_signal_left_is_given_again(worker, photos: Path) -> None:
    """The names that were not received go back to who watches."""
    stop = Event()
    stop.set()
    received = receive_files(worker.queue, worker.files, open_storage(photos), ['0.png'], stop)
    assert (received.new, received.unreadable, received.missed) == (0, [], ['0.png'])


@pytest.mark.parametrize('once', [True, False])
def test_exit_code_after_a_signal(
    tmp_path: Path, photos: Path, tiny_file: Path, once: bool
) -> None:
    """With `--once`, a command that was stopped before the end has failed."""
    routes = tmp_path / 'routes.toml'
    routes.write_text(f'[[route]]\nname = "all"\nmodel = "{tiny_file}"\n')
    honest, calls = UploadQueue.receive, []

    def receive(*arguments: object) -> object:
        calls.append(1)
        if len(calls) == 1:  # a second one would end the tests
            signal.raise_signal(signal.SIGTERM)
        return honest(*arguments)

    command = ['pipeline', 'run', str(photos), str(tmp_path / 'root'), '--routes', str(routes)]
    command += ['--backend', 'onnxruntime', '--device', 'cpu', '--threads', '1']
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(UploadQueue, 'receive', receive)
        assert main([*command, '--once'] if once else command) == (1 if once else 0)
    queue = UploadQueue(f'sqlite:///{tmp_path}/root/pipeline.db')
    assert [each.name for each in queue.uploads()] == ['0.png']
    queue.close()


@pytest.mark.parametrize('way', ['folder', 'address', 'once', 'events'])
def test_a_database_that_is_away_for_a_moment(
    worker, photos: Path, monkeypatch, caplog, way: str
) -> None:
    """It is waited for, and then everything is recorded."""
    monkeypatch.setattr(database, '_PAUSE', 0.01)
    honest, calls = worker.queue.receive, []

    def receive(*arguments: object) -> object:
        calls.append(1)
        if len(calls) in (3, 4):
            statement = 'INSERT'
            raise OperationalError(statement, {}, Exception('server closed the connection'))
        return honest(*arguments)

    monkeypatch.setattr(worker.queue, 'receive', receive)
    stop = Until(lambda: len(names(worker)) == 6)
    if way == 'folder':
        pipeline_work._receive_as_they_settle(worker, photos, stop)
    elif way == 'address':
        pipeline_work._receive_by_listing(worker, photos.as_uri(), stop)
    elif way == 'once':
        pipeline_work._receive_once(worker.queue, worker.files, str(photos), stop)
    else:
        told = [Message(f'{number}', '', '') for number in range(6)]
        deleted: list[Message] = []
        monkeypatch.setattr(event_queue.BucketPlace, 'of', lambda address: None)
        monkeypatch.setattr(event_queue, '_names', lambda message, _: [f'{message.id}.png'])
        events = SimpleNamespace(delete=deleted.append)
        receive_events(worker.queue, worker.files, told, events, str(photos))
        assert deleted == told
    assert names(worker) == [f'{number}.png' for number in range(6)]
    assert caplog.text.count('the database does not answer: waiting') == 2
    assert 'not received' not in caplog.text


def test_a_database_that_stays_away(worker, photos: Path, monkeypatch) -> None:
    """It ends the command, as it ends a worker."""
    monkeypatch.setattr(database, '_PAUSE', 0.01)
    monkeypatch.setattr(database, '_AWAY', 0.05)

    def refuse(*_: object) -> None:
        statement = 'INSERT'
        raise OperationalError(statement, {}, Exception('connection refused'))

    monkeypatch.setattr(worker.queue, 'receive', refuse)
    with pytest.raises(DatabaseError, match=r'^the database does not answer: connection refused$'):
        pipeline_work._receive_once(worker.queue, worker.files, str(photos), Event())
