"""Queries: the nearest photos, the mask, and what does not fit the index."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from bgremoval_mm.removal import ImageError, read_image
from bgremoval_mm.removal.errors import ArgumentError
from bgremoval_mm.search import build, query, shards
from bgremoval_mm.search.build import update_index
from bgremoval_mm.search.folder import Entry, IndexFolder, SearchIndexError
from bgremoval_mm.search.query import Searcher, VectorIndex
from bgremoval_mm.search.removal import PhotoRemoval
from tests.conftest import make_tiny_onnx


@pytest.fixture
def index(tmp_path: Path, shop: Path, network, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An index of several shards, with rows that do not count."""
    path = tmp_path / 'shop.index'
    with monkeypatch.context() as patch:
        patch.setattr(build, '_SHARD_PHOTOS', 3)
        update_index(shop, path, network, batch_size=3)
    (shop / 'red' / '4.png').unlink()
    update_index(shop, path, network)
    return path


def test_nearest_photos(
    shop: Path, index: Path, network, tmp_path: Path, paint: Callable[..., None]
) -> None:
    """Against all cosines, computed one by one; a photo of the index finds itself first."""
    searcher = Searcher(index, network)
    paint(tmp_path / 'query.png', 250, 30, 5)
    answer = searcher.answer(tmp_path / 'query.png', k=3)
    query = np.array([250, 30, 5, 50.0])
    cosines = {}
    for number in range(4):
        other = np.array([250, 20 * number, 0, 50.0])
        cosines[f'red/{number}.png'] = query @ other / np.sqrt(query @ query * (other @ other))
    wanted = sorted(cosines, key=lambda name: -cosines[name])[:3]
    assert [hit.path for hit in answer.hits] == wanted
    assert [hit.similarity for hit in answer.hits] == pytest.approx(
        [cosines[name] for name in wanted]
    )
    assert answer.mask is None
    itself = searcher.answer(shop / 'blue' / 'sky.png', 1).hits[0]
    assert (itself.path, itself.similarity) == ('blue/sky.png', pytest.approx(1))
    assert searcher.photo(itself) == shop / 'blue' / 'sky.png'
    assert len(searcher.answer(tmp_path / 'query.png', 100).hits) == len(searcher.index) == 6


def test_an_array_and_several(shop: Path, index: Path, network) -> None:
    """A photo that is no file, as a service has it; several at once give the same."""
    searcher = Searcher(index, network)
    array = np.full((5, 9, 3), (0, 90, 250), np.uint8)
    both = searcher.answers([array, shop / 'red' / '0.png'], 2)
    assert both[0].hits == searcher.answer(array, 2).hits
    assert [answer.hits[0].path for answer in both] == ['blue/sky.png', 'red/0.png']


def test_mask_of_the_query(shop: Path, tmp_path: Path, network, tiny_model) -> None:
    """Where the index has no backgrounds, the query loses its own, and the mask is there."""
    removal = PhotoRemoval(tiny_model('u2netp'), device='cpu')
    update_index(shop, tmp_path / 'cut', network, removal)
    answer = Searcher(tmp_path / 'cut', network, removal).answer(shop / 'red' / '1.png')
    assert answer.mask is not None
    assert answer.mask.shape == (10, 12)
    assert answer.seen.shape == (10, 12, 3)
    with pytest.raises(SearchIndexError, match=r'removed by u2netp .*, but .*left as they are'):
        Searcher(tmp_path / 'cut', network)


def test_what_does_not_fit(shop: Path, index: Path, network, make_network, tmp_path: Path) -> None:
    """Another network, no index, no photo, no k."""
    with pytest.raises(SearchIndexError, match=r'ab+.*but this is .*cdcd'):
        Searcher(index, make_network('cd' * 32))
    with pytest.raises(SearchIndexError, match=r'^INDEX must be .*shop is none$'):
        Searcher(shop, network)
    with pytest.raises(SearchIndexError, match=r'^INDEX must be .*nowhere is none$'):
        Searcher.open(tmp_path / 'nowhere')
    with pytest.raises(ArgumentError, match='`config` goes with `checkpoint`'):
        Searcher.open(index, config='x.py')
    searcher = Searcher(index, network)
    with pytest.raises(ArgumentError, match='`k` must be a whole number above 0, but got 0'):
        searcher.answer(shop / 'red' / '1.png', 0)
    with pytest.raises(ImageError, match='not an image'):
        searcher.answer(shop / 'notes.txt')


def test_the_index_can_move(index: Path, tmp_path: Path, network) -> None:
    """It is a folder like any other; vectors are not copied into memory while all rows count."""
    shutil.move(index, tmp_path / 'moved')
    moved = VectorIndex(tmp_path / 'moved')
    assert len(moved) == 6
    assert any(isinstance(block, np.memmap) for block in moved._blocks)


def test_the_model_of_the_removal_moves(
    shop: Path, tmp_path: Path, network, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An index names the file that it misses, and learns of its new place from its next run."""
    monkeypatch.setattr(query, '_network', lambda *_: network)
    here, there = tmp_path / 'my.onnx', tmp_path / 'there' / 'my.onnx'
    here.write_bytes(make_tiny_onnx(320, 1))
    index = tmp_path / 'cut'
    update_index(shop, index, network, PhotoRemoval(here, device='cpu'))
    there.parent.mkdir()
    here.rename(there)
    with pytest.raises(SearchIndexError, match=r'cut was made .*/my\.onnx, which is not there'):
        Searcher.open(index, device='cpu')
    network.seen = 0
    assert update_index(shop, index, network, PhotoRemoval(there, device='cpu')).kept == 7
    assert network.seen == 0
    assert len(Searcher.open(index, device='cpu').answer(shop / 'red' / '1.png').hits) == 7
    header = (index / 'index.json').stat().st_mtime_ns
    update_index(shop, index, network, PhotoRemoval(there, device='cpu'))
    assert (index / 'index.json').stat().st_mtime_ns == header


def test_missing_vectors(index: Path, network) -> None:
    """A shard without its vectors is named."""
    next((index / 'shards').glob('*.npy')).unlink()
    with pytest.raises(SearchIndexError, match=r'\.npy is damaged or missing'):
        VectorIndex(index)


def test_opened_while_another_run_writes(
    shop: Path, index: Path, network, paint: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Shards that are merged between two reads are no damage; paths and vectors go together."""
    monkeypatch.setattr(shards, '_SMALL_SHARDS', 0)
    read, runs = IndexFolder.entries, iter(('one.png', 'two.png', ''))

    def entries(folder: IndexFolder) -> dict[str, Entry]:
        found = read(folder)
        with monkeypatch.context() as patch:
            patch.setattr(IndexFolder, 'entries', read)
            if name := next(runs):
                paint(shop / name, 0, 250, 0)
                update_index(shop, index, network)
        return found

    monkeypatch.setattr(IndexFolder, 'entries', entries)
    opened = VectorIndex(index)
    assert {'one.png', 'two.png'} <= set(opened.paths)
    for path in opened.paths:
        (hits,) = opened.search(network.embed([read_image(shop / path).rgb]), 2)
        assert path in [hit.path for hit in hits if hit.similarity > 0.999]
    assert opened.state == IndexFolder(index).state()


def test_an_index_that_never_rests(index: Path, network, monkeypatch: pytest.MonkeyPatch) -> None:
    """What would end only with the writing run says so."""
    states = [('000001.jsonl', number, 0) for number in range(99)]
    read = iter(range(1, 99))
    monkeypatch.setattr(IndexFolder, 'state', lambda self: (states[next(read)],))
    with pytest.raises(SearchIndexError, match=r'shop\.index is being written to.* try again$'):
        VectorIndex(index)
    monkeypatch.setattr(IndexFolder, 'state', lambda self: tuple(states[: next(read)]))
    assert len(VectorIndex(index)) == 6  # what is only added to can be read


def test_refresh(
    shop: Path, index: Path, network, make_network, paint: Callable[..., None]
) -> None:
    """What an index gains and loses is seen; a searcher keeps what it had if that is replaced."""
    searcher = Searcher(index, network)
    assert not searcher.refresh()
    paint(shop / 'green.png', 0, 250, 0)
    (shop / 'blue' / 'sky.png').unlink()
    update_index(shop, index, network)
    assert 'green.png' not in searcher.index.paths
    assert searcher.refresh()
    assert 'green.png' in searcher.index.paths
    assert 'blue/sky.png' not in searcher.index.paths
    hit = searcher.answer(shop / 'green.png', 1).hits[0]
    assert searcher.index.paths[hit.number] == hit.path == 'green.png'
    assert not searcher.refresh()
    shutil.rmtree(index)
    update_index(shop, index, make_network('cd' * 32))
    with pytest.raises(SearchIndexError, match=r'cdcd.*but this is .*abab'):
        searcher.refresh()
    assert searcher.answer(shop / 'green.png', 1).hits[0].path == 'green.png'
