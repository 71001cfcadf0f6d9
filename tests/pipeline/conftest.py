"""A database of each kind, and a PostgreSQL server of the tests' own."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

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


def _program(name: str) -> str | None:
    folders = [str(folder) for folder in _SERVER_FOLDERS]
    return shutil.which(name, path=os.pathsep.join([*folders, os.environ.get('PATH', '')]))
