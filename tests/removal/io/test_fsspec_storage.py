"""Stores that are not well-behaved: odd names, no times, no whole writes, errors of their own."""

from __future__ import annotations

import os
import pickle
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, ClassVar

import pytest
from PIL import Image

from bgremoval_mm.removal import MaskStore, TargetError, TreeSummary, remove_tree
from bgremoval_mm.removal.images.reading import SourceStamp
from bgremoval_mm.removal.io.fsspec_storage import FsspecStorage
from bgremoval_mm.removal.io.storage import open_storage
from bgremoval_mm.utils import atomic

fsspec = pytest.importorskip('fsspec')
memory_module = pytest.importorskip('fsspec.implementations.memory')

ODD = ['[1].jpg', 'a*.jpg', '{b,c}?.jpg', 'blank .jpg', 'line\u2028\u2029\x85end.jpg', 'ü.jpg']


class PlainFileSystem(memory_module.MemoryFileSystem):
    """A file system in memory under a protocol that is not known to write files whole."""

    protocol = 'plain'
    root_marker = '/'
    store: ClassVar[dict[str, Any]] = {}
    pseudo_dirs: ClassVar[list[str]] = ['']

    @classmethod
    def _strip_protocol(cls, path: str) -> str:
        return super()._strip_protocol(path.replace('plain://', 'memory://'))


@pytest.fixture
def stores() -> Iterator[dict[str, Any]]:
    """The two file systems in memory, empty."""
    fsspec.register_implementation('plain', PlainFileSystem, clobber=True)
    made = {name: fsspec.filesystem(name) for name in ('memory', 'plain')}
    for each in made.values():
        each.store.clear()
        each.pseudo_dirs[:] = ['']
    yield made
    for each in made.values():
        each.store.clear()


@pytest.fixture
def photo(tmp_path: Path, picture: Callable) -> bytes:
    """Content of a small photo."""
    Image.fromarray(picture()).save(tmp_path / 'photo.jpg')
    return (tmp_path / 'photo.jpg').read_bytes()


@pytest.fixture
def run(tiny_model: Callable) -> Callable[..., TreeSummary]:
    """remove_tree with tiny weights, on the CPU, without a progress bar."""
    spec = tiny_model('u2netp')

    def call(src, dst, **options):
        return remove_tree(src, dst, spec, **{'device': 'cpu', 'progress': False, **options})

    return call


@pytest.mark.parametrize('slash', ['', '/'])
def test_one_object_is_done(run, stores, photo: bytes, slash: str) -> None:
    """An address of one object is done and not its neighbours; the second run skips it."""
    memory = stores['memory']
    for name in ('a.jpg', 'a.jpg.bak.jpg', 'b.jpg'):
        memory.pipe_file(f'/shop/one/{name}', photo)
    first = run(f'memory://shop/one/a.jpg{slash}', 'memory://out', output='rgb')
    assert (first.done, first.failed, first.ignored) == (1, {}, [])
    assert {name for name in memory.find('/out') if name.endswith('.png')} == {'/out/a.jpg.png'}
    assert run('memory://shop/one/a.jpg', 'memory://out', output='rgb').skipped == 1
    with pytest.raises(TargetError, match=r'beside the image memory://shop/one/a\.jpg'):
        run('memory://shop/one/a.jpg', 'memory://shop/one')


def test_one_object_travels_to_other_processes(stores, photo: bytes) -> None:
    """A storage of one object is one after pickling, too."""
    stores['memory'].pipe_file('/shop/a.jpg', photo)
    storage = FsspecStorage('memory://shop/a.jpg').as_file()
    assert storage is not None
    assert pickle.loads(pickle.dumps(storage)).scan().images == ['a.jpg']
    assert FsspecStorage('memory://shop').as_file() is None


@pytest.mark.parametrize('store', ['memory', 'plain'])
def test_names_that_look_like_patterns(run, stores, photo: bytes, store: str) -> None:
    """Each has its own result, once; what ends a line in Python tears no record."""
    filesystem = stores[store]
    for name in ODD:
        filesystem.pipe_file(f'/in/{name}', photo)
    # A pattern would match these as well.
    filesystem.pipe_file('/in/1.jpg', photo)
    filesystem.pipe_file('/in/ab.jpg', photo)
    first = run(f'{store}://in', f'{store}://out', output='rgb')
    assert (first.done, first.failed) == (len(ODD) + 2, {})
    found = {name.removeprefix('/out/') for name in filesystem.find('/out')}
    expected = {f'{name}.png' for name in [*ODD, '1.jpg', 'ab.jpg']}
    assert {name for name in found if not name.startswith('manifest')} == expected
    again = run(f'{store}://in', f'{store}://out', output='rgb')
    assert (again.done, again.skipped) == (0, len(ODD) + 2)
    # Results are replaced by name as well.
    assert run(f'{store}://in', f'{store}://out', output='rgb', fill=9).done == len(ODD) + 2


def test_litter_at_addresses(stores, photo: bytes) -> None:
    """The rules for hidden files and folders are those of local ones."""
    for name in ('a.jpg', '._a.jpg', '__MACOSX/b.jpg', '@eaDir/a.jpg/c.jpg', 'x/.git/d.jpg'):
        stores['memory'].pipe_file(f'/in/{name}', photo)
    assert FsspecStorage('memory://in').scan().images == ['a.jpg']


def test_keys_with_empty_parts(stores, photo: bytes) -> None:
    """Stores of objects know names that no file system can have: none takes another one's place."""
    for name in ('b.png', '/b.png', 'x//c.png', 'x/c.png', './d.png', 'x/../e.png', '../f.png'):
        stores['memory'].pipe_file(f'/in/{name}', photo)
    scan = FsspecStorage('memory://in').scan()
    assert scan.images == ['b.png', 'x/c.png']
    reason = 'its name has a part that is empty, "." or ".."'
    odd = ['/b.png', 'x//c.png', './d.png', 'x/../e.png', '../f.png']
    assert scan.unreadable == dict.fromkeys(odd, reason)
    assert not scan.ignored


def test_unknown_time_proves_nothing(
    stores, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a time on either side the content decides, though the size is the same."""
    stores['memory'].pipe_file('/in/a.jpg', b'one')
    storage = FsspecStorage('memory://in')
    real = type(storage)._listing.func

    def timeless(self):
        return {name: {**info, 'created': None} for name, info in real(self).items()}

    monkeypatch.setattr(FsspecStorage, '_listing', property(timeless))
    for storage in (FsspecStorage('memory://in'), open_storage(tmp_path)):
        (tmp_path / 'a.jpg').write_bytes(b'one')
        os.utime(tmp_path / 'a.jpg', ns=(0, 0))
        assert storage.has('a.jpg', SourceStamp.of(b'one', 0))
        assert not storage.has('a.jpg', SourceStamp.of(b'two', 0))
    assert not FsspecStorage('memory://in').has('a.jpg', SourceStamp.of(b'two', 5))


def test_leftovers_of_killed_jobs(
    run, stores, photo: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where files are written beside and renamed, those of dead processes are swept."""
    plain = stores['plain']
    plain.pipe_file('/in/x/a.jpg', photo)
    dead, alive = 2**22 + 1, os.getpid()
    left = f'/out/x/.tmp-{atomic._HOST}-{dead}-0.part'
    kept = f'/out/x/.tmp-{atomic._HOST}-{alive}-0.part'
    young = '/out/x/a.jpg.png.7.part'  # as version 0.1 named it: of which machine is not known
    for name in (left, kept, young, f'/out/.tmp-{atomic._HOST}-{dead}-0.part'):
        plain.pipe_file(name, b'half')
    assert run('plain://in', 'plain://out', output='rgb').done == 1
    assert {name for name in plain.find('/out') if name.endswith('.part')} == {kept, young}
    from bgremoval_mm.removal.io import fsspec_storage

    monkeypatch.setattr(fsspec_storage, '_ABANDONED_SECONDS', -1)
    assert run('plain://in', 'plain://out', output='rgb').skipped == 1
    assert not [name for name in plain.find('/out') if name.endswith('.part')]
    # And never taken for images.
    plain.pipe_file(kept, photo)
    assert FsspecStorage('plain://out').scan().images == ['x/a.jpg.png']


def test_failed_write_leaves_nothing(stores, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither the file nor what it was first written as."""
    plain = stores['plain']
    monkeypatch.setattr(type(plain), 'cp_file', lambda *_: (_ for _ in ()).throw(OSError('no')))
    with pytest.raises(OSError, match='no'):
        FsspecStorage('plain://out').write('a.png', b'x')
    assert plain.find('/out') == []


def test_errors_of_a_stores_client(
    run, stores, photo: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever a client raises is the image's failure on reading, the target's on recording."""
    memory = stores['memory']
    memory.pipe_file('/in/a.jpg', photo)
    memory.pipe_file('/in/b.jpg', photo)
    real_cat, real_pipe = memory.cat_file, memory.pipe_file

    def cat_file(path, **options):
        if path.endswith('/a.jpg'):
            msg = 'no credentials'
            raise RuntimeError(msg)
        return real_cat(path, **options)

    monkeypatch.setattr(memory, 'cat_file', cat_file)
    summary = run('memory://in', 'memory://out', output='rgb')
    assert summary.done == 1
    assert summary.failed == {'a.jpg': 'cannot be read: RuntimeError: no credentials'}

    def pipe_file(path, content, **options):
        if path.endswith('.jsonl'):
            msg = 'the bucket is closed'
            raise RuntimeError(msg)
        return real_pipe(path, content, **options)

    monkeypatch.setattr(memory, 'pipe_file', pipe_file)
    with pytest.raises(TargetError, match=r'cannot write to memory://new: .*the bucket is closed'):
        run('memory://in', 'memory://new', output='rgb')


@pytest.mark.parametrize('store', ['memory', 'plain'])
def test_masks_at_an_address_are_taken(
    run, stores, photo: bytes, store: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`mask_dir` at an address: the network is not run; what the store lacks is None."""
    from bgremoval_mm.removal import BackgroundRemover

    stores[store].pipe_file('/in/x/a.jpg', photo)
    run(f'{store}://in', f'{store}://masks')
    run(f'{store}://in', 'memory://expected', output='rgb')
    masks = MaskStore(f'{store}://masks', 'u2netp')
    assert masks.get('x/a.jpg').size == (24, 16)
    assert masks.get('b.jpg') is None
    monkeypatch.setattr(BackgroundRemover, 'infer', lambda *_: pytest.fail('ran the network'))
    summary = run(f'{store}://in', f'{store}://out', output='rgb', mask_dir=f'{store}://masks')
    assert (summary.done, summary.failed) == (1, {})
    found = stores[store].cat_file('/out/x/a.jpg.png')
    assert found == stores['memory'].cat_file('/expected/x/a.jpg.png')
