"""SmoothGrad against its definition, and the scores that it is taken of."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from mmengine.registry import MODELS
from pytorch_metric_learning import distances

from bgremoval_mm.evaluation.smooth_grad import AttentionTarget, SmoothGrad, evaluating, smooth_grad
from bgremoval_mm.removal.errors import ArgumentError


def images(count: int = 3, size: int = 9) -> torch.Tensor:
    """Images of different ranges, in double precision."""
    generator = torch.Generator().manual_seed(5)
    drawn = torch.randn((count, 3, size, size), generator=generator, dtype=torch.float64)
    return drawn * torch.arange(1, count + 1).reshape(-1, 1, 1, 1)


def quadratic(batch: torch.Tensor) -> torch.Tensor:
    """Sum of w x^2, whose gradient is 2 w x."""
    weights = torch.linspace(-1, 1, batch[0].numel(), dtype=batch.dtype).reshape(batch.shape[1:])
    return (weights * batch.square()).sum(dim=(1, 2, 3))


def slow_loop(image: torch.Tensor, seed: int, samples: int = 25, noise: float = 0.15) -> np.ndarray:
    """The definition for the quadratic score, copy by copy and channel by channel."""
    generator = torch.Generator().manual_seed(seed)
    channels, height, width = image.shape
    weights = torch.linspace(-1, 1, image.numel(), dtype=image.dtype).reshape(image.shape)
    total = np.zeros((height, width))
    sigma = noise * float(image.max() - image.min())
    for _ in range(samples):
        copy = image + sigma * torch.randn(image.shape, generator=generator)
        for row in range(height):
            for column in range(width):
                gradients = [
                    float(2 * weights[c, row, column] * copy[c, row, column])
                    for c in range(channels)
                ]
                total[row, column] += abs(sum(gradients) / channels)
    return total


def test_gradient_of_a_linear_score() -> None:
    """It does not depend on the noise: samples times |mean of the weights over the channels|."""
    weights = torch.linspace(-2, 3, 3 * 6 * 6).reshape(3, 6, 6)
    batch = torch.rand((2, 3, 6, 6))
    found = smooth_grad(batch, [lambda x: (weights * x).sum(dim=(1, 2, 3))] * 2, [0, 1])
    expected = 25 * weights.mean(dim=0).abs()
    torch.testing.assert_close(found, torch.stack([expected, expected]))


def test_channels_are_averaged_before_the_absolute_value() -> None:
    """Two channels of opposite weights cancel out."""
    found = smooth_grad(
        torch.rand((1, 2, 3, 3)), [lambda x: (x[:, 0] - x[:, 1]).sum(dim=(1, 2))], [0]
    )
    assert found.abs().max() < 1e-6


def test_gradient_of_a_quadratic_score() -> None:
    """Equal to the definition, with the same noise; each image has its own range and seed."""
    batch = images()
    found = smooth_grad(batch, [quadratic] * 3, [7, 8, 9])
    for image, seed, each in zip(batch, [7, 8, 9], found, strict=True):
        np.testing.assert_allclose(each.numpy(), slow_loop(image, seed), rtol=1e-6)


def test_agrees_with_captum() -> None:
    """With one channel and much noise drawn, it is captum's mean of |gradients|, times samples."""
    attr = pytest.importorskip('captum.attr')
    image = images(1, 4)[:, :1]
    sigma = 0.15 * float(image.max() - image.min())
    torch.manual_seed(0)
    theirs = attr.NoiseTunnel(attr.Saliency(quadratic)).attribute(
        image, nt_samples=4000, stdevs=sigma, abs=True
    )
    ours = smooth_grad(image, [quadratic], [1], SmoothGrad(samples=4000, at_once=1000))
    torch.testing.assert_close(ours / 4000, theirs[:, 0], rtol=0.05, atol=0.01)


@pytest.mark.parametrize('at_once', [1, 2, 7, 25, 100])
def test_memory_does_not_change_the_result(at_once: int) -> None:
    """However many copies are computed together, also where their pixels are not 16 to a block."""
    batch = images(1, 5)
    found = smooth_grad(batch, [quadratic], [3], SmoothGrad(at_once=at_once))
    torch.testing.assert_close(found, smooth_grad(batch, [quadratic], [3], SmoothGrad(at_once=25)))


def test_at_most_so_many_copies_at_once() -> None:
    """Memory is bounded: the score never sees more."""
    seen = []

    def score(batch: torch.Tensor) -> torch.Tensor:
        seen.append(len(batch))
        return quadratic(batch)

    smooth_grad(images(2), [score] * 2, [0, 0], SmoothGrad(samples=5, at_once=2))
    assert seen == [2, 2, 1] * 2


def test_batch_and_single_give_the_same() -> None:
    """An image's saliency does not depend on its neighbours."""
    batch = images()
    together = smooth_grad(batch, [quadratic] * 3, [1, 2, 3])
    alone = smooth_grad(batch[1:2], [quadratic], [2])
    assert torch.equal(together[1], alone[0])


def test_seeds() -> None:
    """The same seed gives the same map, another one another, and torch's own state is kept."""
    batch = images(1)
    state = torch.get_rng_state()
    first, again, other = (smooth_grad(batch, [quadratic], [seed]) for seed in (4, 4, 5))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert torch.equal(state, torch.get_rng_state())


def test_without_gradients_around() -> None:
    """It works under no_grad, where a test runs, and leaves the input as it is."""
    batch = images(1)
    with torch.no_grad():
        found = smooth_grad(batch, [quadratic], [0])
    assert found.abs().sum() > 0
    assert not found.requires_grad
    assert not batch.requires_grad


def test_no_images() -> None:
    """An empty batch gives an empty result."""
    assert smooth_grad(torch.zeros((0, 3, 4, 5)), [], []).shape == (0, 4, 5)


@pytest.mark.parametrize(
    ('batch', 'score', 'seeds', 'message'),
    [
        (torch.zeros((3, 4, 4)), quadratic, [0], r'shape \(N, C, H, W\), but got .* \(3, 4, 4\)'),
        (torch.zeros((1, 3, 4, 4), dtype=torch.uint8), quadratic, [0], 'torch.uint8 of shape'),
        (torch.zeros((1, 3, 4, 4)), quadratic, [0, 1], 'as many, but got 1, 1 and 2'),
        (torch.zeros((1, 3, 4, 4)), torch.sum, [0], r'shape \(\) for 25 images'),
        (
            torch.zeros((1, 3, 4, 4)),
            lambda x: quadratic(x.detach()),
            [0],
            'for 25 images, without a gradient',
        ),
    ],
)
def test_what_smooth_grad_refuses(
    batch: torch.Tensor, score: Any, seeds: list[int], message: str
) -> None:
    """Each error says what is needed and what came."""
    with pytest.raises(ArgumentError, match=message):
        smooth_grad(batch, [score], seeds)


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        ({'samples': 0}, '`samples` must be a whole number above 0, but got 0'),
        ({'at_once': 1.5}, '`at_once` must be a whole number above 0, but got 1.5'),
        ({'noise': -0.1}, '`noise` must be a number from 0, but got -0.1'),
        ({'noise': float('nan')}, '`noise` must be a number from 0, but got nan'),
    ],
)
def test_settings_out_of_range(options: dict[str, Any], message: str) -> None:
    """Values are checked when the settings are made."""
    with pytest.raises(ArgumentError, match=message):
        SmoothGrad(**options)


Build = Callable[..., torch.nn.Module]


@pytest.fixture
def build() -> Build:
    """A function that builds a tiny classifier of mmpretrain around a head."""
    pytest.importorskip('mmpretrain.models')

    def make(head: dict[str, Any] | None) -> torch.nn.Module:
        torch.manual_seed(0)
        return MODELS.build(
            dict(
                type='mmpretrain.ImageClassifier',
                backbone=dict(type='mmpretrain.MobileNetV2', widen_factor=0.1, out_indices=(2,)),
                neck=dict(type='mmpretrain.GlobalAveragePooling'),
                head=head,
            )
        ).double()

    return make


def embedding(loss: dict[str, Any] | None) -> dict[str, Any]:
    """Config of an EmbeddingHead."""
    return dict(type='EmbeddingHead', in_channels=8, embedding_size=4, num_classes=3, loss=loss)


LINEAR = dict(type='mmpretrain.LinearClsHead', in_channels=8, num_classes=3)


@pytest.mark.parametrize(
    ('loss', 'distance'),
    [
        (None, distances.LpDistance()),
        (dict(type='ContrastiveLoss'), distances.LpDistance()),
        (dict(type='TripletMarginLoss'), distances.LpDistance()),
        (dict(type='MultiSimilarityLoss'), distances.CosineSimilarity()),
        (dict(type='ArcFaceLoss'), distances.CosineSimilarity()),
        (dict(type='NormalizedSoftmaxLoss'), distances.DotProductSimilarity()),
        (
            dict(type='CrossBatchMemory', memory_size=8, loss=dict(type='MultiSimilarityLoss')),
            distances.CosineSimilarity(),
        ),
    ],
)
def test_embeddings_are_compared_with_that_of_black(
    build: Build, loss: dict[str, Any] | None, distance: torch.nn.Module
) -> None:
    """By the distance of the loss; without a loss by L2."""
    model = build(embedding(loss)).eval()
    batch, black = images(2, 16), torch.full((1, 3, 16, 16), -2.0, dtype=torch.float64)
    target = AttentionTarget(model)
    assert type(target.distance) is type(distance)
    scores = target.scores(batch, black)
    assert len(scores) == 2
    vectors, reference = model(batch, mode='tensor'), model(black, mode='tensor')
    if isinstance(distance, distances.LpDistance):
        expected = (vectors - reference).square().sum(dim=1).sqrt()
    else:
        expected = (vectors * reference).sum(dim=1)  # all are of length 1
    torch.testing.assert_close(scores[0](batch), expected)


def test_black_itself_has_no_attention(build: Build) -> None:
    """At distance 0, L2 has no slope: no attention, no NaN."""
    model = build(embedding(None)).eval()
    black = torch.zeros((1, 3, 16, 16), dtype=torch.float64)
    found = smooth_grad(black, AttentionTarget(model).scores(black, black), [0])
    assert not found.any()


def test_logit_of_the_predicted_class(build: Build) -> None:
    """Of a classifier: that of the image without noise, for each its own."""
    model = build(LINEAR).eval()
    batch = images(4, 16)
    logits = model(batch, mode='tensor')
    for image, score in zip(logits, AttentionTarget(model).scores(batch, batch[:1]), strict=True):
        torch.testing.assert_close(score(batch), logits[:, image.argmax()])


def test_one_logit_of_two_classes(build: Build) -> None:
    """Of BinaryClsHead: its logit where it predicts class 1, else the negative."""
    model = build(dict(type='BinaryClsHead', in_channels=8)).eval()
    batch = images(4, 16)
    logits = model(batch, mode='tensor').detach()
    model.head.fc.bias.data -= logits.median()  # so that both classes are predicted
    logits = model(batch, mode='tensor')
    assert 0 < int((logits > 0).sum()) < 4
    for logit, score in zip(logits, AttentionTarget(model).scores(batch, batch[:1]), strict=True):
        torch.testing.assert_close(score(batch), logits if logit > 0 else -logits)


@pytest.mark.parametrize('head', [LINEAR, embedding(dict(type='TripletMarginLoss'))])
def test_the_network_stays_as_it_is(build: Build, head: dict[str, Any]) -> None:
    """No gradients, no other modes, no other values, in training mode too."""
    model = build(head)
    model.backbone.layer1.eval()
    modes = [module.training for module in model.modules()]
    needs = [parameter.requires_grad for parameter in model.parameters()]
    state = {name: value.clone() for name, value in model.state_dict().items()}
    batch = images(2, 16)
    with evaluating(model):
        assert not any(module.training for module in model.modules())
        found = smooth_grad(batch, AttentionTarget(model).scores(batch, batch[:1] * 0), [0, 1])
    assert (found.flatten(1).sum(dim=1) > 0).all()
    assert [module.training for module in model.modules()] == modes
    assert [parameter.requires_grad for parameter in model.parameters()] == needs
    assert all(parameter.grad is None for parameter in model.parameters())
    assert all(torch.equal(value, state[name]) for name, value in model.state_dict().items())


def test_modes_come_back_after_an_error(build: Build) -> None:
    """Also when something fails in between."""
    model = build(LINEAR)
    with pytest.raises(KeyError), evaluating(model):
        raise KeyError
    assert all(module.training for module in model.modules())


def test_wrapped_models(build: Build) -> None:
    """The model inside mmengine's wrappers for several processes is found."""
    from mmengine.model import MMDistributedDataParallel

    model = build(LINEAR)
    wrapped = MMDistributedDataParallel.__new__(MMDistributedDataParallel)
    torch.nn.Module.__init__(wrapped)
    wrapped.module = model
    assert AttentionTarget(wrapped).model is model


def test_models_without_a_target(build: Build) -> None:
    """What is no classifier, or has no head, or one that gives something else, is refused."""
    with pytest.raises(ArgumentError, match=r'an ImageClassifier .* but got Linear$'):
        AttentionTarget(torch.nn.Linear(2, 2))
    with pytest.raises(ArgumentError, match='but got ImageClassifier without a head'):
        AttentionTarget(build(None))
    model = build(LINEAR).eval()
    model.head.forward = lambda feats: (feats[0], feats[0])
    with pytest.raises(ArgumentError, match=r'one vector for each .* LinearClsHead gives tuple'):
        AttentionTarget(model).scores(images(1, 16), images(1, 16))
    model.head.forward = lambda feats: feats[0][None]
    with pytest.raises(ArgumentError, match=r'gives Tensor of shape \(1, 1, 8\)'):
        AttentionTarget(model).scores(images(1, 16), images(1, 16))
