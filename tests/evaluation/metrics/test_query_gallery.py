"""QueryGalleryMetric: by hand, against a loop over the definition, and what it refuses."""

from __future__ import annotations

import csv
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from mmengine.evaluator import Evaluator
from mmengine.registry import METRICS
from mmpretrain.structures import DataSample
from pytorch_metric_learning.distances import LpDistance
from pytorch_metric_learning.utils.accuracy_calculator import AccuracyCalculator
from pytorch_metric_learning.utils.inference import CustomKNN

from bgremoval_mm.engine.comparison import direction, unit
from bgremoval_mm.evaluation import nearest
from bgremoval_mm.evaluation.metrics import query_gallery
from bgremoval_mm.evaluation.metrics.per_image import read_per_image
from bgremoval_mm.evaluation.metrics.retrieval import NAMES, EmbeddingError
from bgremoval_mm.evaluation.query_results import query_scores
from bgremoval_mm.registry import MissingCodebaseError, load_class
from bgremoval_mm.removal.errors import ArgumentError


def measure(
    embeddings: Any, items: Any, roles: Any, topk: Any = (1, 2, 3), **options: Any
) -> dict[str, float]:
    """What an Evaluator reports, without the prefix."""
    samples = []
    for index, (row, item, role) in enumerate(zip(embeddings, items, roles, strict=True)):
        sample = DataSample(metainfo={'img_path': f'{index}.jpg'})
        sample.set_field(str(item), 'item_id')
        sample.set_field(role, 'role')
        sample.embedding = torch.tensor(row, dtype=torch.float32)
        samples.append(sample)
    evaluator = Evaluator(METRICS.build(dict(type='QueryGalleryMetric', topk=topk, **options)))
    for part in (samples[:3], samples[3:]):
        evaluator.process(part)
    found = evaluator.evaluate(len(samples))
    return {name.removeprefix('retrieval/'): value for name, value in found.items()}


def by_definition(
    embeddings: np.ndarray, items: np.ndarray, roles: np.ndarray, topk: tuple[int, ...]
) -> dict[str, float]:
    """The metrics by a loop over queries and ranks."""
    gallery = np.flatnonzero(roles == 'gallery')
    found: dict[str, list[float]] = {}
    for query in np.flatnonzero(roles == 'query'):
        total = int((items[gallery] == items[query]).sum())
        if not total:
            continue
        lengths = np.linalg.norm(embeddings[gallery], axis=1) * np.linalg.norm(embeddings[query])
        cosines = embeddings[gallery] @ embeddings[query] / lengths
        ranked = gallery[np.argsort(-cosines, kind='stable')]
        right = [items[index] == items[query] for index in ranked]
        for k in topk:
            found.setdefault(f'hit@{k}', []).append(any(right[:k]))
        found.setdefault('P@1', []).append(right[0])
        found.setdefault('R-Precision', []).append(sum(right[:total]) / total)
        precisions = [sum(right[: i + 1]) / (i + 1) for i in range(total) if right[i]]
        found.setdefault('MAP@R', []).append(sum(precisions) / total)
    return {name: 100 * float(np.mean(values)) for name, values in found.items()}


def random_photos(seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Embeddings around the centre of their item; item 11 is in no gallery, item 12 in no query."""
    rng = np.random.default_rng(seed)
    items = rng.integers(0, 10, 150)
    roles = rng.choice(['query', 'gallery'], 150)
    items = np.append(items, [11, 11, 12])
    roles = np.append(roles, ['query', 'query', 'gallery'])
    embeddings = rng.normal(size=(153, 6)) + 1.1 * rng.normal(size=(13, 6))[items]
    return embeddings.astype(np.float32), items, roles


@pytest.mark.parametrize('library', nearest.LIBRARIES)
def test_agrees_with_a_loop(monkeypatch: pytest.MonkeyPatch, library: str) -> None:
    """The definition, recomputed query by query; with faiss and without; in parts."""
    monkeypatch.setattr(nearest, 'search_library', lambda: library)
    monkeypatch.setattr(query_gallery, '_QUERIES', 30)
    photos = random_photos()
    topk = (1, 2, 5, 500)
    found = measure(*photos, topk=topk)
    assert found.pop('queries_left_out') == 2
    assert found.pop('queries') == (photos[2] == 'query').sum() - 2
    assert found == pytest.approx(by_definition(*photos, topk), abs=1e-4)
    assert 20 < found['MAP@R'] < found['hit@1'] == found['P@1'] < found['hit@2'] < 100
    assert found['hit@500'] == 100


def test_photos_that_no_query_is_for_are_not_ranked(monkeypatch: pytest.MonkeyPatch) -> None:
    """As many neighbours as a query's item has photos; of distractors there may be a million."""
    embeddings, items, roles = random_photos()
    others = np.random.default_rng(1).normal(size=(400, 6)).astype(np.float32)
    photos = (
        np.concatenate([embeddings, others]),
        np.append(items, [99] * 400),
        np.append(roles, ['gallery'] * 400),
    )
    asked: list[int] = []
    find = query_gallery.find_nearest

    def find_nearest(queries: np.ndarray, gallery: np.ndarray, k: int) -> nearest.Neighbours:
        asked.append(k)
        return find(queries, gallery, k)

    monkeypatch.setattr(query_gallery, 'find_nearest', find_nearest)
    found = measure(*photos)
    assert found == pytest.approx(found | by_definition(*photos, (1, 2, 3)), abs=1e-4)
    gallery = items[roles == 'gallery']
    assert asked == [max(10, *np.bincount(gallery)[:11])]


def test_by_hand() -> None:
    """Directions in degrees: which gallery photo is nearest can be seen."""
    degrees = np.radians([0, 90, 10, 20, 80, 40])
    embeddings = 5 * np.stack([np.cos(degrees), np.sin(degrees)], axis=1)  # length does not matter
    items = ['a', 'b', 'c', 'a', 'b', 'a']
    roles = ['query', 'query', *['gallery'] * 4]
    # Of 0: 10 (c), 20 (a), 40 (a), 80 (b). Of 90: 80 (b).
    found = measure(embeddings, items, roles)
    assert found.pop('queries_left_out') == 0
    assert found.pop('queries') == 2
    assert found == pytest.approx(
        {
            'hit@1': 50,
            'hit@2': 100,
            'hit@3': 100,
            'P@1': 50,
            'R-Precision': 100 * (1 / 2 + 1) / 2,
            'MAP@R': 100 * ((1 / 2) / 2 + 1) / 2,
        }
    )


def test_hit_is_not_the_share_found() -> None:
    """One of an item's four photos among the five nearest is a hit; their share would be 1/4."""
    degrees = np.radians([0, 1, 2, 3, 4, 5, 60, 70, 80])
    embeddings = np.stack([np.cos(degrees), np.sin(degrees)], axis=1)
    items = ['a', 'x', 'x', 'a', 'x', 'x', 'a', 'a', 'a']
    found = measure(embeddings, items, ['query', *['gallery'] * 8], topk=5)
    assert found['hit@5'] == 100


def test_units() -> None:
    """More is better, in percent."""
    for name in ('hit@1', 'hit@20', 'MAP@R'):
        assert unit(f'retrieval/{name}') == 'percent'
        assert direction(f'retrieval/{name}') == 'greater'
    assert unit('retrieval/queries_left_out') is None


def test_queries_without_their_item_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """The log has photo and item of those that do not count."""
    said: list[str] = []
    monkeypatch.setattr(query_gallery, 'print_log', lambda text, _: said.append(text))
    assert measure(*random_photos())['queries_left_out'] == 2
    (line,) = said
    assert '2 queries have no photo of their item in the gallery' in line
    assert line.endswith('150.jpg (11), 151.jpg (11)')


def test_agrees_with_the_library() -> None:
    """MAP@R, P@1 and R-Precision are those of pytorch-metric-learning's AccuracyCalculator."""
    embeddings, items, roles = random_photos(1)
    found = measure(embeddings, items, roles)
    parts = []
    for role in ('query', 'gallery'):
        rows = embeddings[roles == role]
        rows = rows / np.linalg.norm(rows, axis=1, keepdims=True)
        parts += [torch.from_numpy(rows), torch.from_numpy(items[roles == role])]
    calculator = AccuracyCalculator(
        include=tuple(NAMES), k='max_bin_count', knn_func=CustomKNN(LpDistance())
    )
    theirs = calculator.get_accuracy(*parts)
    for name, value in theirs.items():
        assert found[NAMES[name]] == pytest.approx(100 * value, abs=1e-4)


def test_per_query_file(tmp_path: Path) -> None:
    """Queries in the order of their names; their means are the metrics."""
    embeddings, items, roles = random_photos()
    path = tmp_path / 'new' / 'queries.npz'
    found = measure(embeddings, items, roles, topk=(1, 5), per_query_file=path)
    results = read_per_image(path)
    queries = [i for i in np.flatnonzero(roles == 'query') if items[i] != 11]
    queries.sort(key=lambda index: f'{index}.jpg')
    assert results['names'].tolist() == [f'{index}.jpg' for index in queries]
    assert results['items'].tolist() == [str(items[index]) for index in queries]
    assert results['topk'].tolist() == [1, 5]
    for metric in ('hit@1', 'hit@5', 'MAP@R', 'P@1', 'R-Precision'):
        mean = 100 * query_scores(results, metric).mean()
        assert found[metric] == pytest.approx(mean), metric


def test_hits_file(tmp_path: Path) -> None:
    """Each query's nearest photos, with what is right and wrong."""
    degrees = np.radians([0, 10, 20, 80])
    embeddings = np.stack([np.cos(degrees), np.sin(degrees)], axis=1)
    path = tmp_path / 'new' / 'hits.csv'
    roles = ['query', *['gallery'] * 3]
    measure(embeddings, ['a', 'c', 'a', 'b'], roles, hits_file=path, hits=2)
    with path.open(newline='') as file:
        rows = list(csv.DictReader(file))
    assert rows[0] == {
        'query': '0.jpg',
        'query_item': 'a',
        'rank': '1',
        'photo': '1.jpg',
        'item': 'c',
        'similarity': '0.984808',
        'right': '0',
    }
    assert [(row['rank'], row['photo'], row['right']) for row in rows] == [
        ('1', '1.jpg', '0'),
        ('2', '2.jpg', '1'),
    ]


def test_what_cannot_be_measured() -> None:
    """NaN, no gallery of any query's item, fields that are missing, and roles that are none."""
    embeddings, items, roles = random_photos()
    broken = embeddings.copy()
    broken[5, 2] = np.nan
    with pytest.raises(EmbeddingError, match=r'^1 of 153 embeddings .*: 5\.jpg\. Has '):
        measure(broken, items, roles)
    with pytest.raises(EmbeddingError, match=r'^none of 153 queries .* 0 photos of the gallery$'):
        measure(embeddings, items, ['query'] * 153)
    with pytest.raises(EmbeddingError, match=r"^`role` must be one of query, .* got 'train'$"):
        measure(embeddings, items, ['train'] * 153)
    metric = METRICS.build(dict(type='QueryGalleryMetric'))
    with pytest.raises(EmbeddingError, match=r"needs `item_id` .*algorithm_keys=\('item_id', 'r"):
        metric.process(None, [{'embedding': torch.zeros(2)}])


@pytest.mark.parametrize('options', [{'topk': ()}, {'topk': (0, 5)}, {'hits': 0}])
def test_bad_arguments(options: dict[str, Any]) -> None:
    """Ranks begin at 1."""
    with pytest.raises(ArgumentError, match='must be whole numbers above 0'):
        METRICS.build(dict(type='QueryGalleryMetric', **options))


def test_missing_package(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without pytorch-metric-learning the error has the line that installs it."""
    monkeypatch.setitem(sys.modules, 'pytorch_metric_learning', None)
    with pytest.raises(MissingCodebaseError, match=r'"bgremoval_mm\[metric\]"$'):
        load_class('QueryGalleryMetric')
