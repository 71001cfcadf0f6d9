"""`POST /uploads` and `GET /uploads/{id}`: received once, told of, worked on by others."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.exc import OperationalError
from starlette.testclient import TestClient

from bgremoval_mm.cli.main import main
from bgremoval_mm.pipeline.files import PipelineFiles
from bgremoval_mm.pipeline.queue import UploadQueue
from bgremoval_mm.pipeline.routes import Gate, Route, Routes
from bgremoval_mm.pipeline.worker import Worker
from bgremoval_mm.serving.app import make_app
from bgremoval_mm.serving.inbox import Inbox
from bgremoval_mm.serving.tokens import Tokens


@pytest.fixture
def inbox(tmp_path: Path) -> Iterator[Inbox]:
    """An empty inbox."""
    queue = UploadQueue(f'sqlite:///{tmp_path}/pipeline.db')
    yield Inbox(queue, PipelineFiles(tmp_path / 'root'))
    queue.close()


@pytest.fixture
def client(engine, inbox) -> Iterator[Callable[..., TestClient]]:
    """A function that starts a service with the inbox and returns its client."""
    started = []

    def start(tokens: Any = None, **limits: Any) -> TestClient:
        made = engine(**limits)
        app = make_app(made, tokens, inbox=inbox)
        client = TestClient(app, raise_server_exceptions=False)
        client.__enter__()
        started.append(client)
        made.batcher.ready.result(60)
        return client

    yield start
    for each in started:
        each.__exit__(None, None, None)


def error_of(response: Any) -> tuple[int, str, str]:
    """Status, code and detail of a refusal."""
    (error,) = response.json()['errors']
    return response.status_code, error['code'], error.get('detail', '')


def test_form_and_body(client, inbox, encoded) -> None:
    """Both are recorded with their name; the same upload is told of again, with status 200."""
    service, content = client(), encoded(1)
    first = service.post('/uploads', files={'file': ('x', content)}, data={'name': 'shoes/ä.png'})
    assert first.status_code == 202
    told = first.json()
    assert (told['name'], told['version'], told['state']) == ('shoes/ä.png', 1, 'received')
    assert first.headers['location'] == f'uploads/{told["id"]}'
    again = service.post('/uploads', params={'name': 'shoes/ä.png'}, content=content)
    assert (again.status_code, again.json()) == (200, told)
    changed = service.post('/uploads', params={'name': 'shoes/ä.png'}, content=encoded(2))
    assert changed.status_code == 202
    assert changed.json()['version'] == 2
    (row, later) = inbox._queue.uploads()
    assert inbox._files.photo(row.sha256) == content
    assert inbox._files.photo(later.sha256) == encoded(2)


def test_what_became_of_it(client, inbox, encoded, removers) -> None:
    """A worker elsewhere leads it to its end; state, history and reasons are told."""
    service = client()
    number = service.post('/uploads', params={'name': 'a.png'}, content=encoded()).json()['id']
    doubtful = service.post('/uploads', params={'name': 'b.png'}, content=encoded(3)).json()['id']
    routes = Routes(
        [
            Route('good', ('a.png',), 'u2netp', gate=Gate(suspicion=100, flags=())),
            Route('all', model='u2netp', gate=Gate(suspicion=0, flags=())),
        ]
    )
    Worker(inbox._queue, inbox._files, routes, lambda _: removers['u2netp']).run(until_done=True)
    found = service.get(f'/uploads/{number}').json()
    assert (found['state'], found['result'], found['reasons']) == ('published', 'a.png.png', [])
    states = [each['after'] for each in found['history']]
    assert states == ['received', 'typed', 'removed', 'published']
    assert found['history'][0]['reason'] == 'from HTTP'
    found = service.get(f'/uploads/{doubtful}').json()
    assert (found['state'], found['reasons']) == ('review', ['every mask is reviewed'])


@pytest.mark.parametrize('number', ['0', '99', '-1', 'x', '²', '9' * 30, str(2**31)])
def test_an_upload_that_is_not_there(client, number: str) -> None:
    """Whatever is no upload's number gets status 404."""
    assert error_of(client().get(f'/uploads/{number}'))[:2] == (404, 'unknown_upload')


@pytest.mark.parametrize(
    'name',
    [
        *['', '/a.png', '../a.png', 'x/../../a.png', 'a\\b', 'a\nb', 'a' * 201, 'a/' * 500 + 'b'],
        *['x//a.png', './a.png', 'x/./a.png', 'x/', 'x/.', '.unfinished/a.png'],
    ],
)
def test_wrong_names(client, inbox, encoded, name: str) -> None:
    """They are refused by name, and nothing is stored."""
    response = client().post('/uploads', params={'name': name}, content=encoded())
    status, code, detail = error_of(response)
    assert (status, code) == (400, 'invalid_parameter')
    assert '`name`' in detail
    assert inbox._queue.uploads() == []


def test_what_else_is_refused(client, inbox, encoded) -> None:
    """As at the other endpoints: parameters, kinds of file, sizes, tokens; and other sites."""
    service = client(Tokens(['0123456789abcdef']), max_bytes=5000)

    def post(content: bytes = encoded(), headers: Any = None, **query: str) -> tuple[int, str]:
        sent = {'X-Api-Key': '0123456789abcdef'} | (headers or {})
        return error_of(service.post('/uploads', params=query, content=content, headers=sent))[:2]

    assert post() == (400, 'invalid_parameter')
    assert post(name='a', model='u2netp') == (400, 'unknown_parameter')
    assert post(b'', name='a') == (400, 'missing_source')
    assert post(b'<svg>', name='a') == (400, 'invalid_file_type')
    assert post(encoded() + bytes(5000), name='a') == (413, 'file_too_large')
    assert post(name='a', headers={'X-Api-Key': 'wrong'}) == (401, 'auth_failed')
    assert post(name='a', headers={'Sec-Fetch-Site': 'cross-site'}) == (403, 'cross_site')
    assert post(name='a', headers={'Origin': 'http://other.example'}) == (403, 'cross_site')
    assert error_of(service.get('/uploads/1'))[:2] == (401, 'auth_failed')
    assert inbox._queue.uploads() == []
    own = {'X-Api-Key': '0123456789abcdef', 'Origin': 'http://testserver'}
    answer = service.post('/uploads', params={'name': 'a'}, content=encoded(), headers=own)
    assert answer.status_code == 202


def test_names_that_lead_to_this_machine(engine, inbox, encoded) -> None:
    """A site whose own name leads here is of the same origin for a browser: it is refused."""
    app = make_app(engine(), inbox=inbox, any_host=False)
    with TestClient(app, 'http://evil.example:8000', raise_server_exceptions=False) as client:
        own = {'Origin': 'http://evil.example:8000', 'Sec-Fetch-Site': 'same-origin'}
        refused = [
            client.post('/uploads', params={'name': 'a'}, content=encoded(), headers=own),
            client.get('/uploads/1', headers=own),
            client.post('/remove', content=encoded(), headers=own),
            client.get('/'),
        ]
        assert {error_of(each)[:2] for each in refused} == {(403, 'wrong_host')}
        assert client.get('/health').status_code == 200
        assert inbox._queue.uploads() == []
        for host in ('localhost:8000', '127.0.0.1', '[::1]:8000'):
            assert client.get('/', headers={'Host': host}).status_code == 200
    token = Tokens(['0123456789abcdef'])
    with TestClient(make_app(engine(), token, any_host=False), 'http://shop.example') as client:
        assert client.get('/').status_code == 200


def test_the_service_answers_while_an_upload_is_stored(client, inbox, encoded, monkeypatch) -> None:
    """A slow disk or database holds up nobody else."""
    service, entered, go_on = client(), threading.Event(), threading.Event()
    honest = inbox.receive

    def slow(name: str, content: bytes) -> Any:
        entered.set()
        assert go_on.wait(60)
        return honest(name, content)

    monkeypatch.setattr(inbox, 'receive', slow)
    answers = []
    thread = threading.Thread(
        target=lambda: answers.append(
            service.post('/uploads', params={'name': 'a'}, content=encoded())
        )
    )
    thread.start()
    assert entered.wait(60)
    assert service.get('/health').status_code == 200
    assert answers == []
    go_on.set()
    thread.join(60)
    assert answers[0].status_code == 202


def test_a_database_that_is_away(client, inbox, encoded, monkeypatch) -> None:
    """The client is told to come again, and nothing of the reason."""
    service = client()

    def fail(*_: Any) -> None:
        statement = 'SELECT secret'
        raise OperationalError(statement, None, Exception('away'))

    monkeypatch.setattr(inbox._queue, 'receive', fail)
    answer = service.post('/uploads', params={'name': 'a'}, content=encoded())
    assert error_of(answer) == (503, 'storage_unavailable', '')
    assert answer.headers['retry-after'] == '10'


def test_without_a_pipeline(service) -> None:
    """The endpoints are not there unless a pipeline is named."""
    assert error_of(service().post('/uploads'))[:2] == (404, 'not_found')


def test_wrong_options(tmp_path: Path, capsys) -> None:
    """A database without a pipeline is refused, and one that cannot be opened is named."""
    with pytest.raises(SystemExit):
        main(['serve', '--database', 'sqlite:///x.db'])
    assert '--database goes with --pipeline only' in capsys.readouterr().err
    assert main(['serve', '--pipeline', str(tmp_path), '--database', 'mysql://x/y']) == 1
    assert '`database` must be sqlite:///PATH' in capsys.readouterr().err
