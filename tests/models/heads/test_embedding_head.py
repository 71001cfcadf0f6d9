"""EmbeddingHead: embeddings of norm 1, and losses that equal their definitions."""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence
from typing import Any

import pytest
import torch
from mmengine.optim import build_optim_wrapper
from mmengine.registry import MODELS, DefaultScope
from mmpretrain.structures import DataSample

from bgremoval_mm.models.heads.embedding_head import EmbeddingHead
from bgremoval_mm.registry import MissingCodebaseError, load_class
from bgremoval_mm.removal.errors import ArgumentError

LABELS = [0, 0, 0, 1, 1, 2, 2, 2, 3, 4]  # two classes with one photo
# The settings of Kobs and Hotho for Cars196, CUB200 and Stanford Online Products.
LOSSES: list[dict[str, Any]] = [
    dict(type='ContrastiveLoss', pos_margin=0.26523381895861114, neg_margin=0.5409405918690342),
    dict(type='ContrastiveLoss', pos_margin=-0.19999999999999726, neg_margin=0.3841191369511769),
    dict(type='ContrastiveLoss', pos_margin=0.2850258234628094, neg_margin=0.5130146609636679),
    dict(type='TripletMarginLoss', margin=0.11902737154413517),
    dict(type='TripletMarginLoss', margin=0.09610074859813894),
    dict(type='TripletMarginLoss', margin=0.04519248868248313),
    dict(
        type='MultiSimilarityLoss',
        alpha=14.358760978642266,
        beta=75.83486384086837,
        base=0.6615555839124118,
    ),
    dict(
        type='MultiSimilarityLoss',
        alpha=0.010000000000000505,
        beta=50.601773762279336,
        base=0.5624815816186126,
    ),
    dict(
        type='MultiSimilarityLoss',
        alpha=8.492496310524517,
        beta=57.38862611417401,
        base=0.41673621630849955,
    ),
    dict(type='ArcFaceLoss', margin=20.52230893710211, scale=49.501652066223656),
    dict(type='ArcFaceLoss', margin=23.225935497468093, scale=99.99999999999999),
    dict(type='ArcFaceLoss', margin=18.63185573324141, scale=220.36285192573413),
    dict(type='NormalizedSoftmaxLoss', temperature=0.08863250090946041),
    dict(type='NormalizedSoftmaxLoss', temperature=0.10874714987070239),
    dict(type='NormalizedSoftmaxLoss', temperature=0.06306243924788482),
]
CONTRASTIVE, TRIPLET, ARCFACE = LOSSES[0], LOSSES[3], LOSSES[9]
Rows = Sequence[Sequence[float]]


def head(loss: dict[str, Any] | None, **options: Any) -> EmbeddingHead:
    """A head on 6 channels, in double precision, the same one in each call."""
    torch.manual_seed(0)
    options = {'in_channels': 6, 'embedding_size': 4, 'num_classes': 5} | options
    return EmbeddingHead(loss=loss, **options).double()


def batch(labels: Sequence[int] = LABELS) -> tuple[tuple[torch.Tensor], list[DataSample]]:
    """Features and labels."""
    torch.manual_seed(1)
    feats = torch.randn(len(labels), 6, dtype=torch.double)
    return (feats,), [DataSample().set_gt_label(label) for label in labels]


def nonzero_mean(values: list[float]) -> float:
    """The mean of those above 0."""
    above = [value for value in values if value > 0]
    return sum(above) / len(above) if above else 0.0


def dot(left: Sequence[float], right: Sequence[float]) -> float:
    """Inner product."""
    return sum(a * b for a, b in zip(left, right, strict=True))


def contrastive(rows: Rows, pos_margin: float, neg_margin: float) -> float:
    """Mean excess over the margin of pairs of a class, plus that of other pairs below theirs."""
    positive, negative = [], []
    for i, a in enumerate(rows):
        for j, b in enumerate(rows):
            if i != j and LABELS[i] == LABELS[j]:
                positive.append(max(math.dist(a, b) - pos_margin, 0))
            elif i != j:
                negative.append(max(neg_margin - math.dist(a, b), 0))
    return nonzero_mean(positive) + nonzero_mean(negative)


def triplet(rows: Rows, margin: float) -> float:
    """Mean violation over all triplets that violate the margin."""
    n = range(len(rows))
    return nonzero_mean(
        [
            math.dist(rows[a], rows[p]) - math.dist(rows[a], rows[o]) + margin
            for a in n
            for p in n
            for o in n
            if a != p and LABELS[a] == LABELS[p] and LABELS[a] != LABELS[o]
        ]
    )


def multi_similarity(rows: Rows, alpha: float, beta: float, base: float) -> float:
    """Soft maxima of what is too far of an anchor's class and too near of others."""
    losses = []
    for i, a in enumerate(rows):
        positive = negative = 0.0
        for j, b in enumerate(rows):
            if i != j and LABELS[i] == LABELS[j]:
                positive += math.exp(-alpha * (dot(a, b) - base))
            elif i != j:
                negative += math.exp(beta * (dot(a, b) - base))
        losses.append(math.log(1 + positive) / alpha + math.log(1 + negative) / beta)
    return sum(losses) / len(losses)


def cross_entropy(logits: list[list[float]]) -> float:
    """Mean over photos of -log of the softmax at the label."""
    terms = []
    for row, label in zip(logits, LABELS, strict=True):
        highest = max(row)
        total = sum(math.exp(each - highest) for each in row)
        terms.append(math.log(total) + highest - row[label])
    return sum(terms) / len(terms)


def cosines(rows: Rows, proxies: Rows) -> list[list[float]]:
    """Cosine of each embedding and each proxy."""
    return [[dot(row, each) / math.sqrt(dot(each, each)) for each in proxies] for row in rows]


def arcface(rows: Rows, proxies: Rows, margin: float, scale: float) -> float:
    """The angle to the class's own proxy is enlarged by the margin, in degrees."""
    angle = math.pi * margin / 180
    logits = cosines(rows, proxies)
    for row, label in zip(logits, LABELS, strict=True):
        theta = math.acos(row[label])
        inside = theta <= math.pi - angle
        row[label] = math.cos(theta + angle) if inside else row[label] - angle * math.sin(angle)
    return cross_entropy([[scale * each for each in row] for row in logits])


def normalized_softmax(rows: Rows, proxies: Rows, temperature: float) -> float:
    """Cross entropy of cosines over the temperature."""
    return cross_entropy([[each / temperature for each in row] for row in cosines(rows, proxies)])


DEFINITIONS: dict[str, Any] = {
    'ContrastiveLoss': contrastive,
    'TripletMarginLoss': triplet,
    'MultiSimilarityLoss': multi_similarity,
    'ArcFaceLoss': arcface,
    'NormalizedSoftmaxLoss': normalized_softmax,
}


@pytest.mark.parametrize('loss', LOSSES, ids=lambda loss: loss['type'])
def test_losses_equal_their_definitions(loss: dict[str, Any]) -> None:
    """The five losses with the settings of each dataset, against loops in plain Python."""
    made = head(loss)
    feats, samples = batch()
    arguments = dict(loss)
    definition = DEFINITIONS[arguments.pop('type')]
    if made.loss_module is not None and list(made.loss_module.parameters()):
        arguments['proxies'] = made.loss_module.W.T.tolist()
    expected = definition(made(feats).tolist(), **arguments)
    found = made.loss(feats, samples)
    assert expected > 0
    assert found['loss'].item() == pytest.approx(expected, rel=1e-6, abs=1e-6)
    found['loss'].backward()
    assert all(each.grad is not None for each in made.parameters())


def test_embeddings_have_norm_one() -> None:
    """Each embedding is of length 1 and of the wanted size, also in the predictions."""
    made = EmbeddingHead(6, loss=CONTRASTIVE)
    feats = (torch.randn(3, 6),)
    predicted = made.predict(feats)
    assert predicted[0].embedding.shape == (128,)
    assert [each.embedding.norm().item() for each in predicted] == pytest.approx([1] * 3)
    samples = batch([2, 0, 1])[1]
    assert made.predict(feats, samples) == samples
    torch.testing.assert_close(samples[1].embedding, made(feats)[1])
    assert samples[1].gt_label.item() == 0


def test_proxies_are_trained_and_saved() -> None:
    """The parameters of a loss are in the state of the model, one column for each class."""
    made = head(ARCFACE)
    assert made.state_dict()['loss_module.W'].shape == (4, 5)
    assert list(head(TRIPLET).state_dict()) == ['fc.weight', 'fc.bias']


def test_learning_rate_of_the_loss() -> None:
    """``paramwise_cfg`` gives the loss its own learning rate, in a group of the optimiser."""
    config = dict(
        optimizer=dict(type='RMSprop', lr=1e-6, weight_decay=1e-4, momentum=0.9),
        paramwise_cfg=dict(custom_keys={'head.loss_module': dict(lr=0.0051384088179694)}),
    )
    model = torch.nn.ModuleDict({'head': head(ARCFACE)})
    groups = build_optim_wrapper(model, config).optimizer.param_groups
    rates = {
        name: group['lr'] for (name, _), group in zip(model.named_parameters(), groups, strict=True)
    }
    assert rates == {
        'head.fc.weight': 1e-6,
        'head.fc.bias': 1e-6,
        'head.loss_module.W': 0.0051384088179694,
    }
    assert {(group['weight_decay'], group['momentum']) for group in groups} == {(1e-4, 0.9)}


def test_parts_of_a_loss_by_name() -> None:
    """A distance, a reducer and a memory around another loss are built from their names."""
    loss = dict(
        type='CrossBatchMemory',
        loss=dict(type='TripletMarginLoss', distance=dict(type='CosineSimilarity')),
        memory_size=8,
    )
    made = head(loss)
    assert type(made.loss_module.loss.distance).__name__ == 'CosineSimilarity'
    assert made.loss_module.embedding_size == 4
    assert head(dict(type='SubCenterArcFaceLoss')).loss_module.num_classes == 5


def test_half_precision_does_not_reach_the_loss() -> None:
    """Under autocast, embeddings and proxies stay in single precision."""
    made = EmbeddingHead(6, 4, loss=ARCFACE, num_classes=5)
    (feats,), samples = batch()
    with torch.autocast('cpu', dtype=torch.bfloat16):
        loss = made.loss((feats.float(),), samples)['loss']
    assert (made((feats.float(),)).dtype, made.loss_module.W.dtype) == (torch.float32,) * 2
    assert loss.dtype == torch.float32


def test_trains_in_a_classifier() -> None:
    """mmpretrain's ImageClassifier finds the head by its short name, and computes the loss."""
    with DefaultScope.overwrite_default_scope('mmpretrain'):
        model = MODELS.build(
            dict(
                type='mmpretrain.ImageClassifier',
                backbone=dict(type='mmpretrain.MobileNetV2', widen_factor=0.25),
                neck=dict(type='mmpretrain.GlobalAveragePooling'),
                head=dict(type='EmbeddingHead', in_channels=1280, loss=TRIPLET),
            )
        )
    photos = torch.randn(4, 3, 32, 32)
    loss = model(photos, batch([0, 0, 1, 1])[1], mode='loss')['loss']
    loss.backward()
    assert model.head.fc.weight.grad.abs().sum() > 0
    model.eval()
    assert model(photos, mode='tensor').shape == (4, 128)
    assert model(photos, mode='predict')[3].embedding.shape == (128,)


@pytest.mark.parametrize(
    ('loss', 'options', 'message'),
    [
        (dict(type='ArcfaceLos'), {}, r"such as ArcFaceLoss.* got 'ArcfaceLos'$"),
        (dict(margin=1), {}, r'but got None$'),
        (dict(type='ArcFaceLoss', angle=1), {}, r'^ArcFaceLoss .*does not take .*angle'),
        (ARCFACE, {'num_classes': None}, r'^ArcFaceLoss needs the number .* `num_classes`'),
    ],
)
def test_wrong_losses(loss: dict[str, Any], options: dict[str, Any], message: str) -> None:
    """A loss that does not exist, or that does not fit, is an error that says what does."""
    with pytest.raises(ArgumentError, match=message):
        head(loss, **options)


def test_wrong_labels() -> None:
    """A label above the number of classes, and training without a loss."""
    feats, samples = batch()
    with pytest.raises(ArgumentError, match=r'^`num_classes` .* got 4 and the label 4$'):
        head(ARCFACE, num_classes=4).loss(feats, samples)
    with pytest.raises(ArgumentError, match=r'^`loss` of EmbeddingHead must be given'):
        head(None).loss(feats, samples)


def test_missing_package(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without pytorch-metric-learning the error has the line that installs it."""
    monkeypatch.setitem(sys.modules, 'pytorch_metric_learning', None)
    message = r'^EmbeddingHead needs pytorch_metric_learning: pip .*"bgremoval_mm\[metric\]"$'
    with pytest.raises(MissingCodebaseError, match=message):
        load_class('EmbeddingHead')
