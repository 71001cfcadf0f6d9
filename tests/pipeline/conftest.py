"""A database of each kind, and a PostgreSQL server of the tests' own."""

from __future__ import annotations

import json
import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.conftest import make_tiny_onnx

# Where Debian puts them; other systems have them on the path.
_SERVER_FOLDERS = sorted(Path('/usr/lib/postgresql').glob('*/bin'), reverse=True)


@pytest.fixture(scope='session')
def postgresql_server() -> Iterator[str]:
    """Address of a server in a temporary folder, less the database's name.

    It runs as an ordinary user, since PostgreSQL refuses root.
    """
    programs = {name: _program(name) for name in ('initdb', 'pg_ctl', 'createdb')}
    if None in programs.values():
        pytest.skip('PostgreSQL is not installed (Debian: apt-get install postgresql)')
    user = 'nobody' if os.geteuid() == 0 else pwd.getpwuid(os.geteuid()).pw_name
    as_user = {'user': user} if os.geteuid() == 0 else {}
    folder = Path(tempfile.mkdtemp(prefix='postgresql-', dir='/tmp'))
    if as_user:
        shutil.chown(folder, user)
    with socket.create_server(('127.0.0.1', 0)) as listening:
        port = listening.getsockname()[1]

    def run(name: str, *arguments: str) -> None:
        subprocess.run(
            [str(programs[name]), *arguments],
            check=True,
            timeout=120,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            **as_user,
        )

    data = str(folder / 'data')
    run('initdb', '-D', data, '-U', 'tests', '-A', 'trust', '-E', 'UTF8', '--no-sync')
    options = f'-p {port} -c listen_addresses=127.0.0.1 -k {folder} -c fsync=off'
    run('pg_ctl', '-D', data, '-l', str(folder / 'log'), '-w', '-o', options, 'start')
    try:
        yield f'postgresql+psycopg://tests@127.0.0.1:{port}'
    finally:
        run('pg_ctl', '-D', data, '-m', 'immediate', 'stop')
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(params=['sqlite', 'postgresql'])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Address of an empty database, of each kind in turn."""
    if request.param == 'sqlite':
        return f'sqlite:///{tmp_path}/pipeline.db'
    server = request.getfixturevalue('postgresql_server')
    import psycopg

    address = server.replace('+psycopg', '')
    name = f'tests_{os.urandom(6).hex()}'
    with psycopg.connect(f'{address}/postgres', autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE {name}')
    return f'{server}/{name}'


@pytest.fixture
def tiny_file(tmp_path: Path) -> Path:
    """File of a network that answers at once; its mask follows the photo's brightness."""
    file = tmp_path / 'tiny.onnx'
    file.write_bytes(make_tiny_onnx(320, 1))
    return file


@pytest.fixture(scope='session')
def s3_server() -> Iterator[str]:
    """Address of a server that answers as AWS does: moto's, in a thread."""
    moto = pytest.importorskip('moto.server')
    server = moto.ThreadedMotoServer('127.0.0.1', 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f'http://{host}:{port}'
    server.stop()


@pytest.fixture
def s3(s3_server: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A client of that server, whose only bucket, ``shop``, is empty."""
    boto3, s3fs = pytest.importorskip('boto3'), pytest.importorskip('s3fs')
    for name in ('AWS_PROFILE', 'AWS_SESSION_TOKEN', 'AWS_ENDPOINT_URL_S3', 'HTTP_PROXY'):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv('AWS_ENDPOINT_URL', s3_server)
    monkeypatch.setenv('AWS_ACCESS_KEY_ID', 'tests')
    monkeypatch.setenv('AWS_SECRET_ACCESS_KEY', 'tests')
    monkeypatch.setenv('AWS_DEFAULT_REGION', 'us-east-1')
    monkeypatch.setenv('AWS_CONFIG_FILE', os.devnull)
    monkeypatch.setenv('AWS_SHARED_CREDENTIALS_FILE', os.devnull)
    urllib.request.urlopen(f'{s3_server}/moto-api/reset', data=b'', timeout=60).close()
    s3fs.S3FileSystem.clear_instance_cache()  # file systems are kept with their address
    client = boto3.client('s3')
    client.create_bucket(Bucket='shop')
    yield client
    s3fs.S3FileSystem.clear_instance_cache()


@pytest.fixture
def sqs(s3: Any) -> Any:
    """An empty queue called ``uploads``: its URL, and functions that send and count messages."""
    import boto3

    client = boto3.client('sqs')
    url = client.create_queue(QueueName='uploads')['QueueUrl']

    def send(body: object) -> None:
        text = body if isinstance(body, str) else json.dumps(body)
        client.send_message(QueueUrl=url, MessageBody=text)

    def left() -> int:
        names = ['ApproximateNumberOfMessages', 'ApproximateNumberOfMessagesNotVisible']
        found = client.get_queue_attributes(QueueUrl=url, AttributeNames=names)['Attributes']
        return sum(int(found[name]) for name in names)

    return SimpleNamespace(url=url, send=send, left=left)


def _program(name: str) -> str | None:
    folders = [str(folder) for folder in _SERVER_FOLDERS]
    return shutil.which(name, path=os.pathsep.join([*folders, os.environ.get('PATH', '')]))
