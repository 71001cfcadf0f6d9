"""Storage here and at addresses that fsspec opens, jobs on them, and jobs that do a part."""

from __future__ import annotations

import io
import json
import os
import pickle
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from bgremoval_mm.removal import Manifest, MaskStore, TargetError, remove_tree
from bgremoval_mm.removal.images.source import SourceStamp
from bgremoval_mm.removal.io.fsspec_storage import FsspecStorage
from bgremoval_mm.removal.io.manifest import Record
from bgremoval_mm.removal.io.storage import LocalStorage, Storage, open_storage
from bgremoval_mm.removal.review.page import open_results, write_review

fsspec = pytest.importorskip('fsspec')


@pytest.fixture
def run(tiny_model):
    """remove_tree with tiny weights, on the CPU, without a progress bar."""
    spec = tiny_model('u2netp')

    def call(src, dst, **options):
        return remove_tree(src, dst, spec, **{'device': 'cpu', 'progress': False, **options})

    return call


@pytest.fixture
def memory(image_tree: Path) -> Iterator:
    """fsspec's file system in memory, with the tree of images at /photos and a broken one."""
    filesystem = fsspec.filesystem('memory')
    filesystem.store.clear()
    filesystem.pseudo_dirs[:] = ['']
    filesystem.put(str(image_tree), '/photos', recursive=True)
    filesystem.pipe_file('/photos/broken.jpg', b'no image')
    filesystem.pipe_file('/photos/notes.txt', b'no image')
    yield filesystem
    filesystem.store.clear()


def results(folder: Path) -> dict[str, bytes]:
    """Results below a local folder by name."""
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob('*.png')}


@pytest.fixture(params=['local', 'memory'])
def storage(request: pytest.FixtureRequest, memory, tmp_path: Path) -> Storage:
    """Each kind of storage, empty."""
    return open_storage(tmp_path / 'new' if request.param == 'local' else 'memory://new')


def test_every_storage_does_the_same(storage: Storage) -> None:
    """Files are written with their folders, listed, read, compared and deleted."""

    def again() -> Storage:  # an address is listed once
        return open_storage(storage.address)

    assert (storage.glob('*'), storage.exists('a/b.txt')) == ([], False)
    for name in ('b.txt', 'a.txt', 'a/b.txt', 'c.json'):
        storage.write(name, f'{name}\nsecond\x85line'.encode())
    storage = again()
    assert storage.glob('*.txt') == ['a.txt', 'b.txt']
    assert storage.exists('a/b.txt')
    assert not storage.exists('a')
    assert storage.read('a/b.txt') == b'a/b.txt\nsecond\xc2\x85line'
    assert list(storage.lines('c.json')) == [b'c.json\n', b'second\xc2\x85line']
    assert storage.address_of('a/b.txt') == f'{storage.address}/a/b.txt'
    size, time = storage.size_and_time('c.json')
    assert (size, time > 0) == (19, True)
    assert storage.has('c.json', SourceStamp.of(storage.read('c.json'), 0))
    assert not storage.has('c.json', SourceStamp.of(bytes(19), 0))
    single = open_storage(storage.address_of('a/b.txt')).as_file()
    assert single is not None
    assert single.scan().images == ['b.txt']
    assert single.address == storage.address_of('a')
    assert storage.as_file() is None
    storage.delete('c.json')
    storage.delete('c.json')
    assert not again().exists('c.json')
    for call in (storage.read, again().size_and_time):
        with pytest.raises(FileNotFoundError):
            call('c.json')
    assert open_storage(storage) is storage


def test_appending(storage: Storage) -> None:
    """A torn line is ended first; what takes only whole files says so."""
    if not storage.can_append:
        with pytest.raises(io.UnsupportedOperation, match='appended to memory://new/a/b'):
            storage.append('a/b', b'one\n')
        return
    for line in (b'one\n', b'torn', b'two\n'):
        storage.append('a/b', line)
    assert storage.read('a/b') == b'one\ntorn\ntwo\n'


def test_manifest_is_read_from_its_own_folder(storage: Storage) -> None:
    """Not from a folder of photos that begins with the same word."""
    made = Record('a.jpg', 'error', 'u2netp', 'x')
    storage.write('manifest-old/b.jsonl', made.to_json().encode())
    storage.write('manifest-1-of-2.jsonl', made.to_json().encode())
    assert list(Manifest(storage.address).records()) == [made]


@pytest.mark.parametrize('output', ['store', 'rgb'])
def test_review_of_results_at_an_address(run, memory, image_tree, tmp_path, output: str) -> None:
    """The page shows them as it shows those of a folder."""
    run(image_tree, 'memory://out', output=output)
    results = open_results('memory://out', 'u2netp')
    page = write_review(tmp_path / 'review', results, image_tree, everything=True, progress=False)
    assert 'cannot be shown' not in page.read_text()
    pictures = list((page.parent / 'pictures').iterdir())
    assert len(pictures) == 12  # photo and result of each image


@pytest.mark.parametrize('output', ['store', 'rgb'])
def test_from_address_to_address(run, memory, image_tree, tmp_path, output: str) -> None:
    """The local run's bytes; what is done is skipped; what changes is done again."""
    run(image_tree, tmp_path / 'out', output=output)
    summary = run('memory://photos', 'memory://out', output=output)
    assert (summary.done, list(summary.failed)) == (6, ['broken.jpg'])
    assert summary.failed['broken.jpg'].startswith('not an image')
    assert summary.ignored == ['notes.txt']
    assert summary.folder == 'memory://out' + ('/u2netp' if output == 'store' else '')
    found = {path.removeprefix('/out/'): memory.cat_file(path) for path in memory.find('/out')}
    lines = [name for name in found if name.endswith('.jsonl')]
    # A store's masks say from which bytes they are, and so when these were written.
    content = {name: c for name, c in found.items() if name not in lines}
    expected = results(tmp_path / 'out')
    assert set(content) == set(expected)
    if output == 'rgb':
        assert content == expected

    again = run('memory://photos', 'memory://out', output=output)
    assert (again.done, again.skipped) == (0, 6)
    _, *_, photo = (path for path in memory.find('/photos/hat') if path.endswith('.jpg'))
    memory.pipe_file(photo, memory.cat_file(photo) + b'longer')
    memory.rm_file(next(path for path in memory.find('/out') if '/dress/' in path))
    assert run('memory://photos', 'memory://out', output=output).done == 2
    assert run('memory://photos', 'memory://out', output=output).done == 0


def test_earlier_formats_cost_no_request_a_photo(run, memory, monkeypatch) -> None:
    """They are deleted once; later runs do not ask the store again to delete what is not there."""
    deleted: list[str] = []
    real = type(memory).rm_file

    def rm_file(self, path: str) -> None:
        deleted.append(path)
        real(self, path)

    monkeypatch.setattr(type(memory), 'rm_file', rm_file)
    for file_format in ('png', 'webp'):
        run('memory://photos', 'memory://out', output='rgb', file_format=file_format)
    assert sorted(deleted) == sorted(
        path.replace('/photos/', '/out/') + '.png'
        for path in memory.store
        if path.startswith('/photos/') and 'broken' not in path and 'notes' not in path
    )
    deleted.clear()
    again = run('memory://photos', 'memory://out', output='rgb', file_format='webp')
    assert (again.skipped, deleted) == (6, [])


def test_manifest_in_whole_files(run, memory) -> None:
    """Where nothing can be appended, each run leaves files of records, which are read together."""
    run('memory://photos', 'memory://out')
    run('memory://photos', 'memory://out', overwrite=True)
    files = [path for path in memory.find('/out') if path.endswith('.jsonl')]
    assert len(files) == 3  # the second run says in advance what it replaces
    store = MaskStore('memory://out', 'u2netp')
    records = store.manifest.read()
    assert len(records) == 7
    times = [json.loads(line)['time'] for line in memory.cat_file(max(files)).splitlines()]
    assert records['broken.jpg'].time in times


def test_not_atomic_file_system(run, image_tree: Path, tmp_path: Path) -> None:
    """Where writing is not atomic, a file is written beside and renamed: no `.part` is left."""
    run(image_tree, tmp_path / 'expected', output='rgb')
    assert run(image_tree, f'local://{tmp_path}/out', output='rgb').done == 6
    assert results(tmp_path / 'out') == results(tmp_path / 'expected')
    assert not list((tmp_path / 'out').rglob('*.part'))


def test_addresses(memory, tmp_path: Path, run) -> None:
    """file:// is a folder; a storage can be pickled; what is missing or inside is refused."""
    assert isinstance(open_storage(f'file://{tmp_path}'), LocalStorage)
    storage = open_storage('memory://photos/')
    assert storage.address == 'memory://photos'
    assert storage.exists('notes.txt')
    assert pickle.loads(pickle.dumps(storage)).scan() == storage.scan()
    with pytest.raises(FileNotFoundError, match='no file below memory://nothing'):
        run('memory://nothing', tmp_path / 'out')
    with pytest.raises(TargetError, match='inside the image folder memory://photos'):
        run('memory://photos', 'memory://photos/out')
    with pytest.raises(ValueError, match='Protocol not known: nonsense'):
        FsspecStorage('nonsense://a').scan()


def test_shards_are_parts_of_the_whole(run, tmp_path: Path, picture) -> None:
    """Three jobs do each image once; their manifests are read as one; new images move none."""
    src, out = tmp_path / 'src', tmp_path / 'out'
    src.mkdir()
    for index in range(30):
        Image.fromarray(picture(seed=index)).save(src / f'{index}.png')
    done = [run(src, out, shard=f'{i}/3').done for i in (1, 2, 3)]
    assert sum(done) == 30
    assert min(done) > 3
    folder = out / 'u2netp'
    assert sorted(p.name for p in folder.glob('*.jsonl')) == [
        f'manifest-{i}-of-3.jsonl' for i in (1, 2, 3)
    ]
    assert len(Manifest(folder).read()) == 30
    Image.fromarray(picture(seed=99)).save(src / 'new.png')
    again = [run(src, out, shard=f'{i}/3') for i in (1, 2, 3)]
    assert [each.skipped for each in again] == done
    assert sum(each.done for each in again) == 1
    assert run(src, out).skipped == 31


@pytest.mark.parametrize('shard', ['0/3', '4/3', '3', '1/x', ''])
def test_wrong_shard(run, tmp_path: Path, shard: str) -> None:
    """The error names what came."""
    with pytest.raises(ValueError, match=f"'i/n' with i from 1 to n, e.g. '3/8', but got '{shard}"):
        run(tmp_path, tmp_path / 'out', shard=shard)


def test_later_record_holds(tmp_path: Path) -> None:
    """Of records in several files, the one that was made last counts."""
    make = {'model': 'u2netp', 'model_hash': 'x'}
    Manifest(tmp_path, 'b').append(Record('a.jpg', 'error', **make, error='new', time=2.0))
    Manifest(tmp_path, 'a').append(Record('a.jpg', 'error', **make, error='old', time=1.0))
    Manifest(tmp_path).append(Record('a.jpg', 'error', **make, error='before there were times'))
    assert Manifest(tmp_path).read()['a.jpg'].error == 'new'


def test_mtime_of_storages(memory) -> None:
    """A file that was written again counts as changed only if its content is another one."""
    storage = open_storage('memory://photos')
    name = next(name for name in storage.scan().images if name.startswith('dress/'))
    stamp = storage.read_image(name).stamp
    assert storage.has(name, stamp)
    memory.pipe_file(f'/photos/{name}', memory.cat_file(f'/photos/{name}'))
    assert open_storage('memory://photos').has(name, stamp)
    content = bytearray(memory.cat_file(f'/photos/{name}'))
    content[-3] ^= 1
    memory.pipe_file(f'/photos/{name}', bytes(content))
    assert not open_storage('memory://photos').has(name, stamp)
    with pytest.raises(OSError, match='gone'):
        storage.has('gone.jpg', stamp)


def test_local_names_need_not_be_text(run, tmp_path: Path, picture) -> None:
    """A name of bytes that are no UTF-8 goes to one of the shards."""
    src = tmp_path / 'src'
    src.mkdir()
    Image.fromarray(picture()).save(src / 'a.png')
    (src / 'a.png').rename(src / os.fsdecode(b'caf\xe9.png'))
    assert sum(run(src, tmp_path / 'out', shard=f'{i}/2').done for i in (1, 2)) == 1


def test_another_process_finds_the_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A relative folder means the same in a process that stands elsewhere, as Ray's actors do."""
    monkeypatch.chdir(tmp_path)
    relative = open_storage('results')
    relative.write('a/b.txt', b'first')
    assert relative.address == 'results'
    sent = pickle.dumps(relative)
    (tmp_path / 'elsewhere').mkdir()
    monkeypatch.chdir(tmp_path / 'elsewhere')
    arrived = pickle.loads(sent)
    assert arrived.read('a/b.txt') == b'first'
    arrived.write('a/c.txt', b'second')
    assert (tmp_path / 'results/a/c.txt').read_bytes() == b'second'
