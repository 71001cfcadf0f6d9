"""The review page in headless Chromium: painting, verdicts, and what the database has of them."""

from __future__ import annotations

import io
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import numpy as np
import pytest
from fastapi import Request
from PIL import Image

from bgremoval_mm.pipeline.files import PipelineFiles
from bgremoval_mm.pipeline.queue import UploadQueue
from bgremoval_mm.pipeline.routes import Gate, Route, Routes
from bgremoval_mm.pipeline.sources import receive_bytes
from bgremoval_mm.pipeline.verdicts import reject
from bgremoval_mm.pipeline.worker import Worker
from bgremoval_mm.removal import BackgroundRemover, masks
from bgremoval_mm.reviewing import page
from bgremoval_mm.reviewing.app import LIMITS, make_app
from bgremoval_mm.serving.run import Server, listen, make_server
from tests.browser import Browser

# Their noise; in the order of their suspicion, in which they are to be shown.
PHOTOS = {'noisy.png': 200, 'paint.png': 100, 'plain.png': 75, 'upload.png': 25, 'zz.png': 50}


def photo(noise: int) -> bytes:
    """A bright square on noise."""
    pixels = np.random.default_rng(noise).integers(0, noise, (200, 300, 3), np.uint8)
    pixels[50:150, 75:225] = 250
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, 'PNG')
    return buffer.getvalue()


@contextmanager
def running(app: Any) -> Iterator[str]:
    """Serve on a port of this machine, in a thread."""
    listening = listen('127.0.0.1', 0)
    server: Server = make_server(app, LIMITS)
    thread = threading.Thread(target=server.run, args=([listening],))
    thread.start()
    try:
        yield f'http://127.0.0.1:{listening.getsockname()[1]}'
    finally:
        server.should_exit = True
        thread.join(60)
        listening.close()
    assert not thread.is_alive()


@pytest.mark.parametrize('width', [400, 1280])
def test_reviewing_in_a_browser(
    tmp_path: Path,
    tiny_file: Path,
    width: int,
    monkeypatch: pytest.MonkeyPatch,
    browser: Browser,
) -> None:
    """A stroke, an undo, a save, a rejection, an acceptance, an upload; all in the database."""
    queue = UploadQueue(f'sqlite:///{tmp_path}/pipeline.db')
    files = PipelineFiles(tmp_path / 'root')
    routes = Routes([Route('all', model=str(tiny_file), gate=Gate(suspicion=0))])
    for name, noise in PHOTOS.items():
        receive_bytes(queue, files, name, photo(noise), 'tests')
    remover = BackgroundRemover(tiny_file, backend='onnxruntime', device='cpu', num_threads=1)
    Worker(queue, files, routes, lambda _: remover).run(until_done=True)
    rows = {row.name: row for row in queue.uploads()}
    network = masks.resize(
        files.mask(rows['paint.png'].sha256, rows['paint.png'].model), (300, 200)
    )

    script, plain = Path(__file__).with_name('review_probe.js').read_text(), page.review_page
    monkeypatch.setattr(
        page,
        'review_page',
        lambda *args: plain(*args).replace('</body>', f'<script>{script}</script></body>'),
    )
    app, said = make_app(queue, files, routes), SimpleQueue[str]()

    @app.post('/probe')
    async def probe(request: Request) -> None:
        text = (await request.body()).decode()
        if text == 'take zz.png':
            claimed = queue.newest('zz.png')
            assert claimed is not None
            reject(queue, 'zz.png', 'taken', token=claimed.claim)
        else:
            said.put(text)

    with running(app) as address:
        browser.visit(f'{address}/?{width}', width, said)

    rows = {row.name: row for row in queue.uploads()}
    ends = {name: (row.state, queue.history(row.id)[-1].reason) for name, row in rows.items()}
    assert ends == {
        'noisy.png': ('failed', 'rejected by a person: photo is blurred'),
        'paint.png': ('published', 'mask corrected by a person'),
        'plain.png': ('published', 'accepted by a person'),
        'upload.png': ('published', 'mask corrected by a person'),
        'zz.png': ('failed', 'rejected by a person: taken'),
    }
    painted = files.mask(rows['paint.png'].sha256, 'people')
    assert painted.shape == (200, 300)
    assert (painted[150, 20:61] == 255).all()
    assert (painted[150:181, 60] == 255).all()
    changed = np.argwhere(painted != network)
    (top, left), (bottom, right) = changed.min(axis=0), changed.max(axis=0)
    assert 0 <= left < 20 < 60 < right < 90
    assert 120 < top < 150 < 180 < bottom < 200
    made = np.asarray(Image.open(files.root / 'published' / 'paint.png.png'))
    np.testing.assert_array_equal(made[..., 3], painted)
    uploaded = np.zeros((200, 300), np.uint8)
    uploaded[50:150, 50:150] = 255
    np.testing.assert_array_equal(files.mask(rows['upload.png'].sha256, 'people'), uploaded)
    queue.close()
