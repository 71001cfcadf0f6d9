"""The service as a process: probes, tokens, slow and leaving clients, and a graceful stop."""

from __future__ import annotations

import http.client
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from urllib.parse import urlsplit

import cv2
import httpx
import numpy as np
import pytest

from bgremoval_mm.cli.main import main
from bgremoval_mm.removal.errors import ArgumentError, BgremovalError
from bgremoval_mm.serving.app import make_app
from bgremoval_mm.serving.limits import Limits
from bgremoval_mm.serving.run import listen, serve
from bgremoval_mm.serving.tokens import Tokens, read_tokens

TOKEN = 'correct-horse-battery'


def test_probes(engine, running, encoded) -> None:
    """Alive at once, ready once the networks have run; before that, requests are refused."""
    made = engine()
    opened = threading.Event()
    remover = made.removers['u2netp']
    infer = remover.infer
    remover.infer = lambda batch: opened.wait(60) and infer(batch)
    app = make_app(made)
    listening = listen('127.0.0.1', 0)
    address = f'http://127.0.0.1:{listening.getsockname()[1]}'
    servers: list = []
    thread = threading.Thread(target=serve, args=(app, made, listening, servers.append))
    thread.start()
    assert httpx.get(f'{address}/health').json()['status'] == 'ok'
    assert httpx.get(f'{address}/ready').status_code == 503
    refused = httpx.post(f'{address}/remove', content=encoded())
    assert (refused.status_code, refused.headers['retry-after']) == (503, '5')
    assert 'bgremoval_ready 0.0' in httpx.get(f'{address}/metrics').text
    opened.set()
    made.batcher.ready.result(60)
    assert httpx.get(f'{address}/ready').json() == {
        'status': 'ready',
        'models': ['u2netp', 'silueta'],
    }
    response = httpx.post(f'{address}/remove', content=encoded())
    assert response.status_code == 200
    assert 'server' not in response.headers
    text = httpx.get(f'{address}/metrics').text
    assert 'bgremoval_ready 1.0' in text
    assert 'bgremoval_stage_seconds_count{stage="network"} 1.0' in text
    assert 'process_resident_memory_bytes' in text
    assert httpx.get(f'{address}/nowhere').json()['errors'][0]['code'] == 'not_found'
    assert httpx.get(f'{address}/remove').json()['errors'][0]['code'] == 'method_not_allowed'
    assert 'path="other",status="404"' in httpx.get(f'{address}/metrics').text
    servers[0].should_exit = True
    thread.join(60)


def test_stop_finishes_what_was_accepted(engine, encoded, expected) -> None:
    """A stop waits for the requests that are under way, and lets no further ones in."""
    made = engine()
    app, listening = make_app(made), listen('127.0.0.1', 0)
    address = f'http://127.0.0.1:{listening.getsockname()[1]}'
    servers: list = []
    thread = threading.Thread(target=serve, args=(app, made, listening, servers.append))
    thread.start()
    made.batcher.ready.result(60)
    reached, opened = threading.Event(), threading.Event()
    remover = made.removers['u2netp']
    infer = remover.infer

    def held(batch: np.ndarray):
        reached.set()
        assert opened.wait(60)
        return infer(batch)

    remover.infer = held
    answers = []
    clients = [
        threading.Thread(
            target=lambda seed=seed: answers.append(
                httpx.post(f'{address}/remove', content=encoded(seed), timeout=60)
            )
        )
        for seed in range(5)
    ]
    for client in clients:
        client.start()
    assert reached.wait(60)
    while made._admitted < 5:
        time.sleep(0.01)
    servers[0].handle_exit(signal.SIGTERM, None)
    while servers[0].servers and servers[0].servers[0].is_serving():
        time.sleep(0.01)
    with pytest.raises(httpx.ConnectError):
        httpx.get(f'{address}/health')
    assert thread.is_alive()
    opened.set()
    thread.join(60)
    for client in clients:
        client.join(60)
    assert [each.status_code for each in answers] == [200] * 5
    assert not thread.is_alive()


def test_a_network_that_does_not_load(engine) -> None:
    """The service ends with the error of its network, instead of never being ready."""
    made = engine()

    def fail(batch: np.ndarray):
        msg = 'no such weights'
        raise BgremovalError(msg)

    made.removers['silueta'].infer = fail
    with pytest.raises(BgremovalError, match='no such weights'):
        serve(make_app(made), made, listen('127.0.0.1', 0))
    assert not made.is_ready


def test_slow_upload_and_leaving_client(engine, running, encoded) -> None:
    """A body that trickles is given up; a client that leaves costs no further work."""
    made = engine(upload_seconds=0.4)
    with running(make_app(made), made) as address:
        place = urlsplit(address)
        slow = http.client.HTTPConnection(place.hostname, place.port, timeout=30)
        slow.putrequest('POST', '/remove')
        slow.putheader('Content-Length', '1000')
        slow.endheaders()
        slow.send(b'\x89PNG')
        answer = slow.getresponse()
        assert (answer.status, b'upload_too_slow' in answer.read()) == (408, True)
        slow.close()

        reached, opened = threading.Event(), threading.Event()
        remover = made.removers['u2netp']
        infer = remover.infer
        seen = []

        def held(batch: np.ndarray):
            seen.append(len(batch))
            reached.set()
            assert opened.wait(60)
            return infer(batch)

        remover.infer = held
        body = encoded()
        head = f'POST /remove HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n'.encode()
        for _ in range(3):
            with socket.create_connection((place.hostname, place.port)) as leaving:
                leaving.sendall(head + body)
                assert reached.wait(60)
        while made._admitted:
            time.sleep(0.01)
        opened.set()
        remover.infer = infer
        assert httpx.post(f'{address}/remove', content=body).status_code == 200
    assert sum(seen) <= 2, 'pictures of clients that had gone were computed'


def test_a_head_that_does_not_come(engine, running) -> None:
    """A connection is closed on which no request comes, or only half of its head."""
    made = engine(upload_seconds=0.4)
    with running(make_app(made), made) as address:
        place = urlsplit(address).hostname, urlsplit(address).port
        for sent in (b'', b'POST /remove HT', b'GET /health HTTP/1.1\r\nHost: x\r\n\r\nGET /he'):
            with socket.create_connection(place, timeout=30) as client:
                client.sendall(sent)
                received = read_all(client)
            assert received.endswith(b'"}') == sent.startswith(b'GET')


def read_all(client: socket.socket) -> bytes:
    """What comes until the connection is closed."""
    return b''.join(iter(lambda: client.recv(65536), b''))


def test_an_answer_that_is_not_taken(engine, running) -> None:
    """It keeps its place in the queue; when its time is up, it is given up."""
    made = engine(queue=1, upload_seconds=3)
    noise = np.random.default_rng(0).integers(0, 256, (1500, 1500, 3), np.uint8)
    body = cv2.imencode('.bmp', noise)[1].tobytes()
    head = f'POST /remove HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n'
    with running(make_app(made), made) as address:
        place = urlsplit(address)
        with socket.socket() as client:
            client.settimeout(30)
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            client.connect((place.hostname, place.port))
            client.sendall(head.encode() + body)
            assert client.recv(12) == b'HTTP/1.1 200'
            refused = httpx.post(f'{address}/remove', content=b'')
            assert refused.json()['errors'][0]['code'] == 'queue_full'
            for _ in range(300):
                if not made._admitted:
                    break
                time.sleep(0.1)
            assert httpx.post(f'{address}/remove', content=b'').status_code == 400
            head, _, rest = read_all(client).partition(b'\r\n\r\n')
            (length,) = re.findall(rb'content-length: (\d+)', head)
            assert len(rest) < int(length)


def test_an_answer_that_is_taken_slowly(engine, running) -> None:
    """It comes whole, as long as its time is not up."""
    made = engine(upload_seconds=60)
    noise = np.random.default_rng(0).integers(0, 256, (1500, 1500, 3), np.uint8)
    body = cv2.imencode('.bmp', noise)[1].tobytes()
    with running(make_app(made), made) as address:
        with httpx.stream('POST', f'{address}/remove', content=body, timeout=60) as answer:
            time.sleep(1)
            content = answer.read()
        assert len(content) == int(answer.headers['content-length'])
        decoded = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_UNCHANGED)
        assert decoded.shape == (1500, 1500, 4)


def test_tokens(service, encoded, tmp_path: Path) -> None:
    """One of the tokens in either header lets in; probes and pages need none."""
    file = tmp_path / 'tokens'
    # An editor may put a byte order mark first; here the token itself follows it.
    file.write_text(f'{TOKEN}\n# of the shop é\n\nanother-long-token\n', encoding='utf-8-sig')
    client = service(read_tokens(file))
    for headers in (
        {'X-Api-Key': TOKEN},
        {'Authorization': f'Bearer {TOKEN}'},
        {'authorization': f'bearer  {TOKEN}'},
    ):
        assert client.post('/remove', content=encoded(), headers=headers).status_code == 200
    for headers in (
        {},
        {'X-Api-Key': TOKEN[:-1]},
        {'X-Api-Key': ''},
        {'Authorization': TOKEN},
        {'Authorization': f'Basic {TOKEN}'},
    ):
        response = client.post('/remove', content=encoded(), headers=headers)
        assert response.status_code == 401
        assert response.headers['www-authenticate'] == 'Bearer'
        assert response.json()['errors'][0]['code'] == 'auth_failed'
        assert TOKEN not in response.text
    for path in ('/health', '/ready', '/', '/docs', '/metrics'):
        assert client.get(path).status_code == 200


def test_wrong_settings(tmp_path: Path) -> None:
    """Files without tokens, short tokens, limits that are none, a port that is taken."""
    file = tmp_path / 'tokens'
    file.write_text('# nothing\n')
    with pytest.raises(ArgumentError, match='tokens must have a token a line, but has none'):
        read_tokens(file)
    file.write_text(f'{TOKEN}\nshort\n')
    with pytest.raises(ArgumentError, match='16 characters or more each, but number 2 has 5'):
        read_tokens(file)
    for token in (b'another-long-token-\xc3\xa9', b'another-long-token-\xff'):
        file.write_bytes(token)  # no client can send it in a header
        with pytest.raises(ArgumentError, match='printable ASCII characters only, but number 1 n'):
            read_tokens(file)
    assert not Tokens().are_needed
    for name, value in (('queue', 0), ('queue', 2.5), ('seconds', -1), ('max_bytes', True)):
        with pytest.raises(ArgumentError, match=f'`{name}` must be a positive'):
            Limits(**{name: value})
    with (
        listen('127.0.0.1', 0) as taken,
        pytest.raises(BgremovalError, match=r'cannot listen on 127\.0\.0\.1, port .* in use'),
    ):
        listen('127.0.0.1', taken.getsockname()[1])
    with pytest.raises(BgremovalError, match=r'cannot listen on nowhere\.invalid'):
        listen('nowhere.invalid', 80)


def test_command(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """The command says what is wrong with its options, and how to install what it needs."""
    with pytest.raises(SystemExit):
        main(['serve', '--calibration', 'x'])
    assert '--calibration goes with --precision int8 only' in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main(['serve', '--port', '65536'])
    assert "--port: must be a whole number, from 0 to 65535, but got '65536'" in (
        capsys.readouterr().err
    )
    assert main(['serve', '--tokens', 'not-there']) == 1
    assert 'not-there' in capsys.readouterr().err
    monkeypatch.setitem(sys.modules, 'uvicorn', None)
    monkeypatch.delitem(sys.modules, 'bgremoval_mm.serving.run')
    monkeypatch.delattr('bgremoval_mm.serving.run')
    assert main(['serve']) == 1
    assert 'serving needs uvicorn: `pip install "bgremoval_mm[serve]"`' in capsys.readouterr().err


@pytest.mark.real
def test_process(u2netp: str, photos: list[Path], tmp_path: Path) -> None:
    """A process of its own with a real network: it serves, and SIGTERM ends it with code 0."""
    command = [sys.executable, '-m', 'bgremoval_mm.cli.main', 'serve', '--model', u2netp]
    command += ['--port', '0', '--backend', 'onnxruntime', '--device', 'cpu']
    environment = {**os.environ, 'OMP_NUM_THREADS': '1'}
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment) as process:
        try:
            lines = iter(process.stderr.readline, '')
            address = next(line for line in lines if 'Listening' in line).split()[2].rstrip(';')
            next(line for line in lines if line.startswith('Ready'))
            response = httpx.post(f'{address}/remove', content=photos[0].read_bytes(), timeout=120)
            assert response.status_code == 200
            process.terminate()
            _, rest = process.communicate(timeout=60)
        finally:
            process.kill()
    assert process.returncode == 0
    assert 'POST /remove 200' in rest
    assert 'everything that was accepted has been answered' in rest
    assert 'Traceback' not in rest
