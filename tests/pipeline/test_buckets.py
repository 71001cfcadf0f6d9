"""Photos and results in buckets, with s3fs against moto's server; events out of a queue of SQS."""

from __future__ import annotations

import io
import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from urllib.parse import quote_plus

import numpy as np
import pytest
from PIL import Image

from bgremoval_mm.cli import pipeline_events
from bgremoval_mm.cli.main import main
from bgremoval_mm.pipeline.bucket_events import BucketPlace, EventError, stored_objects
from bgremoval_mm.pipeline.event_queue import EventQueue, EventQueueError, Message, receive_events
from bgremoval_mm.pipeline.files import PipelineFiles
from bgremoval_mm.pipeline.queue import UploadQueue
from bgremoval_mm.pipeline.routes import Gate, Route, RouteError, Routes, read_routes
from bgremoval_mm.pipeline.sources import ListingWatcher, receive_bytes, receive_files
from bgremoval_mm.pipeline.states import State
from bgremoval_mm.pipeline.worker import Worker
from bgremoval_mm.removal import BackgroundRemover
from bgremoval_mm.removal.errors import ArgumentError
from bgremoval_mm.removal.images.reading import decode_image
from bgremoval_mm.removal.io.storage import open_storage
from bgremoval_mm.removal.options import OutputOptions
from bgremoval_mm.removal.outputs.rendering import render

DENY = '{"Version": "2012-10-17", "Statement": [{"Effect": "Deny", "Principal": "*", '
DENY += '"Action": "s3:%s", "Resource": "arn:aws:s3:::%s/*"}]}'


@pytest.fixture
def encoded(picture) -> Callable[..., bytes]:
    """A function that makes a picture file: a bright square."""

    def make(seed: int = 0) -> bytes:
        buffer = io.BytesIO()
        Image.fromarray(picture(24, 16, seed)).save(buffer, 'PNG')
        return buffer.getvalue()

    return make


@pytest.fixture
def remover(tiny_file: Path) -> BackgroundRemover:
    """A tiny network."""
    return BackgroundRemover(tiny_file, backend='onnxruntime', device='cpu', num_threads=1)


@pytest.fixture
def queue(tmp_path: Path) -> Iterator[UploadQueue]:
    """An empty queue, on which everything is tried twice at most."""
    made = UploadQueue(f'sqlite:///{tmp_path}/pipeline.db', most_tries=2)
    yield made
    made.close()


@pytest.fixture
def make_worker(tmp_path: Path, tiny_file: Path, queue, remover) -> Callable[..., Worker]:
    """A function that makes a worker whose route publishes at an address."""

    def make(publish: str) -> Worker:
        gate = Gate(suspicion=100, flags=())
        route = Route('all', model=str(tiny_file), gate=gate, publish=publish, folder='white')
        return Worker(queue, PipelineFiles(tmp_path / 'root'), Routes([route]), lambda _: remover)

    return make


@pytest.fixture
def routes(tmp_path: Path, tiny_file: Path) -> Path:
    """A file with one route, whose network is tiny and whose results go into a bucket."""
    file = tmp_path / 'routes.toml'
    file.write_text(
        f'[[route]]\nname = "all"\nmodel = "{tiny_file}"\npublish = "s3://shop/results/"\n'
        '[route.gate]\nsuspicion = 100\nflags = []\n'
    )
    return file


def run(source: str, root: Path, routes: Path, *options: str) -> int:
    """Take what is there, and work until it is done."""
    chosen = ['--routes', str(routes), '--backend', 'onnxruntime', '--device', 'cpu']
    command = ['pipeline', 'run', source, str(root), '--once', '--threads', '1', *chosen]
    return main([*command, *options])


def result_of(remover: BackgroundRemover, content: bytes) -> np.ndarray:
    """The pixels that are right for a photo."""
    source = decode_image(content)
    ((mask, _),) = remover.low_resolution([source.rgb])
    return render(source, mask, OutputOptions(output='rgba')).pixels


def keys(s3, bucket: str = 'shop') -> list[str]:
    """What is in a bucket."""
    return [each['Key'] for each in s3.list_objects_v2(Bucket=bucket).get('Contents', [])]


def test_a_change_within_a_second_is_seen(s3) -> None:
    """Size and time can be the same, as S3's times are whole seconds: the object's tag tells."""
    watcher = ListingWatcher('s3://shop/photos')
    for content in (b'one', b'two', b'six'):
        s3.put_object(Bucket='shop', Key='photos/a.png', Body=content)
        assert watcher.take() == {'a.png'}
        assert watcher.take() == set()


def test_objects_have_the_type_of_their_picture(s3) -> None:
    """Without it browsers would store a result in place of showing it."""
    storage = open_storage('s3://shop/results')
    for name, kind in {'a.png': 'image/png', 'b.jpg': 'image/jpeg'}.items():
        storage.write(name, b'content')
        assert s3.head_object(Bucket='shop', Key=f'results/{name}')['ContentType'] == kind


@pytest.mark.parametrize('early', [True, False])
def test_a_result_is_seen_once_it_is_put_in_its_place(s3, tmp_path: Path, early: bool) -> None:
    """With its type, whether it is uploaded before that or then; without that, nothing is left."""
    files = PipelineFiles(tmp_path)
    for content in (b'one', b'two'):
        with files.staged('x/a.png', content, 's3://shop/results', early=early) as commit:
            assert len(unfinished(s3)) == early
            former = keys(s3)
            commit()
        assert former == ([] if content == b'one' else ['results/x/a.png'])
        found = s3.get_object(Bucket='shop', Key='results/x/a.png')
        assert (found['Body'].read(), found['ContentType']) == (content, 'image/png')
    with files.staged('x/a.png', b'six', 's3://shop/results', early=early):
        pass
    with (
        pytest.raises(KeyError),
        files.staged('x/b.png', b'six', 's3://shop/results', early=early),
    ):
        raise KeyError
    assert keys(s3) == ['results/x/a.png']
    assert s3.get_object(Bucket='shop', Key='results/x/a.png')['Body'].read() == b'two'
    assert unfinished(s3) == []


def unfinished(s3) -> list[str]:
    """What is being uploaded."""
    found = s3.list_multipart_uploads(Bucket='shop').get('Uploads', [])
    return [each['Key'] for each in found]


@pytest.fixture
def during_upload(monkeypatch) -> list[Callable[[], object]]:
    """What is called while a result is uploaded, each thing once."""
    import s3fs

    todo: list[Callable[[], object]] = []
    honest = s3fs.S3FileSystem.call_s3

    def call(self, method: str, *given, **named):
        if method == 'upload_part' and todo:
            todo.pop(0)()
        return honest(self, method, *given, **named)

    monkeypatch.setattr(s3fs.S3FileSystem, 'call_s3', call)
    return todo


def test_others_do_not_wait_for_an_upload(
    s3, queue, tmp_path: Path, make_worker, encoded, during_upload
) -> None:
    """While a result is written into a bucket, others receive, claim and record with SQLite."""
    worker = make_worker('s3://shop/results')
    receive_bytes(queue, worker.files, 'a.png', encoded(1), 'tests')
    others = UploadQueue(f'sqlite:///{tmp_path}/pipeline.db')
    done: list[State] = []

    def work() -> None:
        with others.engine.connect() as connection:  # waits for no lock
            connection.exec_driver_sql('PRAGMA busy_timeout = 0')
        others.receive('b.png', 'b' * 64, 'tests')
        claim = others.claim()
        assert claim is not None
        done.append(others.advance(claim, State.FAILED, 'by the others').state)

    during_upload.append(work)
    assert worker.run(until_done=True) == 1
    assert done == [State.FAILED]
    assert [each.state for each in queue.uploads()] == ['published', 'failed']
    assert keys(s3) == ['results/white/a.png.png']
    others.close()


def test_a_version_that_comes_during_an_upload(
    s3, queue, make_worker, encoded, remover, during_upload
) -> None:
    """The former one is superseded, and nobody ever sees its result."""
    worker = make_worker('s3://shop/results')
    receive_bytes(queue, worker.files, 'a.png', encoded(1), 'tests')
    receive = lambda: receive_bytes(queue, worker.files, 'a.png', encoded(2), 'tests')  # noqa: E731
    during_upload += [receive, lambda: seen.append(keys(s3))]
    seen: list[list[str]] = []
    assert worker.run(until_done=True) == 2
    assert [each.state for each in queue.uploads()] == ['superseded', 'published']
    assert seen == [[]]
    body = s3.get_object(Bucket='shop', Key='results/white/a.png.png')['Body'].read()
    np.testing.assert_array_equal(
        np.array(Image.open(io.BytesIO(body))), result_of(remover, encoded(2))
    )
    assert unfinished(s3) == []


def test_a_claim_that_ends_during_an_upload(
    s3, queue, make_worker, encoded, remover, during_upload, monkeypatch, caplog
) -> None:
    """What the slow worker has uploaded is dropped; the photo is rejected, and stays so."""
    worker = make_worker('s3://shop/results')
    receive_bytes(queue, worker.files, 'a.png', encoded(1), 'tests')
    now = queue.clock()

    def take_over() -> None:
        monkeypatch.setattr(queue, 'clock', lambda: now + 2 * queue.lease)
        claim = queue.claim()
        assert claim is not None
        queue.fail(claim, 'by another worker', final=True)

    during_upload.append(take_over)
    worker.run(until_done=True)
    assert 'was taken over by another worker' in caplog.text
    assert [each.state for each in queue.uploads()] == ['failed']
    assert keys(s3) == unfinished(s3) == []


def test_errors_name_the_address(s3) -> None:
    """Stores say "Access Denied" or "The specified bucket does not exist", and not where."""
    with pytest.raises(FileNotFoundError, match=r's3://shop/photos/none\.png'):
        open_storage('s3://shop/photos').read('none.png')
    with pytest.raises(FileNotFoundError, match='s3://nowhere/results'):
        open_storage('s3://nowhere/results').write('a.png', b'content')


def test_a_bucket_by_listing(s3, tmp_path: Path, routes, encoded, remover, capsys) -> None:
    """Photos are read from a bucket and results written into it, under their names."""
    for number, name in enumerate(('a.png', 'x y/ä+b.png')):
        s3.put_object(Bucket='shop', Key=f'photos/{name}', Body=encoded(number))
    s3.put_object(Bucket='shop', Key='photos/list.csv', Body=b'no photo')
    s3.put_object(Bucket='shop', Key='others/b.png', Body=encoded(2))
    root = tmp_path / 'root'
    assert run('s3://shop/photos', root, routes) == 0
    assert capsys.readouterr().out == '2 published\n'
    assert sorted(key for key in keys(s3) if key.startswith('results/')) == [
        'results/a.png.png',
        'results/x y/ä+b.png.png',
    ]
    for number, name in enumerate(('a.png', 'x y/ä+b.png')):
        body = s3.get_object(Bucket='shop', Key=f'results/{name}.png')['Body'].read()
        made = np.array(Image.open(io.BytesIO(body)))
        np.testing.assert_array_equal(made, result_of(remover, encoded(number)))
    assert list((root / 'published').iterdir()) == []
    assert main(['pipeline', 'status', str(root), '--json']) == 0
    found = json.loads(capsys.readouterr().out)['uploads']
    assert found[0]['result'] == 's3://shop/results/a.png.png'


@pytest.mark.parametrize('versioning', ['Suspended', 'Enabled'])
def test_a_changed_object_is_a_new_version(
    s3, queue, tmp_path: Path, make_worker, encoded, remover, versioning: str
) -> None:
    """With and without the bucket's own versions; its result takes the place of the former one."""
    s3.put_bucket_versioning(Bucket='shop', VersioningConfiguration={'Status': versioning})
    worker, watcher = make_worker('s3://shop/results'), ListingWatcher('s3://shop/photos')
    for number in (1, 2):
        s3.put_object(Bucket='shop', Key='photos/a.png', Body=encoded(number) + bytes(number))
        assert watcher.take() == {'a.png'}
        storage = open_storage('s3://shop/photos')
        assert receive_files(queue, worker.files, storage, ['a.png']).new == 1
        assert watcher.take() == set()
        assert worker.run(until_done=True) == 1
    rows = queue.uploads()
    assert [(row.version, row.state) for row in rows] == [(1, 'published'), (2, 'published')]
    body = s3.get_object(Bucket='shop', Key='results/white/a.png.png')['Body'].read()
    made = np.array(Image.open(io.BytesIO(body)))
    np.testing.assert_array_equal(made, result_of(remover, encoded(2)))
    kept = s3.list_object_versions(Bucket='shop', Prefix='results/')['Versions']
    assert len(kept) == (2 if versioning == 'Enabled' else 1)


def test_another_spelling_of_a_key(s3, tmp_path: Path, routes, encoded, caplog, capsys) -> None:
    """It is named and not received: its result would take the place of the other one's."""
    for number, key in enumerate(['x/a.png', 'x//a.png', './x/a.png', '/b.png']):
        s3.put_object(Bucket='shop', Key=f'photos/{key}', Body=encoded(number))
    assert run('s3://shop/photos', tmp_path / 'root', routes) == 1
    reason = 'its name has a part that is empty, "." or ".."'
    for key in ('x//a.png', './x/a.png', '/b.png'):
        assert f'not received: {key}: {reason}' in caplog.text
    watcher = ListingWatcher('s3://shop/photos')
    assert watcher.take() == {'x/a.png'}
    assert f'/b.png: {reason}' in watcher.unreadable
    assert watcher.take() == set()
    assert watcher.unreadable == []  # told once
    assert capsys.readouterr().out == '1 published\n'
    assert [key for key in keys(s3) if key.startswith('results/')] == ['results/x/a.png.png']


def test_a_bucket_that_denies_reading(s3, tmp_path: Path, routes, encoded, capsys, caplog) -> None:
    """Each photo is named with the reason, also by the exit code; a later look can succeed."""
    s3.put_object(Bucket='shop', Key='photos/a.png', Body=encoded())
    s3.put_bucket_policy(Bucket='shop', Policy=DENY % ('GetObject', 'shop/photos'))
    assert run('s3://shop/photos', tmp_path / 'root', routes) == 1
    assert 'not received: a.png: ' in caplog.text
    assert 'Permission denied' in caplog.text
    assert capsys.readouterr().out == 'empty\n'
    s3.delete_bucket_policy(Bucket='shop')
    assert run('s3://shop/photos', tmp_path / 'root', routes) == 0


def test_a_bucket_that_denies_writing(s3, queue, make_worker, encoded) -> None:
    """It is tried again, and then failed, with the place and the reason."""
    worker = make_worker('s3://shop/results')
    receive_bytes(queue, worker.files, 'a.png', encoded(), 'tests')
    s3.put_object(Bucket='shop', Key='results/white/a.png.png', Body=b'former')
    s3.put_bucket_policy(Bucket='shop', Policy=DENY % ('PutObject', 'shop'))
    worker.run(until_done=True)
    (row,) = queue.uploads(State.FAILED)
    tries = [each.reason for each in queue.history(row.id) if 's3://shop/results' in each.reason]
    assert len(tries) == 2
    assert 's3://shop/results cannot be written to: ' in tries[0]
    assert tries[1].endswith('tried 2 times')
    assert s3.get_object(Bucket='shop', Key='results/white/a.png.png')['Body'].read() == b'former'
    s3.delete_bucket_policy(Bucket='shop')
    queue.retry()
    worker.run(until_done=True)
    assert [each.state for each in queue.uploads()] == ['published']


def test_a_bucket_that_is_not_there(
    s3, queue, tmp_path: Path, routes, make_worker, encoded, capsys
):
    """It is named; no bucket is made of a misspelt name."""
    assert run('s3://shopp/photos', tmp_path / 'other', routes) == 1
    assert 's3://shopp/photos cannot be listed: ' in capsys.readouterr().err
    worker = make_worker('s3://shopp/results')
    receive_bytes(queue, worker.files, 'a.png', encoded(), 'tests')
    worker.run(until_done=True)
    assert 's3://shopp/results cannot be written to: ' in queue.history(1)[-1].reason
    assert [each['Name'] for each in s3.list_buckets()['Buckets']] == ['shop']


class CuttingProxy:
    """Passes connections on to a server; while `cuts` is set, ends each after some bytes."""

    def __init__(self, port: int, after: int) -> None:
        self.cuts = threading.Event()
        self.broken = 0
        self._target, self._after = ('127.0.0.1', port), after
        self._listening = socket.create_server(('127.0.0.1', 0))
        self.port = self._listening.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        """Accept no more."""
        self._listening.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listening.accept()
            except OSError:
                return
            server = socket.create_connection(self._target)
            threading.Thread(target=self._pass, args=(client, server, True), daemon=True).start()
            threading.Thread(target=self._pass, args=(server, client, False), daemon=True).start()

    def _pass(self, source: socket.socket, target: socket.socket, is_request: bool) -> None:
        passed = 0
        try:
            while data := source.recv(1024):
                if is_request and self.cuts.is_set() and passed + len(data) > self._after:
                    target.sendall(data[: self._after - passed])
                    self.broken += 1
                    break
                target.sendall(data)
                passed += len(data)
        except OSError:
            pass
        for each in (source, target):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)


def test_a_connection_that_breaks_in_a_write(
    s3, s3_server, queue, make_worker, encoded, remover, monkeypatch
) -> None:
    """The former result stays whole; the upload is tried again and published."""
    import s3fs

    worker = make_worker('s3://shop/results')
    receive_bytes(queue, worker.files, 'a.png', encoded(1), 'tests')
    worker.run(until_done=True)
    former = s3.get_object(Bucket='shop', Key='results/white/a.png.png')['Body'].read()
    noise = np.random.default_rng(0).integers(0, 255, (100, 100, 3), np.uint8)
    noise[20:80, 20:80] = 255
    buffer = io.BytesIO()
    Image.fromarray(noise).save(buffer, 'PNG')

    proxy = CuttingProxy(int(s3_server.rpartition(':')[2]), after=8000)
    monkeypatch.setenv('AWS_ENDPOINT_URL', f'http://127.0.0.1:{proxy.port}')
    monkeypatch.setenv('AWS_MAX_ATTEMPTS', '1')
    monkeypatch.setattr(s3fs.S3FileSystem, 'retries', 1)
    s3fs.S3FileSystem.clear_instance_cache()
    receive_bytes(queue, worker.files, 'a.png', buffer.getvalue(), 'tests')
    proxy.cuts.set()
    claim = queue.claim()
    assert claim is not None
    assert worker._work(claim) is State.REMOVED
    assert proxy.broken > 0
    assert 's3://shop/results cannot be written to: ' in queue.history(2)[-1].reason
    assert s3.get_object(Bucket='shop', Key='results/white/a.png.png')['Body'].read() == former
    proxy.cuts.clear()
    worker.run(until_done=True)
    assert queue.uploads()[1].state == 'published'
    body = s3.get_object(Bucket='shop', Key='results/white/a.png.png')['Body'].read()
    made = np.array(Image.open(io.BytesIO(body)))
    np.testing.assert_array_equal(made, result_of(remover, buffer.getvalue()))
    proxy.close()


def test_results_are_not_photos(s3, tmp_path: Path, routes, capsys) -> None:
    """A place of results below the photos is refused, since each result would be a photo."""
    assert run('s3://shop', tmp_path / 'root', routes) == 1
    assert 's3://shop/results/ lies in s3://shop: ' in capsys.readouterr().err
    (tmp_path / 'photos').mkdir()
    assert run(str(tmp_path / 'photos'), tmp_path / 'photos' / 'root', routes) == 1
    assert 'would be received as photos in turn' in capsys.readouterr().err


def test_a_place_that_is_no_address(tmp_path: Path) -> None:
    """Routes publish below `published`, or at an address."""
    file = tmp_path / 'routes.toml'
    file.write_text('[[route]]\nname = "x"\npublish = "/srv/shop"\n')
    with pytest.raises(RouteError, match=r'`publish` must be an address such as s3://bucket/resul'):
        read_routes(file)


def event(*objects: tuple[str, str], name: str = 'ObjectCreated:Put') -> dict:
    """An event as S3 sends it."""
    return {
        'Records': [
            {
                'eventSource': 'aws:s3',
                'eventName': name,
                's3': {'bucket': {'name': bucket}, 'object': {'key': quote_plus(key, safe='/')}},
            }
            for bucket, key in objects
        ]
    }


def test_events_in_all_their_wrappings() -> None:
    """S3, SNS, SQS and EventBridge tell of the same object."""
    plain = event(('shop', 'photos/x y/ä+b.png'))
    by_sns = {'Type': 'Notification', 'Message': json.dumps(plain)}
    bridge = {
        'source': 'aws.s3',
        'detail-type': 'Object Created',
        'detail': {'bucket': {'name': 'shop'}, 'object': {'key': 'photos/x y/ä+b.png'}},
    }
    to_lambda = {'Records': [{'EventSource': 'aws:sns', 'Sns': {'Message': json.dumps(plain)}}]}
    by_sqs = {'Records': [{'eventSource': 'aws:sqs', 'body': json.dumps(by_sns)}]}
    for each in (plain, json.dumps(plain), by_sns, bridge, to_lambda, by_sqs):
        (found,) = stored_objects(each)
        assert (found.bucket, found.key) == ('shop', 'photos/x y/ä+b.png')
        assert BucketPlace.of('s3://shop/photos/').name_of(found) == 'x y/ä+b.png'
        assert BucketPlace.of('s3://shop').name_of(found) == 'photos/x y/ä+b.png'
        assert BucketPlace.of('s3://shop/photo').name_of(found) is None
        assert BucketPlace.of('s3://other').name_of(found) is None


def test_events_of_nothing_new() -> None:
    """S3's test event and deletions name no photo."""
    assert stored_objects({'Service': 'Amazon S3', 'Event': 's3:TestEvent'}) == []
    assert stored_objects(event(('shop', 'a.png'), name='ObjectRemoved:Delete')) == []
    assert stored_objects({'source': 'aws.s3', 'detail-type': 'Object Deleted'}) == []


@pytest.mark.parametrize(
    'broken',
    [
        '{',
        '[' * 100_000,
        'null',
        '{}',
        '{"Records": [1]}',
        '{"Records": [{"eventSource": "aws:ec2"}]}',
        '{"Records": [{"eventSource": "aws:s3", "eventName": "ObjectCreated:Put", "s3": {}}]}',
        '{"Type": "Notification"}',
        '{"source": "aws.s3", "detail-type": "Object Created", "detail": {"bucket": "shop"}}',
    ],
)
def test_what_is_no_event(broken: str) -> None:
    """It is refused with what was expected."""
    with pytest.raises(EventError, match=r'^an event of a bucket was expected, but got '):
        stored_objects(broken)


def test_events_out_of_a_queue(s3, sqs, tmp_path: Path, routes, encoded, capsys, caplog) -> None:
    """Objects are received as told; what is understood is deleted, the rest named and left."""
    s3.put_object(Bucket='shop', Key='photos/x y/a.png', Body=encoded(1))
    s3.put_object(Bucket='shop', Key='photos/unknown.png', Body=encoded(2))
    send = sqs.send
    send(event(('shop', 'photos/x y/a.png')))
    send({'Service': 'Amazon S3', 'Event': 's3:TestEvent'})
    send(event(('shop', 'photos/list.csv')))
    send(event(('shop', 'photos/gone.png')))
    root = tmp_path / 'root'
    assert run('s3://shop/photos', root, routes, '--events', 'uploads') == 0
    assert capsys.readouterr().out == '1 published\n'
    assert 's3://shop/photos/gone.png is no longer there' in caplog.text
    assert 'results/x y/a.png.png' in keys(s3)
    assert sqs.left() == 0
    send('no event')
    send(event(('other', 'a.png')))
    send(event(('shop', 'photos/a\\b.png')))
    assert run('s3://shop/photos', root, routes, '--events', sqs.url) == 1
    assert 'an event of a bucket was expected, but got no JSON' in caplog.text
    assert 's3://other/a.png does not lie in the bucket and prefix' in caplog.text
    assert 'must be a relative path' in caplog.text
    assert sqs.left() == 3


def test_a_message_is_kept_until_its_photo_is_recorded(
    s3, sqs, queue, tmp_path: Path, encoded
) -> None:
    """A read that is denied leaves the message; when it is delivered again, it is received."""
    s3.put_object(Bucket='shop', Key='photos/a.png', Body=encoded(1))
    s3.put_object(Bucket='shop', Key='photos/b.png', Body=encoded(2))
    s3.put_bucket_policy(Bucket='shop', Policy=DENY % ('GetObject', 'shop/photos/b.png'))
    policy = s3.get_bucket_policy(Bucket='shop')['Policy'].replace('b.png/*', 'b.png')
    s3.put_bucket_policy(Bucket='shop', Policy=policy)
    sqs.send(event(('shop', 'photos/a.png'), ('shop', 'photos/b.png')))
    events, files = EventQueue('uploads'), PipelineFiles(tmp_path / 'root')
    messages = events.take(0)
    first = receive_events(queue, files, messages, events, 's3://shop/photos')
    assert (first.new, len(first.unreadable)) == (1, 1)
    assert sqs.left() == 1
    s3.delete_bucket_policy(Bucket='shop')
    again = receive_events(queue, files, messages, events, 's3://shop/photos')
    assert (again.new, again.known, again.unreadable) == (1, 1, [])
    assert sqs.left() == 0


def test_events_until_told_to_stop(s3, sqs, make_worker, encoded, monkeypatch, caplog) -> None:
    """A queue that does not answer is asked again; what comes later is received, too."""
    monkeypatch.setattr(pipeline_events, '_PAUSE', 0.0)
    worker, events, stop = (
        make_worker('s3://shop/results'),
        EventQueue('uploads'),
        threading.Event(),
    )
    honest, calls = events.take, []

    def flaky(wait: int) -> list[Message]:
        calls.append(wait)
        if len(calls) == 1:
            msg = 'the queue is away'
            raise EventQueueError(msg)
        if len(calls) == 3:
            s3.put_object(Bucket='shop', Key='photos/a.png', Body=encoded(1))
            sqs.send(event(('shop', 'photos/a.png')))
        if worker.queue.uploads():
            stop.set()
        return honest(0)

    monkeypatch.setattr(events, 'take', flaky)
    pipeline_events.receive_as_told(worker, 's3://shop/photos', events, stop)
    assert [each.name for each in worker.queue.uploads()] == ['a.png']
    assert len(calls) == 4
    assert set(calls) == {5}
    assert 'the queue is away' in caplog.text
    assert sqs.left() == 0


def test_wrong_queues(s3, tmp_path: Path, routes, capsys) -> None:
    """A queue that is not there, and photos that are in no bucket, are told of at the start."""
    root = tmp_path / 'root'
    assert run('s3://shop/photos', root, routes, '--events', 'gone') == 1
    assert 'the queue gone cannot be used: ' in capsys.readouterr().err
    assert run('memory://shop/photos', root, routes, '--events', 'uploads') == 1
    assert 'events come from s3://BUCKET or s3://BUCKET/PREFIX, but' in capsys.readouterr().err
    for wrong in ('s3://', 'memory://shop', 'photos'):
        with pytest.raises(ArgumentError, match=f"but got '{wrong}'"):
            BucketPlace.of(wrong)
