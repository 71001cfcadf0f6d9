"""ProductAccuracy: through mmengine's evaluation, against counting by hand and scikit-learn."""

from __future__ import annotations

import csv
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from mmengine.registry import METRICS, DefaultScope

from bgremoval_mm.engine.comparison import direction, unit
from bgremoval_mm.evaluation.metrics import product_accuracy
from bgremoval_mm.evaluation.metrics.product_accuracy import ProductAccuracy, ProductError
from bgremoval_mm.removal.errors import ArgumentError
from bgremoval_mm.visualization.confusion import read_confusion

CLASSES = ('boots', 'sandals', 'belts')
# Product, label, probabilities. By photo right: a1, a2, c1, c2 of 7.
PHOTOS = [
    ('a', 0, [0.6, 0.3, 0.1]),
    ('b', 1, [0.5, 0.4, 0.1]),
    ('a', 0, [0.6, 0.3, 0.1]),
    ('b', 1, [0.5, 0.4, 0.1]),
    ('a', 0, [0.0, 0.0, 1.0]),  # by sum [1.2, 0.6, 1.2]: 0; by max 2; by vote 0
    ('c', 2, [0.1, 0.2, 0.7]),
    ('c', 2, [0.3, 0.3, 0.4]),
]


def sample(product: str, label: int, scores: list[float]) -> dict[str, Any]:
    """What mmpretrain's DataSample.to_dict() gives of one image."""
    return {
        'gt_label': torch.tensor([label]),
        'pred_score': torch.tensor(scores),
        'product_id': product,
        'img_path': f'photos/{product}.jpg',
    }


def measured(photos: list[tuple[str, int, list[float]]] = PHOTOS, **options: Any) -> dict[str, Any]:
    """Evaluate in two batches."""
    metric = ProductAccuracy(**options)
    metric.dataset_meta = {'classes': CLASSES}
    samples = [sample(*each) for each in photos]
    metric.process({}, samples[:3])
    metric.process({}, samples[3:])
    return metric.evaluate(len(photos))


def rows(path: Path) -> list[dict[str, str]]:
    """The rows of a table."""
    with path.open() as file:
        return list(csv.DictReader(file))


def test_metrics_by_hand() -> None:
    """Two of three products by sum and vote, one by maximum; four of seven photos."""
    found = measured()
    assert list(found) == [
        'accuracy/image', 'accuracy/product/sum', 'accuracy/product/max', 'accuracy/product/vote',
    ]  # fmt: skip
    assert list(found.values()) == pytest.approx([400 / 7, 200 / 3, 100 / 3, 200 / 3])
    assert list(measured(rules='max')) == ['accuracy/image', 'accuracy/product/max']


def test_hierarchy() -> None:
    """Sandals taken for boots are shoes; the belt's photo of the boots is not."""
    found = measured(hierarchy={'boots': 'shoes', 'sandals': 'shoes', 'belts': 'belts'})
    assert found['accuracy/image/parent'] == pytest.approx(600 / 7)
    assert found['accuracy/product/parent'] == 100


def test_files(tmp_path: Path) -> None:
    """Tables of classes, products and confusion, in a folder that is made."""
    table = tmp_path / 'parents.csv'
    table.write_text('child,parent\nboots,shoes\nsandals,shoes\nbelts,belts\n')
    measured(out_dir=tmp_path / 'deep' / 'out', hierarchy=str(table))
    out = tmp_path / 'deep' / 'out'
    assert sorted(path.name for path in out.iterdir()) == [
        'classes.csv',
        'confusion_images.csv',
        'confusion_parents.csv',
        'confusion_products.csv',
        'images.csv',
        'products.csv',
    ]
    boots, sandals, _ = rows(out / 'classes.csv')
    assert boots == {
        'class': 'boots', 'images': '3', 'image_accuracy': '66.6667', 'products': '1',
        'product_accuracy': '100.0000', 'parent': 'shoes', 'errors_within_parent': '0',
        'errors_outside_parent': '0',
    }  # fmt: skip
    assert (sandals['product_accuracy'], sandals['errors_within_parent']) == ('0.0000', '1')
    assert rows(out / 'products.csv')[0] == {
        'product_id': 'a', 'images': '3', 'label': 'boots', 'sum': 'boots', 'max': 'belts',
        'vote': 'boots',
    }  # fmt: skip
    assert rows(out / 'images.csv')[1] == {
        'img_path': 'photos/b.jpg', 'product_id': 'b', 'label': 'sandals', 'predicted': 'boots',
        'probability': '0.500000',
    }  # fmt: skip
    names, matrix = read_confusion(out / 'confusion_images.csv')
    assert (names, matrix.tolist()) == (list(CLASSES), [[2, 0, 1], [2, 0, 0], [0, 0, 2]])
    names, matrix = read_confusion(out / 'confusion_parents.csv')
    assert (names, matrix.tolist()) == (['shoes', 'belts'], [[2, 0], [0, 1]])


def test_table_in_the_log(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each class with its numbers and accuracies; '-' where there is nothing."""
    said: list[str] = []
    monkeypatch.setattr(product_accuracy, 'print_log', lambda text, _: said.append(text))
    measured(PHOTOS[:5])
    assert [line.split() for line in said[0].splitlines()[-3:]] == [
        ['boots', '3', '66.6667', '1', '100.0000'],
        ['sandals', '2', '0.0000', '1', '0.0000'],
        ['belts', '0', '-', '0', '-'],
    ]


def test_agrees_with_scikit_learn() -> None:
    """On random photos of 40 products, with sums made by a loop."""
    metrics = pytest.importorskip('sklearn.metrics')
    rng = np.random.default_rng(0)
    labels = {f'p{number}': int(rng.integers(0, 3)) for number in range(40)}
    names = [f'p{number}' for number in rng.integers(0, 40, 150)]
    scores = rng.dirichlet(np.ones(3), 150)
    photos = [(n, labels[n], list(s)) for n, s in zip(names, scores, strict=True)]
    found = measured(photos)
    truth = [labels[name] for name in names]
    expected = 100 * metrics.accuracy_score(truth, scores.argmax(1))
    assert found['accuracy/image'] == pytest.approx(expected)
    there = sorted(set(names))
    sums = [sum(s for n, s in zip(names, scores, strict=True) if n == name) for name in there]
    expected = metrics.accuracy_score([labels[n] for n in there], np.argmax(sums, axis=1))
    assert found['accuracy/product/sum'] == pytest.approx(100 * expected)


def test_registered_and_known_to_the_diff_hook() -> None:
    """The short name works under any scope; all of its metrics are percents, higher is better."""
    with DefaultScope.overwrite_default_scope('mmpretrain'):
        metric = METRICS.build({'type': 'ProductAccuracy', 'rules': ('vote',)})
    assert pickle.loads(pickle.dumps(metric)).rules == ('vote',)
    for name in ('image', 'product/sum', 'product/max', 'product/vote', 'product/parent'):
        assert unit(f'accuracy/{name}') == 'percent'
        assert direction(f'accuracy/{name}') == 'greater'


def test_errors() -> None:
    """What cannot be measured is named."""
    with pytest.raises(ArgumentError, match=r"`rules` must be of 'sum', .*, but got \('mean',\)"):
        ProductAccuracy(rules='mean')
    metric = ProductAccuracy()
    with pytest.raises(ProductError, match=r"PackInputs\(algorithm_keys=\('product_id',\)\)"):
        metric.process({}, [{'gt_label': torch.tensor([0]), 'pred_score': torch.ones(3)}])
    with pytest.raises(ProductError, match='needs `pred_score` in data samples'):
        metric.process({}, [{'gt_label': torch.tensor([0]), 'product_id': 'a'}])
    metric.process({}, [sample('a', 0, [1, 0, 0])])
    with pytest.raises(ProductError, match='metainfo has `classes`'):
        metric.evaluate(1)
    with pytest.raises(ProductError, match='those of 1 have several: a'):
        measured([('a', 0, [1, 0, 0]), ('a', 1, [1, 0, 0])])
    with pytest.raises(ProductError, match=r'1 of 2 .* NaN or infinity, .* b\.'):
        measured([('a', 0, [1, 0, 0]), ('b', 1, [float('nan'), 0, 0])])
    with pytest.raises(ArgumentError, match='3 of 3 have none: boots, sandals, belts'):
        measured(hierarchy={})
