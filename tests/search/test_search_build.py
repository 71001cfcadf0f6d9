"""Filling an index: what is added, done again, kept and dropped, and that nothing gets lost."""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from bgremoval_mm.removal.errors import ArgumentError
from bgremoval_mm.removal.images.source import SourceStamp
from bgremoval_mm.search import build, shards
from bgremoval_mm.search import folder as folders
from bgremoval_mm.search.build import IndexSummary, update_index
from bgremoval_mm.search.folder import IndexFolder, SearchIndexError
from bgremoval_mm.search.query import Searcher
from bgremoval_mm.search.removal import PhotoRemoval


@pytest.fixture
def index(tmp_path: Path) -> Path:
    """Where the index goes."""
    return tmp_path / 'shop.index'


def counts(summary: IndexSummary) -> tuple[int, int, int, int, int]:
    """Added, changed, kept, gone, broken."""
    figures = (summary.added, summary.changed, summary.kept, summary.gone)
    return (*figures, len(summary.broken))


def vectors_of(index: Path) -> dict[str, np.ndarray]:
    """What the index has, read from its files as the documentation describes them."""
    found = {}
    for lines in sorted((index / 'shards').glob('*.jsonl')):
        vectors = np.load(lines.with_suffix('.npy'))
        for line in lines.read_text().splitlines():
            fields = json.loads(line)
            found[fields['path']] = vectors[fields['row']]
    return found


def check(index: Path, root: Path, network) -> None:
    """Check that the index has the right vector of each readable photo, and nothing else."""
    from bgremoval_mm.removal.images.reading import read_image

    photos = {str(path.relative_to(root)): path for path in root.rglob('*.png')}
    found = vectors_of(index)
    assert found.keys() == photos.keys()
    for name, path in photos.items():
        np.testing.assert_array_equal(found[name], network.embed([read_image(path).rgb])[0])
    names = {path.name for path in (index / 'shards').iterdir()}
    assert {Path(name).stem for name in names if name.endswith('.npy')} == {
        Path(name).stem for name in names if name.endswith('.jsonl')
    }


def test_from_nothing_and_again(shop: Path, index: Path, network) -> None:
    """All photos, whatever their names; the second time nothing is done."""
    assert counts(update_index(shop, index, network)) == (7, 0, 0, 0, 0)
    check(index, shop, network)
    header = json.loads((index / 'index.json').read_text())
    assert header['format'] == 'bgremoval_mm search index'
    assert (header['version'], header['dimension'], header['removal']) == (1, 4, None)
    assert header['photos'] == str(shop)
    assert header['network']['sha256'] == 'ab' * 32
    network.seen = 0
    before = {path: path.read_bytes() for path in (index / 'shards').iterdir()}
    assert counts(update_index(shop, index, network)) == (0, 0, 7, 0, 0)
    assert network.seen == 0
    assert {path: path.read_bytes() for path in (index / 'shards').iterdir()} == before


def test_added_changed_and_deleted(
    shop: Path, index: Path, network, paint: Callable[..., None]
) -> None:
    """Only what has changed is done; a copied file with another time is not."""
    update_index(shop, index, network)
    paint(shop / 'green' / 'new.png', 0, 200, 0)
    paint(shop / 'red' / '1.png', 10, 10, 10)
    (shop / 'red' / '2.png').unlink()
    os.utime(shop / 'red' / '3.png', ns=(1, 1))
    network.seen = 0
    assert counts(update_index(shop, index, network)) == (1, 1, 5, 1, 0)
    assert network.seen == 2
    check(index, shop, network)
    entries = IndexFolder(index).entries()
    assert entries['red/3.png'].stamp.mtime_ns == 1


def test_renamed_photos_keep_their_vectors(
    shop: Path, index: Path, network, paint: Callable[..., None]
) -> None:
    """Content the index knows under a name that is gone is not turned into a vector again."""
    update_index(shop, index, network)
    (shop / 'red' / '0.png').rename(shop / 'blue' / '0.png')  # to another folder
    content = (shop / 'red' / '1.png').read_bytes()  # copied twice, and deleted
    (shop / 'red' / '1.png').unlink()
    for name in ('1a.png', '1b.png'):
        (shop / 'red' / name).write_bytes(content)
    (shop / 'copy.png').write_bytes((shop / 'red' / '2.png').read_bytes())  # the other one stays
    network.seen = 0
    summary = update_index(shop, index, network)
    assert (counts(summary), summary.renamed) == ((2, 0, 5, 0, 0), 2)
    assert (summary.total, network.seen) == (9, 2)
    check(index, shop, network)
    network.seen = 0
    assert counts(update_index(shop, index, network)) == (0, 0, 9, 0, 0)
    assert network.seen == 0


def test_names_that_are_swapped(shop: Path, index: Path, network) -> None:
    """Each name gets the vector of its new content."""
    update_index(shop, index, network)
    first, second = shop / 'red' / '0.png', shop / 'red' / '1.png'
    (shop / 'red' / '2.png').unlink()
    first.rename(shop / 'red' / '2.png')
    second.rename(first)
    os.utime(first, ns=(1, 1))
    os.utime(shop / 'red' / '2.png', ns=(1, 1))
    update_index(shop, index, network)
    check(index, shop, network)


def test_broken_photos(shop: Path, index: Path, network, paint: Callable[..., None]) -> None:
    """They are counted and listed, tried again, and no vector of a former content is kept."""
    update_index(shop, index, network)
    good = (shop / 'red' / '0.png').read_bytes()
    (shop / 'red' / '0.png').write_bytes(good[:40])
    (shop / 'red' / 'empty.png').write_bytes(b'')
    summary = update_index(shop, index, network)
    assert counts(summary) == (0, 0, 6, 1, 2)
    assert summary.broken['red/empty.png'] == 'the file is empty'
    with (index / 'broken.csv').open(newline='') as file:
        rows = list(csv.DictReader(file))
    assert [row['path'] for row in rows] == ['red/0.png', 'red/empty.png']
    assert 'red/0.png' not in vectors_of(index)
    (shop / 'red' / '0.png').write_bytes(good)
    (shop / 'red' / 'empty.png').unlink()
    assert counts(update_index(shop, index, network)) == (1, 0, 6, 0, 0)
    assert not (index / 'broken.csv').exists()
    check(index, shop, network)


def test_photos_that_go_during_a_run(
    shop: Path, index: Path, network, paint: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A shop that lives deletes and renames photos meanwhile: these are gone, not broken."""
    update_index(shop, index, network)
    paint(shop / 'red' / '0.png', 10, 10, 10)
    paint(shop / 'green' / 'new.png', 0, 200, 0)
    paint(shop / 'green' / 'newer.png', 0, 100, 0)
    scan = build.scan_tree

    def scan_tree(root: Path):
        found = scan(root)
        for name in ('red/0.png', 'green/new.png'):
            (root / name).unlink()
        return found

    monkeypatch.setattr(build, 'scan_tree', scan_tree)
    monkeypatch.setattr(SourceStamp, 'matches', lambda stamp, path: path.name != '0.png')
    assert counts(update_index(shop, index, network)) == (1, 0, 6, 1, 0)
    check(index, shop, network)


class StoppedError(Exception):
    """A kill, as far as the code can see it."""


@pytest.mark.parametrize('step', range(12))
def test_killed_at_any_write(
    shop: Path,
    index: Path,
    network,
    paint: Callable[..., None],
    monkeypatch: pytest.MonkeyPatch,
    step: int,
) -> None:
    """After a kill before any of the writes, the index can be read, and the next run ends it."""
    update_index(shop, index, network)
    paint(shop / 'red' / '1.png', 10, 10, 10)
    paint(shop / 'green' / 'new.png', 0, 200, 0)
    (shop / 'red' / '2.png').unlink()
    monkeypatch.setattr(build, '_SHARD_PHOTOS', 1)
    monkeypatch.setattr(shards, '_SMALL_SHARDS', 0)
    real, calls = folders.write_atomically, []

    def write(path: Path, content: bytes) -> None:
        calls.append(path)
        if len(calls) > step:
            raise StoppedError
        real(path, content)

    with monkeypatch.context() as patch:
        for module in (folders, shards):
            patch.setattr(module, 'write_atomically', write)
        try:
            update_index(shop, index, network, batch_size=1)
        except StoppedError:
            pass
        else:
            assert step >= len(calls)
    kept = vectors_of(index)
    assert {'red/0.png', 'red/3.png', 'red/4.png', 'blue/sky.png'} <= kept.keys()
    update_index(shop, index, network, batch_size=1)
    check(index, shop, network)


def test_interrupted_work_is_kept(
    shop: Path, index: Path, network, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ctrl-C loses nothing that is done; the same call does the rest."""
    real = network.embed

    def embed(images):
        if network.seen >= 4:
            raise KeyboardInterrupt
        return real(images)

    monkeypatch.setattr(network, 'embed', embed)
    with pytest.raises(KeyboardInterrupt):
        update_index(shop, index, network, batch_size=2)
    assert len(vectors_of(index)) == 4
    monkeypatch.setattr(network, 'embed', real)
    assert counts(update_index(shop, index, network)) == (3, 0, 4, 0, 0)
    check(index, shop, network)


@pytest.mark.parametrize(('pixels', 'sizes'), [(10**9, [4, 3]), (2 * 120, [2, 2, 2, 1])])
def test_large_photos_come_in_smaller_batches(
    shop: Path,
    index: Path,
    network,
    monkeypatch: pytest.MonkeyPatch,
    pixels: int,
    sizes: list[int],
) -> None:
    """So many pixels at a time, each photo of 120, and no more are read ahead than a batch has."""
    monkeypatch.setattr(build, '_BATCH_PIXELS', pixels)
    monkeypatch.setattr(build, 'available_cores', lambda: 1)
    read, embed = build._read, network.embed
    opened: list[Path] = []
    ahead: list[int] = []
    batches: list[int] = []

    def embed_batch(images):
        batches.append(len(images))
        ahead.append(len(opened) - sum(batches))
        return embed(images)

    monkeypatch.setattr(build, '_read', lambda path: opened.append(path) or read(path))
    monkeypatch.setattr(network, 'embed', embed_batch)
    update_index(shop, index, network, batch_size=4)
    assert batches == sizes
    assert all(number <= sizes[0] for number in ahead)
    check(index, shop, network)


def test_shards_are_merged(
    shop: Path, index: Path, network, paint: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Many small shards become one; nothing is computed again."""
    monkeypatch.setattr(build, '_SHARD_PHOTOS', 1)
    update_index(shop, index, network, batch_size=1)
    assert len(IndexFolder(index).shards()) == 7
    monkeypatch.setattr(shards, '_SMALL_SHARDS', 3)
    network.seen = 0
    update_index(shop, index, network)
    assert network.seen == 0
    assert len(IndexFolder(index).shards()) == 1
    check(index, shop, network)
    monkeypatch.setattr(shards, '_SMALL_SHARDS', 99)
    for number in range(3):
        (shop / 'red' / f'{number}.png').unlink()
    update_index(shop, index, network)
    assert len(np.load(next((index / 'shards').glob('*.npy')))) == 4  # no unused rows
    check(index, shop, network)


def test_another_network_or_preprocessing(
    shop: Path, index: Path, network, make_network, tiny_model
) -> None:
    """Vectors of two kinds never come together; the error names both."""
    update_index(shop, index, network)
    with pytest.raises(SearchIndexError, match=r'made by colours\.pth \(sha256 .* ab+.*but.* cdcd'):
        update_index(shop, index, make_network('cd' * 32))
    with pytest.raises(SearchIndexError, match=r'preprocessing mean colour, but .* with median'):
        update_index(shop, index, make_network(definition='median'))
    spec = tiny_model('u2netp')
    with pytest.raises(
        SearchIndexError, match=r'left as they are, but .* backgrounds removed by u2netp .*255, 255'
    ):
        update_index(shop, index, network, PhotoRemoval(spec, device='cpu'))


def test_backgrounds_are_removed(shop: Path, tmp_path: Path, network, tiny_model) -> None:
    """The network sees the foreground on the colour, and the header says so."""
    removal = PhotoRemoval(tiny_model('u2netp'), (0, 255, 0), device='cpu', threshold=0.5)
    removal.remover.__class__ = type(
        'Left', (removal.remover.__class__,), {'__call__': lambda self, images: masks(images)}
    )

    def masks(images):
        found = [np.zeros(image.shape[:2], np.uint8) for image in images]
        for mask in found:
            mask[:, :6] = 200
            mask[:, 6:] = 100
        return found

    seen: list[np.ndarray] = []
    embed = network.embed
    network.embed = lambda images: seen.extend(images) or embed(images)
    update_index(shop, tmp_path / 'index', network, removal)
    assert all((image[:, 6:] == (0, 255, 0)).all() for image in seen)
    assert {tuple(image[0, 0].tolist()) for image in seen} >= {(250, 0, 0), (0, 90, 250)}
    header = IndexFolder(tmp_path / 'index').read_header()
    assert header is not None
    assert header.removal is not None
    assert header.removal['model'] == 'u2netp'
    assert header.removal['fill'] == [0, 255, 0]
    assert header.removal['threshold'] == 0.5
    assert counts(update_index(shop, tmp_path / 'index', network, removal)) == (0, 0, 7, 0, 0)
    soft = PhotoRemoval(removal.record.model, (0, 255, 0), device='cpu')
    with pytest.raises(SearchIndexError, match=r'\(0, 255, 0\), with hard edges at 0\.5, but this'):
        update_index(shop, tmp_path / 'index', network, soft)


@pytest.mark.parametrize('photo', ['red/1.png', 'blue/sky.png'])
def test_photos_without_foreground(
    shop: Path, index: Path, network, tiny_model, monkeypatch: pytest.MonkeyPatch, photo: str
) -> None:
    """They are one colour to the network, and find each other: the run and the query say so."""
    removal = PhotoRemoval(tiny_model('u2netp'), device='cpu')

    def masks(remover, images):
        found = [np.full(image.shape[:2], 255, np.uint8) for image in images]
        for image, mask in zip(images, found, strict=True):
            if image[0, 0, 2]:  # what is blue
                mask[:] = 1
        return found

    monkeypatch.setattr(type(removal.remover), '__call__', masks)
    summary = update_index(shop, index, network, removal)
    assert sorted(summary.blank) == ['blue/sky.png', 'blue/w\nave.png']
    assert counts(summary) == (7, 0, 0, 0, 0)
    assert update_index(shop, index, network, removal).blank == []
    answer = Searcher(index, network, removal).answer(shop / photo)
    assert ('no foreground was found' in answer.note) == (photo == 'blue/sky.png')


def test_wrong_places(
    shop: Path, index: Path, network, tmp_path: Path, paint: Callable[..., None]
) -> None:
    """Folders without photos, indexes among photos or in place of something else, another shop."""
    (tmp_path / 'empty').mkdir()
    for photos in ('empty', 'nowhere'):
        with pytest.raises(ArgumentError, match=r'^PHOTOS must be a folder with images, but '):
            update_index(tmp_path / photos, index, network)
    with pytest.raises(ArgumentError, match=r'^INDEX must lie outside PHOTOS'):
        update_index(shop, shop / 'index', network)
    with pytest.raises(ArgumentError, match=r'^`batch_size` must be above 0, but got 0$'):
        update_index(shop, index, network, batch_size=0)
    (tmp_path / 'mine').mkdir()
    (tmp_path / 'mine' / 'thesis.tex').write_text('')
    with pytest.raises(SearchIndexError, match=r'an index, but .*mine holds thesis\.tex$'):
        update_index(shop, tmp_path / 'mine', network)
    assert [path.name for path in (tmp_path / 'mine').iterdir()] == ['thesis.tex']
    update_index(shop, index, network)
    paint(tmp_path / 'other' / '1.png', 1, 2, 3)
    with pytest.raises(SearchIndexError, match=rf'an index of {shop}, but PHOTOS is .*other'):
        update_index(tmp_path / 'other', index, network)


def test_one_writer(shop: Path, index: Path, network) -> None:
    """Two runs do not write at the same time."""
    with (
        IndexFolder(index).writing(),
        pytest.raises(SearchIndexError, match=r'another run is writing'),
    ):
        update_index(shop, index, network)


@pytest.mark.parametrize(
    ('name', 'content', 'message'),
    [
        ('index.json', b'{}', r'index\.json must be of a bgremoval_mm search index, version 1'),
        ('index.json', b'\x00', r'index\.json must be of a bgremoval_mm search index'),
        ('shards/000001.jsonl', b'{"row": 0}\n', r'000001\.jsonl is damaged'),
    ],
)
def test_damaged(shop: Path, index: Path, network, name: str, content: bytes, message: str) -> None:
    """What is not ours is named, and stays."""
    update_index(shop, index, network)
    (index / name).write_bytes(content)
    with pytest.raises(SearchIndexError, match=message):
        update_index(shop, index, network)
    assert (index / name).read_bytes() == content
