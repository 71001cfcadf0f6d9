"""The review service: what it lists, what verdicts do, and which requests it refuses."""

from __future__ import annotations

import gzip
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from sqlalchemy.exc import OperationalError
from starlette.testclient import TestClient

from bgremoval_mm.pipeline import verdicts
from bgremoval_mm.pipeline.files import PipelineFiles
from bgremoval_mm.pipeline.queue import UploadQueue
from bgremoval_mm.pipeline.routes import Gate, Route, Routes
from bgremoval_mm.pipeline.sources import receive_bytes
from bgremoval_mm.pipeline.worker import Worker
from bgremoval_mm.removal import BackgroundRemover, masks
from bgremoval_mm.removal.images import reading
from bgremoval_mm.removal.images.reading import decode_image
from bgremoval_mm.removal.masks.quality import quality
from bgremoval_mm.removal.options import OutputOptions
from bgremoval_mm.removal.outputs.rendering import render
from bgremoval_mm.reviewing.app import make_app
from bgremoval_mm.serving.limits import Limits
from bgremoval_mm.serving.tokens import Tokens

WIDTH, HEIGHT = 32, 24
MARK = {'X-Review': '1'}
OUTPUT = OutputOptions(output='rgb', fill=255)


class Shop:
    """A pipeline whose masks all go to review, and clients of its review service."""

    def __init__(self, database: str, root: Path, model: Path) -> None:
        self.now = [1000.0]
        self.queue = UploadQueue(database, lease=60, clock=lambda: self.now[0])
        self.files = PipelineFiles(root)
        self.routes = Routes(
            [Route('all', model=str(model), output=OUTPUT, gate=Gate(suspicion=0))]
        )
        remover = BackgroundRemover(model, backend='onnxruntime', device='cpu', num_threads=1)
        self.worker = Worker(self.queue, self.files, self.routes, lambda _: remover)

    def receive(self, **photos: bytes) -> dict[str, int]:
        """Take photos up to review; return the numbers of their newest versions."""
        for name, content in photos.items():
            receive_bytes(self.queue, self.files, f'{name}.png', content, 'tests')
        self.worker.run(until_done=True)
        return {row.name.removesuffix('.png'): row.id for row in self.queue.uploads()}

    def client(self, tokens: Tokens | None = None, **options: Any) -> TestClient:
        """Return a client of a new service on this pipeline."""
        app = make_app(self.queue, self.files, self.routes, tokens, **options)
        return TestClient(app, 'http://127.0.0.1:8001', raise_server_exceptions=False)

    def state(self, number: int) -> str:
        """Return where an upload stands, and the last reason."""
        row = self.queue.upload(number)
        assert row is not None
        return f'{row.state}: {self.queue.history(number)[-1].reason}'

    def mask(self, number: int) -> np.ndarray:
        """Return the stored mask of an upload."""
        row = self.queue.upload(number)
        assert row is not None
        return self.files.mask(row.sha256, row.model)


@pytest.fixture
def shop(database: str, tmp_path: Path, tiny_file: Path) -> Iterator[Shop]:
    """An empty one."""
    made = Shop(database, tmp_path / 'root', tiny_file)
    yield made
    made.queue.close()


@pytest.fixture
def sqlite_shop(tmp_path: Path, tiny_file: Path) -> Iterator[Shop]:
    """One on SQLite, where the database makes no difference."""
    made = Shop(f'sqlite:///{tmp_path}/pipeline.db', tmp_path / 'root', tiny_file)
    yield made
    made.queue.close()


def encoded(pixels: np.ndarray, kind: str = 'PNG', **options: Any) -> bytes:
    """A picture file."""
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, kind, **options)
    return buffer.getvalue()


def photo(seed: int = 0, noise: int = 1) -> bytes:
    """A bright square on black, or on noise, which makes the mask doubtful."""
    rng = np.random.default_rng(seed)
    pixels = rng.integers(0, noise, (HEIGHT, WIDTH, 3), np.uint8)
    pixels[6:18, 8:24] = 180 + seed
    return encoded(pixels)


def corrected() -> np.ndarray:
    """A mask of the photos' size."""
    mask = np.zeros((HEIGHT, WIDTH), np.uint8)
    mask[4:20, 6:26] = 255
    mask[4, 6:26] = 128  # soft edges are kept
    return mask


def errors_of(response: Any) -> tuple[int, str, str]:
    """Status, code and detail of a refused request."""
    (error,) = response.json()['errors']
    return response.status_code, error['code'], error.get('detail', '')


def test_the_most_doubtful_mask_comes_first(shop: Shop) -> None:
    """The list has reasons, flags and figures, and leaves out what does not wait."""
    numbers = shop.receive(clean=photo(1), noisy=photo(2, noise=120), gone=photo(3))
    verdicts.reject(shop.queue, 'gone.png')
    body = shop.client().get('/uploads').json()
    assert body['waiting'] == 2
    assert [row['name'] for row in body['uploads']] == ['noisy.png', 'clean.png']
    first, second = body['uploads']
    assert first['suspicion'] > second['suspicion']
    found = quality(shop.mask(numbers['noisy']))
    assert first['flags'] == list(found.flags) != []
    assert first['reasons'] == second['reasons'] == ['every mask is reviewed']
    assert (first['id'], first['version'], first['route']) == (numbers['noisy'], 1, 'all')
    assert first['figures']['foreground'] == found.foreground
    assert not first['held']


def test_photos_are_upright_and_previews_small(sqlite_shop: Shop) -> None:
    """The orientation is applied; the preview has 1.5 megapixels at most."""
    shop = sqlite_shop
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by 90 degrees
    pixels = np.zeros((1500, 2000, 3), np.uint8)
    pixels[:, :1000] = 255  # left in the file, above when upright
    numbers = shop.receive(turned=encoded(pixels, 'JPEG', exif=exif), small=photo())
    client, number = shop.client(), numbers['turned']
    shown = Image.open(io.BytesIO(client.get(f'/uploads/{number}/photo').content))
    full = Image.open(io.BytesIO(client.get(f'/uploads/{number}/photo?full=true').content))
    assert (full.size, full.format) == ((1500, 2000), 'JPEG')
    assert 1_400_000 < shown.width * shown.height <= 1_500_000
    assert np.asarray(full)[100, 100].min() > 200 > 50 > np.asarray(full)[1900, 100].max()
    small = client.get(f'/uploads/{numbers["small"]}/photo')
    assert Image.open(io.BytesIO(small.content)).size == (WIDTH, HEIGHT)
    assert small.headers['cross-origin-resource-policy'] == 'same-origin'


def test_masks_have_the_size_of_the_photo(sqlite_shop: Shop) -> None:
    """As PNG and as bare levels: the network's mask, resized as it is for the result."""
    number = sqlite_shop.receive(a=photo())['a']
    expected = masks.resize(sqlite_shop.mask(number), (WIDTH, HEIGHT))
    client = sqlite_shop.client()
    as_png = Image.open(io.BytesIO(client.get(f'/uploads/{number}/mask').content))
    assert as_png.mode == 'L'
    np.testing.assert_array_equal(np.asarray(as_png), expected)
    with client.stream('GET', f'/uploads/{number}/mask/levels') as levels:
        raw = b''.join(levels.iter_raw())
    assert (levels.headers['x-width'], levels.headers['x-height']) == (str(WIDTH), str(HEIGHT))
    assert gzip.decompress(raw) == expected.tobytes()


def test_accepting_publishes_once(shop: Shop) -> None:
    """The result is what `render` makes of the network's mask; a second verdict is told why not."""
    content = photo()
    number = shop.receive(a=content)['a']
    mask, client = shop.mask(number), shop.client()
    response = client.post(f'/uploads/{number}/accept', headers=MARK)
    assert (response.status_code, response.json()) == (200, {'state': 'published'})
    made = np.asarray(Image.open(shop.files.root / 'published' / 'a.png.png'))
    np.testing.assert_array_equal(made, render(decode_image(content), mask, OUTPUT).pixels)
    assert shop.state(number) == 'published: accepted by a person'
    for verdict in ('accept', 'reject', 'hold'):
        status, code, detail = errors_of(client.post(f'/uploads/{number}/{verdict}', headers=MARK))
        assert (status, code) == (409, 'taken')
    assert 'has done so' in detail
    again = errors_of(client.post(f'/uploads/{number}/accept', headers=MARK))
    assert again[2] == ('a.png: does not wait in review: it is published (accepted by a person)')


def test_rejecting_records_the_reason(shop: Shop) -> None:
    """With a reason and without; the reason has a limit, and nothing else is taken."""
    numbers = shop.receive(a=photo(1), b=photo(2))
    client = shop.client()
    address = f'/uploads/{numbers["a"]}/reject'
    for body in ({'reason': 'x' * 1001}, {'why': 'blurred'}):
        assert errors_of(client.post(address, json=body, headers=MARK))[:2] == (
            400,
            'invalid_parameter',
        )
    said = client.post(address, json={'reason': ' photo is blurred '}, headers=MARK)
    assert said.json() == {'state': 'failed'}
    client.post(f'/uploads/{numbers["b"]}/reject', headers=MARK)
    assert shop.state(numbers['a']) == 'failed: rejected by a person: photo is blurred'
    assert shop.state(numbers['b']) == 'failed: rejected by a person'
    assert [shop.queue.upload(number).reasons for number in numbers.values()] == ['', '']


def test_a_rejection_that_fails_holds_nothing(
    sqlite_shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The database is busy for a moment: the next try need not wait until the lease ends."""
    (number,) = sqlite_shop.receive(a=photo(1)).values()

    def busy(*_: object, **__: object) -> None:
        statement = 'UPDATE'
        raise OperationalError(statement, None, Exception('busy'))

    with monkeypatch.context() as patched:
        patched.setattr(sqlite_shop.queue, 'advance', busy)
        with pytest.raises(OperationalError):
            verdicts.reject(sqlite_shop.queue, 'a.png')
    verdicts.reject(sqlite_shop.queue, 'a.png', 'blurred')
    assert sqlite_shop.state(number) == 'failed: rejected by a person: blurred'


@pytest.mark.parametrize('way', ['body', 'form'])
def test_a_corrected_mask_is_published_and_kept(
    sqlite_shop: Shop, way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The result has the mask's pixels, and the photo is decoded once."""
    shop, content = sqlite_shop, photo()
    number = shop.receive(a=content)['a']
    decoded, plain = [], reading._decode

    def decode(content: bytes, max_pixels: int, name: str) -> Any:
        decoded.append(name)
        return plain(content, max_pixels, name)

    monkeypatch.setattr(reading, '_decode', decode)
    file = encoded(corrected())
    given = {'content': file} if way == 'body' else {'files': {'file': ('mask.png', file)}}
    response = shop.client().post(f'/uploads/{number}/mask', headers=MARK, **given)
    assert response.json() == {'state': 'published'}
    assert decoded == ['', 'a.png']  # the mask, the photo
    assert shop.state(number) == 'published: mask corrected by a person'
    np.testing.assert_array_equal(shop.mask(number), corrected())
    row = shop.queue.upload(number)
    assert row is not None
    assert row.model == 'people'
    made = np.asarray(Image.open(shop.files.root / 'published' / 'a.png.png'))
    expected = render(decode_image(content), corrected(), OUTPUT).pixels
    np.testing.assert_array_equal(made, expected)


def test_masks_that_do_not_fit_are_refused(sqlite_shop: Shop) -> None:
    """Each with its reason; afterwards the photo waits as before."""
    shop = sqlite_shop
    number = shop.receive(a=photo())['a']
    client = shop.client(limits=Limits(max_bytes=20_000, max_pixels=10_000))
    grey = corrected()
    coloured = np.stack([grey, grey, grey // 2], axis=-1)
    clear = np.dstack([grey, grey, grey, grey])
    refused = {
        'it must have the size': (encoded(grey[1:]), 'its photo, 32 x 24 pixels, but has 32 x 23'),
        'turned': (encoded(grey.T), 'but has 24 x 32'),
        'empty': (encoded(np.zeros_like(grey)), 'the mask is empty: reject the photo'),
        'colours': (encoded(coloured), 'must be grey, white on the object, but has colours'),
        'alpha': (encoded(clear), 'white on the object, but has transparent parts'),
        'no picture': (b'GIF89a, it says', 'the mask cannot be read'),
        'too many pixels': (encoded(np.zeros((101, 100), np.uint8)), 'the mask cannot be read'),
    }
    for content, reason in refused.values():
        response = client.post(f'/uploads/{number}/mask', content=content, headers=MARK)
        status, code, detail = errors_of(response)
        assert (status, code) == (400, 'bad_mask')
        assert reason in detail
    large = client.post(f'/uploads/{number}/mask', content=b'x' * 20_001, headers=MARK)
    assert errors_of(large)[:2] == (413, 'file_too_large')
    for nothing in ({'content': b''}, {'data': {'other': '1'}}):
        response = client.post(f'/uploads/{number}/mask', headers=MARK, **nothing)
        assert errors_of(response)[:2] == (400, 'missing_source')
    (row,) = client.get('/uploads').json()['uploads']
    assert not row['held']
    assert not list(shop.files.root.glob('masks/people/*/*'))


def test_two_people_at_once(shop: Shop) -> None:
    """Who holds a photo decides on it; the other one is told so, until it is given back."""
    number = shop.receive(a=photo())['a']
    client = shop.client()

    def post(verdict: str, claim: str = '', **given: Any) -> Any:
        headers = MARK | ({'X-Claim': claim} if claim else {})
        return client.post(f'/uploads/{number}/{verdict}', headers=headers, **given)

    held = post('hold').json()
    assert held['seconds'] == 60
    assert client.get('/uploads').json()['uploads'][0]['held']
    for verdict in ('hold', 'accept', 'reject'):
        assert errors_of(post(verdict))[1] == 'taken'
    assert errors_of(post('accept'))[2] == 'a.png: somebody else is deciding on it'
    assert errors_of(post('accept', 'another claim'))[1] == 'taken'
    shop.now[0] += 50
    assert post('hold', held['claim']).json() == held  # renewed
    shop.now[0] += 50
    assert errors_of(post('accept'))[1] == 'taken'
    wrong = post('mask', held['claim'], content=encoded(corrected()[1:]))
    assert errors_of(wrong)[1] == 'bad_mask'
    assert errors_of(post('accept'))[1] == 'taken'  # a mask that does not fit ends no claim
    post('release', 'another claim')
    assert errors_of(post('accept'))[1] == 'taken'
    post('release', held['claim'])
    second = post('hold').json()['claim']
    assert second != held['claim']
    shop.now[0] += 61  # whose claim has ended without a word
    third = post('hold').json()['claim']
    assert errors_of(post('accept', second))[1] == 'taken'
    assert post('accept', third).json() == {'state': 'published'}


def test_a_later_version_is_not_decided_on_unseen(shop: Shop) -> None:
    """A verdict is on the version that was looked at."""
    first = shop.receive(a=photo(1))['a']
    second = shop.receive(a=photo(2))['a']
    client = shop.client()
    for verdict in ('accept', 'reject'):
        status, code, detail = errors_of(client.post(f'/uploads/{first}/{verdict}', headers=MARK))
        assert (status, code) == (409, 'taken')
        assert detail == 'a.png: version 2 has come, so that version 1 is past'
    assert [row['version'] for row in client.get('/uploads').json()['uploads']] == [2]
    assert client.post(f'/uploads/{second}/accept', headers=MARK).status_code == 200


CROSS_SITE = {
    'by its browser': {'Sec-Fetch-Site': 'cross-site', **MARK},
    'of a neighbour': {'Sec-Fetch-Site': 'same-site', **MARK},
    'by its origin': {'Origin': 'http://evil.example', **MARK},
    'of another port': {'Origin': 'http://127.0.0.1:9999', **MARK},
    'without an origin': {'Origin': 'null', **MARK},
    'a form': {'Content-Type': 'application/x-www-form-urlencoded'},
}


@pytest.mark.parametrize('headers', CROSS_SITE.values(), ids=CROSS_SITE)
def test_other_sites_cast_no_verdicts(sqlite_shop: Shop, headers: dict[str, str]) -> None:
    """What a page of another site can have a browser send is refused at every endpoint."""
    number = sqlite_shop.receive(a=photo())['a']
    client = sqlite_shop.client()
    for verdict in ('accept', 'reject', 'mask', 'hold', 'release'):
        response = client.post(f'/uploads/{number}/{verdict}', headers=headers, content=b'')
        assert response.status_code == 403
        assert errors_of(response)[1] == (
            'cross_site' if MARK.items() <= headers.items() else 'no_mark'
        )
    assert sqlite_shop.state(number).startswith('review')
    assert 'access-control-allow-origin' not in client.options('/uploads', headers=headers).headers


def test_our_own_page_casts_verdicts(sqlite_shop: Shop) -> None:
    """With what browsers say of requests of the same origin."""
    numbers = sqlite_shop.receive(a=photo(1), b=photo(2))
    client = sqlite_shop.client()
    same = {'Sec-Fetch-Site': 'same-origin', 'Origin': 'http://127.0.0.1:8001', **MARK}
    assert client.post(f'/uploads/{numbers["a"]}/accept', headers=same).status_code == 200
    del same['Sec-Fetch-Site']  # without TLS
    assert client.post(f'/uploads/{numbers["b"]}/accept', headers=same).status_code == 200


def test_other_names_of_this_machine(sqlite_shop: Shop) -> None:
    """A site whose name leads here reaches nothing, unless tokens or the operator let it in."""
    sqlite_shop.receive(a=photo())
    evil = {'Host': 'evil.example:8001'}
    client = sqlite_shop.client()
    for path in ('/', '/uploads', '/uploads/1/photo', '/uploads/1/mask/levels'):
        assert errors_of(client.get(path, headers=evil))[:2] == (403, 'wrong_host')
    for host in ('localhost', '127.0.0.1:8001', '[::1]:8001'):
        assert client.get('/uploads', headers={'Host': host}).status_code == 200
    assert client.get('/uploads', headers={'Host': '[::1'}).status_code == 403
    assert sqlite_shop.client(any_host=True).get('/uploads', headers=evil).status_code == 200
    token = 'a token of some length'
    client = sqlite_shop.client(Tokens([token]))
    assert client.get('/uploads', headers=evil | {'X-Api-Key': token}).status_code == 200


def test_tokens(sqlite_shop: Shop) -> None:
    """Everything but the page, which asks for one, needs a token where there are some."""
    number = sqlite_shop.receive(a=photo())['a']
    token = 'a token of some length'
    client = sqlite_shop.client(Tokens([token]))
    assert '"needsToken":true' in client.get('/').text
    for path in ('/uploads', f'/uploads/{number}/photo', f'/uploads/{number}/mask'):
        assert errors_of(client.get(path))[:2] == (401, 'auth_failed')
    address = f'/uploads/{number}/accept'
    assert client.post(address, headers=MARK | {'X-Api-Key': 'wrong'}).status_code == 401
    assert client.post(address, headers=MARK | {'X-Api-Key': token}).status_code == 200


def test_what_is_missing_is_told(sqlite_shop: Shop) -> None:
    """Uploads, files and routes that are not there, and a database that is away."""
    shop = sqlite_shop
    number = shop.receive(a=photo())['a']
    client = shop.client()
    for missing in (number + 1, 2**40):
        assert errors_of(client.get(f'/uploads/{missing}/photo'))[:2] == (404, 'not_found')
    assert errors_of(client.get('/uploads/x/photo'))[:2] == (404, 'not_found')
    assert errors_of(client.get(f'/uploads/{number}/photo?full=2x'))[:2] == (
        400,
        'invalid_parameter',
    )
    shop.routes = Routes([Route('another', ('x/*',))])
    other = shop.client().post(f'/uploads/{number}/accept', headers=MARK)
    assert errors_of(other)[1] == 'no_route'
    assert "the route 'all' is not among the routes" in errors_of(other)[2]
    for path in shop.files.root.glob('masks/*/*/*.png'):
        path.unlink()
    (row,) = shop.client().get('/uploads').json()['uploads']
    assert (row['flags'], row['suspicion']) == (['no mask'], 100)
    reason = 'No such file or directory'  # without the path
    assert errors_of(client.get(f'/uploads/{number}/mask')) == (404, 'no_file', reason)
    accepted = client.post(f'/uploads/{number}/accept', headers=MARK)
    assert errors_of(accepted) == (500, 'no_file', reason)
    assert shop.state(number).startswith('review')


def test_a_database_that_is_away(sqlite_shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is told with the status that asks for another try."""
    from sqlalchemy.exc import OperationalError

    def fail(*_: Any) -> None:
        statement = 'SELECT'
        raise OperationalError(statement, {}, Exception('server closed the connection'))

    monkeypatch.setattr(sqlite_shop.queue, 'in_review', fail)
    response = sqlite_shop.client().get('/uploads')
    assert errors_of(response) == (503, 'no_database', 'try again')
    assert response.headers['retry-after'] == '5'
    assert 'server closed' not in response.text


def test_names_cannot_end_the_script(sqlite_shop: Shop, tmp_path: Path) -> None:
    """The folder's name stands in the page's script."""
    sqlite_shop.files = PipelineFiles(tmp_path / '<b>')
    text = sqlite_shop.client().get('/').text
    assert 'Review' in text
    assert '<b>' not in text


def test_the_page_needs_no_other_host(sqlite_shop: Shop) -> None:
    """Its policy forbids any, and it has no such address."""
    import re

    response = sqlite_shop.client().get('/')
    policy = response.headers['content-security-policy']
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert not re.findall(r'(?:src|href)="[^"]*//', response.text)
    assert 'class Mask' in response.text
    assert '{{' not in response.text


def test_masks_are_measured_once(sqlite_shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """A second look at the list reads the masks of new uploads only."""
    shop = sqlite_shop
    shop.receive(a=photo(1))
    client, plain = shop.client(), shop.files.mask
    read: list[str] = []
    monkeypatch.setattr(shop.files, 'mask', lambda *args: (read.append(args[0]), plain(*args))[1])
    for _ in range(2):
        assert client.get('/uploads').json()['waiting'] == 1
    assert len(read) == 1
    shop.receive(b=photo(2))
    read.clear()
    assert client.get('/uploads').json()['waiting'] == 2
    assert len(read) == 1
