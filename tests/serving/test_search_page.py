"""`/search`: what is found, what is shown, what is refused; and the page in a browser."""

from __future__ import annotations

import asyncio
import base64
import io
import json
import shutil
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import numpy as np
import pytest
from fastapi import Request
from PIL import Image
from starlette.testclient import TestClient

from bgremoval_mm.evaluation.nearest import normalise
from bgremoval_mm.removal.errors import ArgumentError
from bgremoval_mm.search.build import update_index
from bgremoval_mm.search.query import Searcher
from bgremoval_mm.search.records import NetworkRecord
from bgremoval_mm.search.removal import PhotoRemoval
from bgremoval_mm.serving import pages
from bgremoval_mm.serving.app import make_app
from bgremoval_mm.serving.limits import Limits
from bgremoval_mm.serving.search.desk import SearchDesk
from bgremoval_mm.serving.tokens import Tokens

TOKEN = 'a token of the test'


class ColourNetwork:
    """The mean colour of a photo, and a constant; may be told to wait."""

    def __init__(self, sha256: str = 'ab' * 32) -> None:
        self.record = NetworkRecord('colours.pth', '/nowhere/colours.pth', sha256, 'mean colour')
        self.may_run = threading.Event()
        self.may_run.set()
        self.runs = 0

    def embed(self, images: Sequence[np.ndarray]) -> np.ndarray:
        """Return vectors of length 4."""
        self.runs += 1
        assert self.may_run.wait(60)
        return normalise(np.array([[*image.mean(axis=(0, 1)), 50.0] for image in images]))


def picture(*colour: int, kind: str = 'PNG') -> bytes:
    """A file of one colour."""
    buffer = io.BytesIO()
    Image.new('RGB', (12, 10), colour).save(buffer, kind)
    return buffer.getvalue()


def error_of(response: Any) -> tuple[int, str, str]:
    """Status, code and detail of a refusal."""
    (error,) = response.json()['errors']
    return response.status_code, error['code'], error.get('detail', '')


@pytest.fixture
def network() -> ColourNetwork:
    """The network."""
    return ColourNetwork()


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    """Seven photos, one with a name that is no UTF-8."""
    root = tmp_path / 'shop'
    names = {f'red/{number}.png': (250, 20 * number, 0) for number in range(5)}
    names |= {'blue/sky.png': (0, 90, 250), 'blue/w\udcffve.png': (0, 0, 250)}
    for name, colour in names.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(picture(*colour))
    return root


@pytest.fixture
def index(tmp_path: Path, shop: Path, network: ColourNetwork) -> Path:
    """An index that keeps backgrounds."""
    path = tmp_path / 'shop.index'
    update_index(shop, path, network, progress=False)
    return path


@pytest.fixture
def search(engine, index: Path, network: ColourNetwork) -> Iterator[Callable[..., TestClient]]:
    """A function that starts a service with a search, and returns its client."""
    with ExitStack() as stack:

        def start(tokens: Tokens | None = None, k: int = 3, **limits: Any) -> TestClient:
            made = engine(**limits)
            desk = SearchDesk(Searcher(index, network), Limits(**limits), k)
            app = make_app(made, tokens, desk=desk)
            client = stack.enter_context(TestClient(app, raise_server_exceptions=False))
            made.batcher.ready.result(60)
            client.engine = made
            return client

        yield start


def test_form_and_body(search) -> None:
    """Both find the same, the nearest first, `k` of them; addresses lead to the photos."""
    client, content = search(), picture(250, 41, 0)
    by_form = client.post('/search', files={'file': ('a.jpg', content)}, data={'k': '2'})
    by_body = client.post('/search?k=2', content=content)
    assert by_form.status_code == by_body.status_code == 200
    assert by_form.headers['cache-control'] == 'no-store'
    assert by_form.json() == by_body.json()
    found = by_form.json()
    assert (found['photos'], found['background_removed']) == (7, False)
    assert [(hit['rank'], hit['path']) for hit in found['hits']] == [
        (1, 'red/2.png'),
        (2, 'red/3.png'),
    ]
    assert found['hits'][0]['similarity'] > found['hits'][1]['similarity'] > 0.9
    assert 'query' not in found
    shown = client.get(found['hits'][0]['thumbnail'])
    assert (shown.status_code, shown.headers['content-type']) == (200, 'image/jpeg')
    colour = np.asarray(Image.open(io.BytesIO(shown.content))).mean(axis=(0, 1))
    np.testing.assert_allclose(colour, (250, 40, 0), atol=4)
    assert len(client.post('/search', content=content).json()['hits']) == 3
    assert len(client.post('/search?k=100', content=content).json()['hits']) == 7


def test_names_that_are_no_unicode(search) -> None:
    """They come through JSON as they are, and their photo is shown."""
    client = search()
    hit = json.loads(client.post('/search?k=1', content=picture(0, 0, 250)).content)['hits'][0]
    assert hit['path'] == 'blue/w\udcffve.png'
    assert client.get(hit['thumbnail']).status_code == 200


def test_the_query_is_shown(engine, shop: Path, tmp_path: Path, network, tiny_model) -> None:
    """Where the index has no backgrounds: the mask, and the query without its background."""
    removal = PhotoRemoval(tiny_model('u2netp'), device='cpu')
    update_index(shop, tmp_path / 'cut', network, removal, progress=False)
    searcher = Searcher(tmp_path / 'cut', network, removal)
    content = picture(250, 41, 0)
    wanted = searcher.answer(np.asarray(Image.open(io.BytesIO(content))), 1)
    made = engine()
    with TestClient(make_app(made, desk=SearchDesk(searcher))) as client:
        made.batcher.ready.result(60)
        found = client.post('/search?k=1&query=true', content=content).json()
    assert found['background_removed'] is True
    kind, _, encoded = found['query']['mask'].partition(',')
    assert kind == 'data:image/png;base64'
    mask = np.asarray(Image.open(io.BytesIO(base64.b64decode(encoded))))
    np.testing.assert_array_equal(mask, wanted.mask)
    assert found['query']['seen'].startswith('data:image/jpeg;base64,')
    assert found['hits'][0]['path'] == wanted.hits[0].path


@pytest.mark.parametrize(
    ('parameters', 'content', 'wanted'),
    [
        ({'k': '0'}, picture(1, 2, 3), (400, 'invalid_parameter', "from 1 to 100, but got '0'")),
        ({'k': '101'}, picture(1, 2, 3), (400, 'invalid_parameter', "but got '101'")),
        ({'k': '9' * 5000}, picture(1, 2, 3), (400, 'invalid_parameter', '`k` must be')),
        ({'k': '1.5'}, picture(1, 2, 3), (400, 'invalid_parameter', '`k` must be a whole')),
        ({'query': 'what'}, picture(1, 2, 3), (400, 'invalid_parameter', 'true or false')),
        ({'n': '3'}, picture(1, 2, 3), (400, 'unknown_parameter', '`n`; there are k, query')),
        ({}, b'', (400, 'missing_source', 'send it as the field `file`')),
        ({}, b'<html>', (400, 'failed_to_read_image', 'not an image')),
        ({}, picture(1, 2, 3, kind='PPM'), (400, 'invalid_file_type', 'is not accepted')),
        ({}, b'x' * 3000, (413, 'file_too_large', '2,000 bytes')),
    ],
    ids=str,
)
def test_refused(search, network, parameters: dict, content: bytes, wanted: tuple) -> None:
    """By the same errors as a cut-out is, before the network runs."""
    client = search(max_bytes=2000)
    runs = network.runs
    status, code, detail = error_of(client.post('/search', params=parameters, content=content))
    assert (status, code) == wanted[:2]
    assert wanted[2] in detail
    assert network.runs == runs


def test_too_many_pixels(search) -> None:
    """The limit of the service holds for queries, too."""
    response = search(max_pixels=100).post('/search', content=picture(1, 2, 3))
    assert error_of(response)[:2] == (400, 'failed_to_read_image')


def test_photos_outside_the_index(search, shop: Path, tmp_path: Path) -> None:
    """Whatever an address says: nothing but photos of the index is read."""
    secret = tmp_path / 'secret.png'
    secret.write_bytes(picture(9, 9, 9))
    (shop / 'new.png').write_bytes(picture(8, 8, 8))  # not indexed yet
    client = search()
    address = client.post('/search', content=picture(1, 2, 3)).json()['hits'][0]['thumbnail']
    assert client.get(address).status_code == 200
    state = address.split('/')[2]
    for wrong in (
        f'{state}/7',
        f'{state}/-1',
        f'{state}/{"9" * 5000}',
        f'{state}/%2e%2e%2fsecret.png',
        f'{state}/..%2F..%2Fsecret.png',
        f'{state}/new.png',
        f'{state}/red%2F0.png',
        f'{state}/%00',
        'other/0',
        '%2e%2e/0',
    ):
        response = client.get(f'/search/photos/{wrong}')
        assert error_of(response)[:2] == (404, 'not_found'), wrong


def test_a_deleted_photo(search, shop: Path) -> None:
    """It is still found, since its vector is there, but is said to be gone; so is a broken one."""
    client = search()
    hits = client.post('/search', content=picture(250, 0, 0)).json()['hits']
    assert client.get(hits[0]['thumbnail']).status_code == 200
    (shop / hits[0]['path']).unlink()
    (shop / hits[1]['path']).write_bytes(b'no photo')
    for hit in hits[:2]:
        response = client.get(hit['thumbnail'])
        assert error_of(response) == (410, 'photo_gone', '')
        assert str(shop) not in response.text
    assert client.get(hits[2]['thumbnail']).status_code == 200


def test_the_index_changes(search, shop: Path, index: Path, network) -> None:
    """What is added is found by the next query; addresses of the answer before it still hold."""
    client = search()
    before = client.post('/search?k=1', content=picture(0, 250, 0)).json()
    (shop / 'a.png').write_bytes(picture(0, 250, 0))
    (shop / 'red' / '0.png').unlink()
    (shop / 'red' / '1.png').unlink()
    update_index(shop, index, network, progress=False)
    after = client.post('/search?k=1', content=picture(0, 250, 0)).json()
    assert (before['photos'], after['photos']) == (7, 6)
    assert after['hits'][0]['path'] == 'a.png'
    assert before['hits'][0]['thumbnail'] != after['hits'][0]['thumbnail']
    pictures = [client.get(each['hits'][0]['thumbnail']) for each in (before, after)]
    assert [each.status_code for each in pictures] == [200, 200]
    assert pictures[0].content != pictures[1].content


def test_the_index_is_replaced(search, shop: Path, index: Path, caplog) -> None:
    """By one of another network: refused, and the log names both; clients learn no path."""
    client = search()
    assert client.post('/search', content=picture(1, 2, 3)).status_code == 200
    shutil.rmtree(index)
    update_index(shop, index, ColourNetwork('cd' * 32), progress=False)
    response = client.post('/search', content=picture(1, 2, 3))
    assert error_of(response)[:2] == (503, 'index_changed')
    assert str(index) not in response.text
    assert 'cdcdcdcdcdcd' in caplog.text
    assert 'abababababab' in caplog.text


def test_tokens(search) -> None:
    """Queries and photos need one; the page does not."""
    client = search(Tokens([TOKEN]))
    assert client.get('/search').status_code == 200
    assert error_of(client.post('/search', content=picture(1, 2, 3)))[:2] == (401, 'auth_failed')
    key = {'X-Api-Key': TOKEN}
    found = client.post('/search', content=picture(1, 2, 3), headers=key)
    assert found.status_code == 200
    address = found.json()['hits'][0]['thumbnail']
    assert error_of(client.get(address))[:2] == (401, 'auth_failed')
    assert client.get(address, headers=key).status_code == 200


def test_time_and_places(search, network) -> None:
    """While a query runs, the service answers others; it takes a place, and its time is limited."""
    client = search(queue=1, seconds=2)
    network.may_run.clear()
    said: SimpleQueue[Any] = SimpleQueue()
    query = threading.Thread(
        target=lambda: said.put(client.post('/search', content=picture(1, 2, 3)))
    )
    query.start()
    try:
        until = time.monotonic() + 30
        while not network.runs > 1:
            assert time.monotonic() < until
            time.sleep(0.01)
        assert client.get('/health').status_code == 200
        busy = client.post('/search', content=picture(1, 2, 3))
        assert error_of(busy)[:2] == (503, 'queue_full')
        assert error_of(said.get(timeout=30))[:2] == (504, 'time_limit')
    finally:
        network.may_run.set()
        query.join(60)
    assert client.post('/search', content=picture(1, 2, 3)).status_code == 200


def test_one_query_at_a_time(index: Path, network) -> None:
    """Of several, the second waits outside the network, and what is given up is not run."""
    desk = SearchDesk(Searcher(index, network), Limits(seconds=0.5))
    before = network.runs
    network.may_run.clear()

    async def ask() -> list[Any]:
        queries = [desk.search(picture(1, 2, 3), 1, False) for _ in range(3)]
        return await asyncio.gather(*queries, return_exceptions=True)

    try:
        errors = asyncio.run(ask())
    finally:
        network.may_run.set()
        desk.close()
    assert [error.code for error in errors] == ['time_limit'] * 3
    desk._searching.shutdown(wait=True)
    assert network.runs == before + 1


def test_wrong_number_of_hits(index: Path, network) -> None:
    """More than a page can show is an error at the start."""
    with pytest.raises(ArgumentError, match='`k` must be from 1 to 100, but got 101'):
        SearchDesk(Searcher(index, network), k=101)


def test_pages_are_linked(search, service) -> None:
    """The front page leads to the search if there is one, and it has the same policy."""
    client = search()
    assert '"searches":true' in client.get('/').text
    page = client.get('/search')
    assert page.headers['content-security-policy'] == pages.HEADERS['Content-Security-Policy']
    assert '{{' not in page.text
    assert '"k":3' in page.text
    assert 'POST /search</code>' in client.get('/docs').text
    without = service()
    assert '"searches":false' in without.get('/').text
    assert error_of(without.get('/search'))[:2] == (404, 'not_found')


@pytest.mark.parametrize('width', [400, 1280])
def test_page_in_a_browser(
    engine, running, shop, tmp_path, network, tiny_model, width, monkeypatch, browser
) -> None:
    """In headless Chromium: a token, a drop, a paste, the mask, a deleted photo, an error."""
    script = Path(__file__).with_name('search_probe.js').read_text()
    plain = pages.search_page
    monkeypatch.setattr(
        pages,
        'search_page',
        lambda *args: plain(*args).replace('</body>', f'<script>{script}</script></body>'),
    )
    removal = WholePhoto(tiny_model('u2netp'), device='cpu')
    update_index(shop, tmp_path / 'cut', network, removal, progress=False)
    (shop / 'blue' / 'w\udcffve.png').unlink()
    desk = SearchDesk(Searcher(tmp_path / 'cut', network, removal), k=5)
    made, said = engine(), SimpleQueue()
    app = make_app(made, Tokens([TOKEN]), desk=desk)

    @app.post('/probe')
    async def probe(request: Request) -> None:
        said.put((await request.body()).decode())

    with running(app, made) as address:
        browser.visit(f'{address}/search?{width}', width, said)


def test_query_without_foreground(
    engine, shop: Path, tmp_path: Path, network: ColourNetwork, tiny_model
) -> None:
    """The note says that what is found may be anything, beside what there is to say of the file."""
    removal = WholePhoto(tiny_model('u2netp'), device='cpu')
    update_index(shop, tmp_path / 'cut', network, removal, progress=False)
    made = engine()
    frames = [Image.new('RGB', (12, 10), colour) for colour in ('red', 'blue')]
    frames[0].save(buffer := io.BytesIO(), 'GIF', save_all=True, append_images=frames[1:])
    desk = SearchDesk(Searcher(tmp_path / 'cut', network, removal))
    with TestClient(make_app(made, desk=desk)) as client:
        made.batcher.ready.result(60)
        assert 'note' not in client.post('/search', content=picture(250, 41, 0)).json()
        removal.level = 0
        found = client.post('/search', content=buffer.getvalue()).json()
    assert found['note'].startswith('animation: ')
    assert '; no foreground was found in the photo' in found['note']


class WholePhoto(PhotoRemoval):
    """Takes all of a photo for foreground, so that its colour stays what it was."""

    level = 255

    def __call__(self, images: Sequence[np.ndarray]) -> tuple[list[np.ndarray], list[np.ndarray]]:
        """Return the photos, and masks of one level."""
        return list(images), [np.full(each.shape[:2], self.level, np.uint8) for each in images]
