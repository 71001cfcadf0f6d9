"""BinaryClsHead: its loss and predictions, by hand."""

from __future__ import annotations

import math

import pytest
import torch

from bgremoval_mm.evaluation.metrics.classwise_accuracy import ClasswiseAccuracy
from bgremoval_mm.models.heads import binary_head
from bgremoval_mm.models.heads.binary_head import BinaryClsHead
from bgremoval_mm.removal.errors import ArgumentError


@pytest.fixture
def head() -> BinaryClsHead:
    """A head whose logit is its only channel."""
    head = BinaryClsHead(1)
    torch.nn.init.ones_(head.fc.weight)
    torch.nn.init.zeros_(head.fc.bias)
    return head


def samples(*labels: int) -> list:
    """Data samples of mmpretrain."""
    structures = pytest.importorskip('mmpretrain.structures')
    return [structures.DataSample().set_gt_label(label) for label in labels]


def test_loss(head: BinaryClsHead) -> None:
    """The mean of -log p of the true class; the last of several features is taken."""
    logits = torch.tensor([[2.0], [-1.0], [0.0]])
    found = head.loss((torch.zeros(3, 5), logits), samples(1, 0, 1))
    p = [1 / (1 + math.exp(-2)), 1 - 1 / (1 + math.exp(1)), 0.5]
    expected = -sum(map(math.log, p)) / 3
    assert float(found['loss']) == pytest.approx(expected)


def test_predictions(head: BinaryClsHead) -> None:
    """Probabilities of both classes; a probability of exactly the threshold is class 1."""
    found = head.predict(torch.tensor([[2.0], [-1.0], [0.0]]), samples(1, 1, 1))
    assert [int(each.pred_label) for each in found] == [1, 0, 1]
    assert found[0].pred_score.tolist() == pytest.approx([0.1192, 0.8808], abs=1e-4)
    assert [int(each.pred_label) for each in head.predict(torch.tensor([[0.1]]))] == [1]


def test_errors(head: BinaryClsHead) -> None:
    """Other labels, and thresholds that make one class impossible."""
    with pytest.raises(ArgumentError, match=r'needs labels 0 and 1, but got \[0, 2\]'):
        head.loss(torch.zeros(2, 1), samples(0, 2))
    with pytest.raises(ArgumentError, match='`threshold` must be above 0 and below 1, but got 1'):
        BinaryClsHead(1, threshold=1)


def test_threshold_sets_the_label_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """A warning says that metrics differ: those of mmpretrain read the scores, ours the label."""
    metrics = pytest.importorskip('mmpretrain.evaluation')
    said: list[str] = []
    monkeypatch.setattr(binary_head, 'print_log', lambda text, *_: said.append(text))
    BinaryClsHead(1)
    assert said == []
    head = BinaryClsHead(1, threshold=0.9)
    torch.nn.init.ones_(head.fc.weight)
    torch.nn.init.zeros_(head.fc.bias)
    assert len(said) == 1
    assert '`threshold`=0.9 sets `pred_label` only' in said[0]
    # A probability of 0.88 is class 1 by score, but not by the threshold.
    found = head.predict(torch.tensor([[2.0], [-1.0]]), samples(0, 0))
    assert [int(each.pred_label) for each in found] == [0, 0]
    given = [each.to_dict() for each in found]
    accuracy, ours = metrics.Accuracy(), ClasswiseAccuracy()
    ours.dataset_meta = {'classes': ('nobody', 'person')}
    for metric in (accuracy, ours):
        metric.process(None, given)
    assert accuracy.evaluate(2) == {'accuracy/top1': 50.0}
    assert 100.0 in ours.evaluate(2).values()
