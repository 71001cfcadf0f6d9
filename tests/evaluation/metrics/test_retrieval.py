"""RetrievalMetric: by hand, against a loop over the definition, and with broken embeddings."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import pytest
import torch
from mmengine.evaluator import Evaluator
from mmengine.registry import METRICS
from mmpretrain.structures import DataSample

from bgremoval_mm.engine.comparison import direction, unit
from bgremoval_mm.evaluation.metrics import retrieval
from bgremoval_mm.evaluation.metrics.retrieval import EmbeddingError, RetrievalMetric
from bgremoval_mm.registry import MissingCodebaseError, load_class


def measure(embeddings: Any, labels: Any) -> dict[str, float]:
    """What an Evaluator reports, without the prefix."""
    samples = []
    for index, (row, label) in enumerate(zip(embeddings, labels, strict=True)):
        sample = DataSample(metainfo={'img_path': f'{index}.jpg'}).set_gt_label(int(label))
        sample.embedding = torch.tensor(row, dtype=torch.float32)
        samples.append(sample)
    evaluator = Evaluator(METRICS.build(dict(type='RetrievalMetric')))
    for part in (samples[:3], samples[3:]):
        evaluator.process(part)
    found = evaluator.evaluate(len(samples))
    return {name.removeprefix('retrieval/'): value for name, value in found.items()}


def by_definition(embeddings: np.ndarray, labels: np.ndarray) -> dict[str, float]:
    """The three metrics by a loop over queries and ranks."""
    first, precision, average = [], [], []
    for query, label in enumerate(labels):
        others = [index for index in range(len(labels)) if index != query]
        wanted = sum(labels[index] == label for index in others)
        if not wanted:
            continue
        distances = np.linalg.norm(embeddings - embeddings[query], axis=1)
        ranked = sorted(others, key=lambda index: distances[index])
        right = [labels[index] == label for index in ranked[:wanted]]
        first.append(labels[ranked[0]] == label)
        precision.append(sum(right) / wanted)
        hits = [sum(right[: i + 1]) / (i + 1) for i in range(wanted) if right[i]]
        average.append(sum(hits) / wanted)
    means = (100 * float(np.mean(each)) for each in (average, first, precision))
    return dict(zip(('MAP@R', 'P@1', 'R-Precision'), means, strict=True))


def random_photos(seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Embeddings around the centre of their class; class 9 has one photo."""
    rng = np.random.default_rng(seed)
    labels = np.append(rng.integers(0, 8, 120), 9)
    embeddings = rng.normal(size=(121, 5)) + 0.8 * rng.normal(size=(10, 5))[labels]
    embeddings /= np.linalg.norm(embeddings, axis=1, keepdims=True)
    return embeddings.astype(np.float32), labels


@pytest.mark.parametrize('faiss', [True, False])
def test_agrees_with_a_loop(monkeypatch: pytest.MonkeyPatch, faiss: bool) -> None:
    """The definition, recomputed photo by photo, with faiss and without."""
    if not faiss:
        monkeypatch.setattr(retrieval, 'find_spec', lambda _: None)
        monkeypatch.setattr(retrieval, 'FaissKNN', None)
        monkeypatch.setattr(retrieval, '_QUERIES_AT_A_TIME', 50)
    photos = random_photos()
    found = measure(*photos)
    assert found.pop('queries_left_out') == 1
    assert found == pytest.approx(by_definition(*photos), abs=1e-4)
    assert 20 < found['MAP@R'] < found['R-Precision'] < 90


def test_by_hand() -> None:
    """Photos on a line: A at 0, 1.1 and 5, B at 2 and 6.2."""
    found = measure([[0.0], [1.1], [5.0], [2.0], [6.2]], [0, 0, 0, 1, 1])
    # R is 2 for A and 1 for B. The R nearest: of 0, 1.1 (A) and 2 (B); of 1.1, 2 (B) and 0 (A); of
    # 5, 6.2 and 2 (both B); of 2, 1.1 (A); of 6.2, 5 (A).
    assert found['P@1'] == pytest.approx(100 * 1 / 5)
    assert found['R-Precision'] == pytest.approx(100 * (1 / 2 + 1 / 2) / 5)
    assert found['MAP@R'] == pytest.approx(100 * (1 / 2 + 1 / 4) / 5)


def test_perfect_and_its_unit() -> None:
    """Classes that lie apart give 100 percent; more is better."""
    found = measure([[0.0], [0.1], [0.2], [9.0], [9.1]], [3, 3, 3, 7, 7])
    assert found.pop('queries_left_out') == 0
    assert found == {'MAP@R': 100, 'P@1': 100, 'R-Precision': 100}
    assert unit('retrieval/queries_left_out') is None
    for name in found:
        assert unit(f'retrieval/{name}') == 'percent'
        assert direction(f'retrieval/{name}') == 'greater'


def test_not_finite() -> None:
    """Embeddings with NaN or infinity are an error that names their photos."""
    embeddings, labels = random_photos()
    embeddings[5, 2] = np.nan
    embeddings[7, 0] = np.inf
    with pytest.raises(EmbeddingError, match=r'^2 of 121 embeddings .*: 5\.jpg, 7\.jpg\. Has '):
        measure(embeddings, labels)


def test_nothing_to_find() -> None:
    """Where every class has one photo there is nothing to measure."""
    with pytest.raises(EmbeddingError, match=r'^none of 3 photos has another one'):
        measure([[0.0], [1.0], [2.0]], [0, 1, 2])


def test_missing_package(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without pytorch-metric-learning the error has the line that installs it."""
    monkeypatch.setitem(sys.modules, 'pytorch_metric_learning', None)
    with pytest.raises(MissingCodebaseError, match=r'"bgremoval_mm\[metric\]"$'):
        load_class('RetrievalMetric')
    assert RetrievalMetric.default_prefix == 'retrieval'
