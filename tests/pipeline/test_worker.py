"""Worker and routes: what becomes of a photo, good, broken, doubtful or without a route."""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Event
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image
from sqlalchemy import update
from sqlalchemy.exc import OperationalError

from bgremoval_mm.pipeline import database as database_module
from bgremoval_mm.pipeline import worker as worker_module
from bgremoval_mm.pipeline.database import DatabaseError
from bgremoval_mm.pipeline.files import PipelineFiles, check_name
from bgremoval_mm.pipeline.product_types import ProductType
from bgremoval_mm.pipeline.queue import ClaimLostError, UploadQueue
from bgremoval_mm.pipeline.routes import Gate, Route, RouteError, Routes, read_routes
from bgremoval_mm.pipeline.sources import ListingWatcher, receive_bytes, receive_files
from bgremoval_mm.pipeline.states import State
from bgremoval_mm.pipeline.tables import Upload
from bgremoval_mm.pipeline.worker import Worker
from bgremoval_mm.removal import BackgroundRemover
from bgremoval_mm.removal.errors import ArgumentError
from bgremoval_mm.removal.images.reading import decode_image
from bgremoval_mm.removal.io.storage import open_storage
from bgremoval_mm.removal.masks.quality import MaskQuality
from bgremoval_mm.removal.options import OutputOptions
from bgremoval_mm.removal.outputs.rendering import render

PASSES_ALL = Gate(suspicion=100, flags=())


@pytest.fixture
def encoded(picture) -> Callable[..., bytes]:
    """A function that makes a picture file: a bright square."""

    def make(seed: int = 0, kind: str = 'PNG') -> bytes:
        buffer = io.BytesIO()
        Image.fromarray(picture(24, 16, seed)).save(buffer, kind)
        return buffer.getvalue()

    return make


@pytest.fixture
def remover(tiny_file: Path) -> BackgroundRemover:
    """A tiny network."""
    return BackgroundRemover(tiny_file, backend='onnxruntime', device='cpu', num_threads=1)


@pytest.fixture
def make_worker(tmp_path: Path, tiny_file: Path, remover) -> Iterator[Callable[..., Worker]]:
    """A function that makes a worker over one queue, with routes of its own."""
    queue = UploadQueue(f'sqlite:///{tmp_path}/pipeline.db', most_tries=2)
    files = PipelineFiles(tmp_path / 'root')

    def make(*routes: Route) -> Worker:
        chosen = routes or (Route('all', model=str(tiny_file), gate=PASSES_ALL),)
        return Worker(queue, files, Routes(chosen), lambda _: remover)

    yield make
    queue.close()


def test_a_good_photo_is_published(make_worker, encoded, remover, tiny_file: Path) -> None:
    """The result is what `render` makes of the photo and its mask, in the route's folder."""
    output = OutputOptions(output='rgb', fill=255)
    worker = make_worker(
        Route('white', model=str(tiny_file), output=output, folder='shop', gate=PASSES_ALL)
    )
    content = encoded(1)
    receive_bytes(worker.queue, worker.files, 'shoes/a.png', content, 'tests')
    assert worker.run(until_done=True) == 1
    (row,) = worker.queue.uploads()
    assert (row.state, row.route, row.model) == ('published', 'white', remover.spec.name)
    assert row.result == 'shop/shoes/a.png.png'
    source = decode_image(content)
    ((mask, _),) = remover.low_resolution([source.rgb])
    made = np.array(Image.open(worker.files.root / 'published' / row.result))
    np.testing.assert_array_equal(made, render(source, mask, output).pixels)


def test_a_broken_photo_fails_at_once(make_worker, encoded) -> None:
    """It is not tried again; the next one is not held up."""
    worker = make_worker()
    receive_bytes(worker.queue, worker.files, 'bad.jpg', b'\xff\xd8 no picture', 'tests')
    receive_bytes(worker.queue, worker.files, 'good.png', encoded(), 'tests')
    assert worker.run(until_done=True) == 2
    assert [each.state for each in worker.queue.uploads()] == ['failed', 'published']
    states = [each.after for each in worker.queue.history(1)]
    assert states == ['received', 'typed', 'failed']


def test_a_doubtful_mask_is_not_published(make_worker, encoded, tiny_file: Path) -> None:
    """It goes to review with its reason, and no result is written."""
    worker = make_worker(Route('all', model=str(tiny_file), gate=Gate(suspicion=0)))
    receive_bytes(worker.queue, worker.files, 'a.png', encoded(), 'tests')
    worker.run(until_done=True)
    (row,) = worker.queue.uploads()
    assert row.state == 'review'
    assert 'every mask is reviewed' in row.reasons
    assert list((worker.files.root / 'published').rglob('*')) == []


@pytest.mark.parametrize('gate', [PASSES_ALL, Gate(suspicion=0, weak_edge=0.5)])
def test_a_photo_is_decoded_once(
    gate: Gate, make_worker, encoded, tiny_file: Path, monkeypatch
) -> None:
    """Its steps share the pixels, also where it waits for a person in the end."""
    worker = make_worker(Route('all', model=str(tiny_file), gate=gate))
    decoded: list[str] = []

    def decode(content: bytes, name: str):
        decoded.append(name)
        return decode_image(content, name=name)

    monkeypatch.setattr(worker_module, 'decode_image', decode)
    monkeypatch.setattr(
        worker.types, 'find', lambda name, photo: ProductType('', str(photo().shape))
    )
    for seed, name in enumerate(('a.png', 'b.png')):
        receive_bytes(worker.queue, worker.files, name, encoded(seed), 'tests')
    worker.run(until_done=True)
    assert {each.state for each in worker.queue.uploads()} <= {'published', 'review'}
    assert 'the route all fits it; (16, 24, 3)' in worker.queue.history(1)[1].reason
    assert decoded == ['a.png', 'b.png']


@pytest.mark.parametrize(
    ('gate', 'reason'),
    [
        ({'confidence': 0.99}, 'confidence 0.980'),
        ({'weak_edge': 0.4}, 'low contrast along 50% of its outline'),
        ({'thin': 0.2}, '30% of it is thin'),
        ({'suspicion': 1}, 'disputed'),
        ({'flags': ('disputed',)}, 'disputed'),
    ],
)
def test_what_the_gate_looks_at(gate: dict[str, object], reason: str) -> None:
    """Each figure sends a mask to review from its own threshold on, and says which it was."""
    bad = MaskQuality(
        0.5, 0.98, 0.0, ('disputed',), disagreement=0.5, undecided=0.0, thin=0.3, weak_edge=0.5
    )
    good = MaskQuality(0.5, 0.99, 0.0, disagreement=0.01, undecided=0.0, thin=0.2, weak_edge=0.4)
    chosen = Gate(**{'suspicion': 100, 'flags': ()} | gate)  # type: ignore[arg-type]
    assert chosen.reasons(bad) == (reason,)
    assert chosen.reasons(good) == ()
    assert PASSES_ALL.reasons(bad) == ()


def test_a_second_model_can_dispute(
    make_worker, encoded, remover, tiny_file: Path, monkeypatch
) -> None:
    """Both masks are kept; where they differ, the photo waits for a person."""
    output = OutputOptions(output='rgba', second_model='u2netp')
    worker = make_worker(
        Route(
            'a', model=str(tiny_file), output=output, gate=Gate(suspicion=100, flags=('disputed',))
        )
    )
    other = SimpleNamespace(
        spec=SimpleNamespace(name='other'),
        low_resolution=lambda images: [(np.full((320, 320), 255, np.uint8), False)],
    )
    monkeypatch.setattr(worker, '_make_remover', {str(tiny_file): remover, 'u2netp': other}.get)
    receive_bytes(worker.queue, worker.files, 'a.png', encoded(), 'tests')
    worker.run(until_done=True)
    (row,) = worker.queue.uploads()
    assert (row.state, row.reasons, row.model) == ('review', 'disputed', remover.spec.name)
    assert {each.name for each in (worker.files.root / 'masks').iterdir()} >= {
        remover.spec.name,
        'other',
    }


def test_a_second_model_that_came_between_two_steps(
    make_worker, encoded, remover, tiny_file: Path, monkeypatch
) -> None:
    """Its mask is made when it is asked for, though the photo lost its background before."""
    first = make_worker()
    receive_bytes(first.queue, first.files, 'a.png', encoded(), 'tests')
    finish = Worker._finish
    monkeypatch.setattr(Worker, '_finish', lambda self, claim, *_: stop(self, claim))

    def stop(worker: Worker, claim):
        worker.queue.release(claim)
        raise ClaimLostError

    first.run(stop=SimpleNamespace(is_set=iter((False, True)).__next__))
    assert first.queue.uploads()[0].state == 'removed'
    monkeypatch.setattr(Worker, '_finish', finish)
    output = OutputOptions(output='rgba', second_model='u2netp')
    second = make_worker(Route('all', model=str(tiny_file), output=output, gate=PASSES_ALL))
    other = SimpleNamespace(
        spec=SimpleNamespace(name='other'),
        low_resolution=lambda images: [(np.full((320, 320), 255, np.uint8), False)],
    )
    monkeypatch.setattr(second, '_make_remover', {str(tiny_file): remover, 'u2netp': other}.get)
    second.run(until_done=True)
    assert [row.state for row in second.queue.uploads()] == ['published']
    assert (second.files.mask(second.queue.uploads()[0].sha256, 'other') == 255).all()


def test_the_outline_is_compared_with_the_photo(make_worker, encoded, tiny_file: Path) -> None:
    """The photo is looked at if the gate asks for it; one of a single colour has no outline."""
    worker = make_worker(
        Route('a', model=str(tiny_file), gate=Gate(suspicion=100, flags=(), weak_edge=0.0))
    )
    receive_bytes(worker.queue, worker.files, 'a.png', flat(), 'tests')
    worker.run(until_done=True)
    reasons = worker.queue.uploads()[0].reasons.split('; ')
    assert reasons == ['low contrast along 100% of its outline', 'empty']


def flat() -> bytes:
    """A picture of one colour, encoded."""
    buffer = io.BytesIO()
    Image.new('RGB', (24, 16), (90, 90, 90)).save(buffer, 'PNG')
    return buffer.getvalue()


def test_a_photo_without_a_route_fails(make_worker, encoded, tiny_file: Path) -> None:
    """The first pattern that fits counts; where none does, that is said."""
    worker = make_worker(
        Route('shoes', ('shoes/*',), str(tiny_file), gate=PASSES_ALL),
        Route('bags', ('bags/*', '*/bag*'), str(tiny_file), gate=PASSES_ALL),
    )
    for name in ('shoes/bag.png', 'x/bag.png', 'hats/a.png'):
        receive_bytes(worker.queue, worker.files, name, encoded(), 'tests')
    worker.run(until_done=True)
    found = {each.name: (each.state, each.route) for each in worker.queue.uploads()}
    assert found == {
        'shoes/bag.png': ('published', 'shoes'),
        'x/bag.png': ('published', 'bags'),
        'hats/a.png': ('failed', ''),
    }
    assert worker.queue.history(3)[-1].reason == 'no route fits it'


def test_a_changed_photo_replaces_its_result(make_worker, encoded, remover) -> None:
    """The new version is published in the place of the former one."""
    worker = make_worker()
    results = []
    for seed in (1, 2):
        receive_bytes(worker.queue, worker.files, 'a.png', encoded(seed), 'tests')
        worker.run(until_done=True)
        made = np.array(Image.open(worker.files.root / 'published' / 'a.png.png'))
        source = decode_image(encoded(seed))
        ((mask, _),) = remover.low_resolution([source.rgb])
        expected = render(source, mask, OutputOptions(output='rgba')).pixels
        np.testing.assert_array_equal(made, expected)
        results.append(made)
    assert (results[0] != results[1]).any()
    assert [each.version for each in worker.queue.uploads(State.PUBLISHED)] == [1, 2]


def test_what_was_left_in_review(make_worker, encoded) -> None:
    """A worker supersedes it as it begins, and then once a minute."""
    worker = make_worker()
    queue = worker.queue
    for seed in (1, 2):
        receive_bytes(queue, worker.files, 'a.png', encoded(seed), 'tests')
    with queue.engine.begin() as connection:  # as a reviewer leaves it whose claim has ended
        connection.execute(update(Upload).where(Upload.version == 1).values(state=State.REVIEW))
    assert worker.run(until_done=True) == 1
    assert [each.state for each in queue.uploads()] == ['superseded', 'published']


def test_a_fault_of_the_network_is_tried_again(make_worker, encoded, monkeypatch) -> None:
    """What is raised is recorded, and the next try can succeed."""
    worker = make_worker()
    receive_bytes(worker.queue, worker.files, 'a.png', encoded(), 'tests')
    remover = worker._make_remover('')
    honest, calls = remover.low_resolution, []

    def flaky(images):
        calls.append(1)
        if len(calls) == 1:
            msg = 'out of memory'
            raise RuntimeError(msg)
        return honest(images)

    monkeypatch.setattr(remover, 'low_resolution', flaky)
    monkeypatch.setattr('bgremoval_mm.pipeline.queue._back_off', lambda tries: 0.0)
    assert worker.run(until_done=True) == 1
    reasons = [each.reason for each in worker.queue.history(1)]
    assert reasons[2] == 'try 1 failed: RuntimeError: out of memory'
    assert worker.queue.uploads()[0].state == 'published'


def test_a_database_that_stays_away_ends_the_worker(make_worker, monkeypatch) -> None:
    """It is waited for, but not without end."""
    worker = make_worker()

    def refuse() -> None:
        msg = 'SELECT'
        raise OperationalError(msg, {}, Exception('connection refused'))

    monkeypatch.setattr(worker.queue, 'claim', refuse)
    monkeypatch.setattr(database_module, '_PAUSE', 0.01)
    monkeypatch.setattr(database_module, '_AWAY', 0.1)
    with pytest.raises(DatabaseError, match=r'^the database does not answer: connection refused$'):
        worker.run(until_done=True)


def test_a_stopped_worker_takes_nothing_more(make_worker, encoded) -> None:
    """An event that is set ends the work before the next upload."""
    worker = make_worker()
    receive_bytes(worker.queue, worker.files, 'a.png', encoded(), 'tests')
    stop = Event()
    stop.set()
    assert worker.run(stop=stop) == 0
    assert worker.queue.uploads()[0].state == 'received'


def test_files_of_a_folder(make_worker, encoded, tmp_path: Path) -> None:
    """They are recorded once; one that has gone is reported by name."""
    worker = make_worker()
    folder = tmp_path / 'photos'
    (folder / 'x').mkdir(parents=True)
    (folder / 'x' / 'a.png').write_bytes(encoded())
    first = receive_files(worker.queue, worker.files, open_storage(folder), ['x/a.png', 'gone.png'])
    assert (first.new, first.known) == (1, 0)
    assert first.unreadable == ['gone.png: No such file or directory']
    again = receive_files(worker.queue, worker.files, open_storage(folder), ['x/a.png'])
    assert (again.new, again.known, again.unreadable) == (0, 1, [])


def test_photos_at_an_address(make_worker, encoded) -> None:
    """A listing names what is new or has changed, and what could not be read once more."""
    import fsspec

    worker, bucket = make_worker(), fsspec.filesystem('memory')
    address = f'memory://bucket-{os.urandom(4).hex()}'
    for name in ('a.png', 'x/b.png', 'notes.txt'):
        bucket.pipe_file(f'{address}/{name}', encoded())
    watcher = ListingWatcher(address)
    new = watcher.take()
    assert new == {'a.png', 'x/b.png'}
    received = receive_files(worker.queue, worker.files, open_storage(address), new)
    assert (received.new, received.unreadable) == (2, [])
    assert watcher.take() == set()
    bucket.pipe_file(f'{address}/a.png', encoded(5))
    assert watcher.take() == {'a.png'}
    watcher.forget(['x/b.png'])
    assert watcher.take() == {'x/b.png'}
    bucket.rm(f'{address}/a.png')
    gone = receive_files(worker.queue, worker.files, open_storage(address), ['a.png'])
    assert gone.unreadable[0].startswith('a.png: ')


@pytest.mark.parametrize(
    'name',
    [
        *['', '/etc/x.jpg', '../x.jpg', 'a/../../x.jpg', 'a\\b.jpg', 'a\0'],
        # Other spellings of a name, whose results would be the same file.
        *['a//x.jpg', './a/x.jpg', 'a/./x.jpg', 'a/', 'a/.'],
        '.unfinished/x.jpg',
    ],
)
def test_names_stay_below_the_folder(name: str) -> None:
    """A name that leads elsewhere is refused."""
    with pytest.raises(ArgumentError, match='the name of an upload must be a relative path'):
        check_name(name)


def test_names_must_be_text() -> None:
    """A name that is not valid UTF-8 is refused, as no database would take it."""
    with pytest.raises(ArgumentError, match='must be valid UTF-8'):
        check_name('caf\udce9.png')


def quality(suspicious: float, *flags: str) -> MaskQuality:
    """Figures whose suspicion is the given one."""
    return MaskQuality(0.5, 1.0, 0.0, flags, undecided=0.02 * suspicious)


@pytest.mark.parametrize(
    ('found', 'reasons'),
    [
        (quality(0.5), ()),
        (quality(1.5, 'uncertain'), ('uncertain',)),
        (quality(0.9), ('suspicion 0.90',)),
        (quality(0.5, 'empty'), ('empty',)),
    ],
)
def test_gate(found: MaskQuality, reasons: tuple[str, ...]) -> None:
    """Above the threshold the flags are the reasons, or the figure where there is none."""
    assert Gate(suspicion=0.8).reasons(found) == reasons


ROUTES = """
[[route]]
name = "shoes"
match = ["shoes/*", "boots/*"]
model = "u2netp"
output = "rgb"
fill = [255, 250, 240]
file_format = "jpeg"
crop = "5%"
folder = "shop"
second_model = "u2netp"
[route.gate]
suspicion = 0.7
flags = "empty"
weak_edge = 0.5

[[route]]
name = "rest"
"""


def test_routes_file(tmp_path: Path) -> None:
    """Every key arrives; what is not given is the default."""
    file = tmp_path / 'routes.toml'
    file.write_text(ROUTES)
    shoes, rest = read_routes(file)
    assert (shoes.name, shoes.match, shoes.model) == ('shoes', ('shoes/*', 'boots/*'), 'u2netp')
    assert (shoes.output.fill, shoes.output.framing.crop) == ([255, 250, 240], '5%')
    assert shoes.gate == Gate(suspicion=0.7, flags=('empty',), weak_edge=0.5)
    assert shoes.models == ('u2netp', 'u2netp')
    assert shoes.result_name('boots/a.jpg') == 'shop/boots/a.jpg.jpg'
    assert Route('x', folder='./shop//x/').result_name('a.jpg') == 'shop/x/a.jpg.png'
    assert rest == Route('rest')


@pytest.mark.parametrize(
    ('text', 'message'),
    [
        ('', r'must have a table \[\[route\]\]'),
        ('x = 1\n[[route]]\nname="a"', 'but it also has x'),
        ('[[route]]', 'route 1: `name` is missing'),
        ('[[route]]\nname="a"\ncolour=1', 'route a: unknown: colour; known: name, match'),
        ('[[route]]\nname="a"\nmodel="u3net"', 'route a: .*u3net'),
        ('[[route]]\nname="a"\nmodel=3', 'route a: `model` must be a text, but got 3'),
        ('[[route]]\nname="a"\nmatch=3', '`match` must be a text or a list'),
        ('[[route]]\nname="a"\ntypes="shoes"', r'but there is no table \[types\]'),
        ('[types]\ntable="t.csv"\n[[route]]\nname="a"', 'but no route asks for'),
        ('[types]\nfile="t"\n[[route]]\nname="a"', '`types` must be a table of table, image'),
        ('[types]\n[[route]]\nname="a"\ntypes="b"', 'from a `table` or from a `classifier`'),
        ('[[route]]\nname="a"\noutput="store"', "`output` must be 'rgba', 'rgb' or 'mask'"),
        ('[[route]]\nname="a"\nfolder="../x"', '`folder` must stay below'),
        ('[[route]]\nname="a"\nfolder="/x"', '`folder` must stay below'),
        ('[[route]]\nname="a"\nfolder=".unfinished"', '`folder` must stay below'),
        ('[[route]]\nname="a"\nfolder="a\\\\b"', '`folder` must stay below'),
        ('[[route]]\nname="a"\n[route.gate]\nx=1', '`gate` must be a table of suspicion, flags'),
        ('[[route]]\nname="a"\n[route.gate]\nsuspicion="x"', '`suspicion` must be a number'),
        ('[[route]]\nname="a"\n[route.gate]\nthin=2', '`thin` must be a number from 0 to 1'),
        ('[[route]]\nname="a"\n[route.gate]\nflags="bad"', '`flags` must be of constant, empty'),
        ('[[route]]\nname="a"\nsecond_model="u3net"', 'route a: .*u3net'),
        ('[[route]]\nname="a"\n[[route]]\nname="a"', 'twice there is a'),
        ('= 3', 'cannot be read as TOML'),
    ],
)
def test_wrong_routes(text: str, message: str, tmp_path: Path) -> None:
    """The message names the file, the route and what is wrong."""
    file = tmp_path / 'routes.toml'
    file.write_text(text)
    with pytest.raises(RouteError, match=message) as caught:
        read_routes(file)
    assert str(file) in str(caught.value)
