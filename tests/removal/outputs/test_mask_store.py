"""MaskStore and manifest: what was stored comes back, and nothing else is taken for it."""

from __future__ import annotations

import json
import pickle
import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import PIL
import pytest
from PIL import Image

from bgremoval_mm.removal import (
    CATALOGUE,
    Manifest,
    MaskStore,
    Record,
    StoredMaskError,
    masks,
    read_image,
)
from bgremoval_mm.removal.outputs.mask_store import mask_problem
from bgremoval_mm.removal.outputs.png import decode_plain
from bgremoval_mm.utils.atomic import sweep_leftovers, write_atomically


@pytest.fixture
def photo(tmp_path: Path, picture) -> Path:
    """A picture of 24 x 16 pixels on disk."""
    path = tmp_path / 'images' / 'dress' / 'a.jpg'
    path.parent.mkdir(parents=True)
    Image.fromarray(picture()).save(path)
    return path


@pytest.fixture
def small_mask() -> np.ndarray:
    """A mask at a model's resolution."""
    return np.random.default_rng(0).integers(0, 256, (8, 8), np.uint8)


def test_round_trip(tmp_path: Path, photo: Path, small_mask) -> None:
    """Mask, size, source and parameters come back; the full size is LANCZOS."""
    store = MaskStore(tmp_path / 'masks', 'u2netp')
    source = read_image(photo)
    record = store.put('dress/a.jpg', source, small_mask, constant=False)
    assert store.path('dress/a.jpg') == tmp_path / 'masks/u2netp/dress/a.jpg.png'
    stored = store.get('dress/a.jpg')
    np.testing.assert_array_equal(stored.mask, small_mask)
    assert (stored.size, stored.orientation) == ((24, 16), 1)
    assert stored.source == source.stamp
    assert stored.model_hash == CATALOGUE['u2netp'].hash
    np.testing.assert_array_equal(stored.full_size(), masks.resize(small_mask, (24, 16)))
    assert store.manifest.read() == {'dress/a.jpg': record}
    assert store.is_current(stored, photo)


def test_pillow_is_recorded_and_none_is_refused(
    tmp_path: Path, photo: Path, small_mask, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Mask and manifest say which Pillow resized; a mask of another, or of none, is current."""
    store = MaskStore(tmp_path / 'masks', 'u2netp')
    for version in (PIL.__version__, '12.3.0', ''):
        monkeypatch.setattr(PIL, '__version__', version)
        store.put('dress/a.jpg', read_image(photo), small_mask, constant=False)
        stored = store.get('dress/a.jpg')
        assert stored.pillow == version
        assert Manifest(store.folder).read()['dress/a.jpg'].pillow == version
        assert store.is_current(stored, photo)
        assert mask_problem(store, stored, photo) is None
        with Image.open(store.path('dress/a.jpg')) as picture:
            known = {'size', 'source', 'orientation', 'model_hash', 'params'}
            assert set(json.loads(picture.info['bgremoval_mm'])) == known, 'earlier versions fail'
    assert store.failure('a', 'no').pillow == ''


def test_a_later_versions_record_is_read(tmp_path: Path) -> None:
    """Fields that are not known are passed over, not taken for damage."""
    manifest = Manifest(tmp_path)
    manifest.append(record('a', note='kept'))
    fields = json.loads(manifest.path.read_text())
    manifest.path.write_text(json.dumps(fields | {'lens': '50 mm'}) + '\n')
    assert manifest.read() == {'a': record('a', note='kept')}


def test_same_stem_two_masks(tmp_path: Path, photo: Path, small_mask) -> None:
    """`a.jpg` and `a.png` do not share a mask."""
    store = MaskStore(tmp_path / 'masks', 'u2netp')
    store.put('a.jpg', read_image(photo), small_mask, constant=False)
    assert store.get('a.png') is None


def test_stale_masks_are_recognised(tmp_path: Path, photo: Path, small_mask) -> None:
    """Another source, other weights or other parameters make a mask stale."""
    store = MaskStore(tmp_path / 'masks', 'u2netp')
    store.put('dress/a.jpg', read_image(photo), small_mask, constant=False)
    stored = store.get('dress/a.jpg')
    assert store.is_current(stored, Path('s3://bucket/a.jpg'))  # Cannot be checked.
    assert not MaskStore(tmp_path / 'masks', 'u2netp', 'bf16').is_current(stored, photo)
    other = replace(CATALOGUE['u2netp'], hash='md5:0')
    assert not MaskStore(tmp_path / 'masks', other).is_current(stored, photo)
    Image.new('RGB', (24, 16)).save(photo)
    assert not store.is_current(stored, photo)


@pytest.mark.parametrize('name', ['/etc/a.jpg', '../a.jpg', 'x/../../a.jpg', ''])
def test_paths_stay_inside_the_store(tmp_path: Path, name: str) -> None:
    """No name leads out of the store."""
    with pytest.raises(ValueError, match='`image` must be a path below the image folder'):
        MaskStore(tmp_path, 'u2netp').path(name)


@pytest.mark.parametrize('content', [b'', b'x' * 50, None], ids=['empty', 'junk', 'foreign'])
def test_foreign_or_damaged_mask_is_named(tmp_path: Path, content: bytes | None) -> None:
    """A file that a MaskStore did not write is not taken for a mask."""
    store = MaskStore(tmp_path, 'u2netp')
    path = store.path('a.jpg')
    path.parent.mkdir(parents=True)
    if content is None:
        Image.new('L', (8, 8)).save(path)
    else:
        path.write_bytes(content)
    with pytest.raises(StoredMaskError, match=r'a\.jpg\.png is damaged or not a mask'):
        store.get('a.jpg')


def test_store_pickles(tmp_path: Path, photo: Path, small_mask) -> None:
    """A store goes into spawned workers."""
    store = MaskStore(tmp_path / 'masks', 'u2netp')
    store.put('a.jpg', read_image(photo), small_mask, constant=False)
    assert pickle.loads(pickle.dumps(store)).get('a.jpg').size == (24, 16)


def record(path: str, **fields: object) -> Record:
    """A minimal success."""
    return Record(path=path, status='ok', model='u2netp', model_hash='md5:0', **fields)


def test_manifest_keeps_the_last_record(tmp_path: Path) -> None:
    """Later lines replace earlier ones; names of any kind survive."""
    manifest = Manifest(tmp_path)
    odd = b'caf\xe9 \xe3\x82\xb3'.decode(errors='surrogateescape')
    manifest.append(record('a'))
    manifest.append(record(odd, note='ノート'))
    manifest.append(record('a', note='second'))
    found = Manifest(tmp_path).read()
    assert list(found) == ['a', odd]
    assert (found['a'].note, found[odd].note) == ('second', 'ノート')


def test_torn_line_is_passed_over_and_ended(tmp_path: Path, caplog) -> None:
    """What a killed process left of a line costs that line alone."""
    manifest = Manifest(tmp_path)
    manifest.append(record('a'))
    with manifest.path.open('a') as file:
        file.write('{"path":"b","sta')
    resumed = Manifest(tmp_path)
    resumed.append(record('c'))
    assert list(resumed.read()) == ['a', 'c']
    assert '1 damaged line(s) skipped' in caplog.text


def test_records_are_plain_json(tmp_path: Path, photo: Path, small_mask) -> None:
    """Any tool can read the manifest: documented names, nothing empty."""
    store = MaskStore(tmp_path / 'masks', 'u2netp')
    store.put('a.jpg', read_image(photo), np.zeros((8, 8), np.uint8), constant=True)
    store.manifest.append(store.failure('b.jpg', 'the file is empty'))
    first, second = (json.loads(line) for line in store.manifest.path.open())
    assert first['quality']['flags'] == ['constant', 'empty']
    assert first['size'] == [24, 16]
    assert len(first['source']['sha256']) == 64
    assert (second['status'], second['error']) == ('error', 'the file is empty')
    assert 'quality' not in second


def test_concurrent_appends_stay_whole(tmp_path: Path) -> None:
    """Eight threads with a manifest each, one file: 400 whole lines."""

    def work(thread: int) -> None:
        manifest = Manifest(tmp_path)
        for index in range(50):
            manifest.append(record(f'{thread}/{index}', note='x' * 200))

    threads = [threading.Thread(target=work, args=(i,)) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(Manifest(tmp_path).read()) == 400


def test_write_leaves_nothing_on_failure(tmp_path: Path, monkeypatch) -> None:
    """If the move fails, neither the target nor a temporary file is there."""
    monkeypatch.setattr(Path, 'replace', lambda *_: (_ for _ in ()).throw(OSError('no')))
    with pytest.raises(OSError, match='no'):
        write_atomically(tmp_path / 'a', b'content')
    assert list(tmp_path.iterdir()) == []


def test_written_files_have_the_users_permissions(tmp_path: Path) -> None:
    """A temporary file's private mode does not stick."""
    write_atomically(tmp_path / 'a', b'content')
    (tmp_path / 'b').write_bytes(b'content')
    assert (tmp_path / 'a').stat().st_mode == (tmp_path / 'b').stat().st_mode


def test_sweep_takes_dead_processes_leftovers_only(tmp_path: Path, monkeypatch) -> None:
    """The temporary files of a living process stay."""
    import os

    from bgremoval_mm.utils import atomic

    dead = tmp_path / f'.tmp-{atomic._HOST}-{2**22 + 1}-x.part'
    alive = tmp_path / f'.tmp-{atomic._HOST}-{os.getpid()}-x.part'
    other = tmp_path / '.tmp-elsewhere-1-x.part'
    for path in (dead, alive, other):
        path.touch()
    sweep_leftovers(tmp_path)
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted([alive.name, other.name])


def test_png_of_the_store_is_plain(photo: Path, small_mask, tmp_path: Path) -> None:
    """Any reader opens it, checksums included; the text beside it is what `get` reads."""
    store = MaskStore(tmp_path / 'plain', 'u2netp')
    store.put('a.jpg', read_image(photo), small_mask, constant=False)
    with Image.open(store.path('a.jpg')) as picture:
        picture.verify()
    with Image.open(store.path('a.jpg')) as picture:
        assert picture.mode == 'L'
        np.testing.assert_array_equal(np.asarray(picture), small_mask)
        assert json.loads(picture.info['bgremoval_mm'])['model_hash'] == store.spec.hash


@pytest.mark.parametrize('size', [(24, 16), (5, 7)], ids=['larger', 'smaller'])
def test_mask_at_the_size_of_its_photo(tmp_path: Path, picture, small_mask, size) -> None:
    """Resizing it once changes nothing that is made of it, and nothing that it records."""
    file = tmp_path / 'a.jpg'
    Image.fromarray(picture(*size)).save(file)
    store = MaskStore(tmp_path / 'masks', 'u2netp', 'bf16')
    store.put('a.jpg', read_image(file), small_mask, constant=False)
    before = store.get('a.jpg')
    assert store.resize_to_source('a.jpg')
    after = store.get('a.jpg')
    np.testing.assert_array_equal(after.mask, before.full_size())
    assert after.full_size() is after.mask
    assert replace(after, mask=None) == replace(before, mask=None)
    assert store.is_current(after, file)
    content = store.path('a.jpg').read_bytes()
    assert decode_plain(content) is not None
    assert not store.resize_to_source('a.jpg')
    assert store.path('a.jpg').read_bytes() == content
    with pytest.raises(StoredMaskError, match=r'there is no .*b\.jpg\.png'):
        store.resize_to_source('b.jpg')
