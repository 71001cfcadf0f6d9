"""SmallCNN and PersonProbability: layer by layer, training a toy task, and frozen detectors."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from mmengine.registry import MODELS, DefaultScope
from torch import nn

from bgremoval_mm.models.backbones.small_cnn import SmallCNN
from bgremoval_mm.removal.errors import ArgumentError


def layers(model: SmallCNN) -> list[str]:
    """Names of the layers that do something."""
    both = [*model.features, *model.hidden]
    return [type(each).__name__ for each in both]


def test_vgg_like_layer_by_layer() -> None:
    """Three stacks of 32, 64 and 64 filters, 256 units, dropout of 0.5."""
    model = SmallCNN('vgg_like')
    assert layers(model) == ['Conv2d', 'BatchNorm2d', 'ReLU', 'MaxPool2d'] * 3 + [
        'Flatten', 'Linear', 'ReLU', 'Dropout',
    ]  # fmt: skip
    convolutions = [each for each in model.modules() if isinstance(each, nn.Conv2d)]
    assert [each.out_channels for each in convolutions] == [32, 64, 64]
    assert {each.kernel_size for each in convolutions} == {(3, 3)}
    assert model.hidden[-1].p == 0.5
    number = sum(each.numel() for each in model.parameters())
    by_hand = 27 * 32 + 32 * 9 * 64 + 64 * 9 * 64 + 2 * (32 + 64 + 64) + (28 * 28 * 64 + 1) * 256
    assert number == by_hand


def test_custom_layer_by_layer() -> None:
    """Four convolutions without batch normalisation, 512 units."""
    model = SmallCNN('custom')
    assert layers(model) == ['Conv2d', 'ReLU', 'MaxPool2d'] * 4 + [
        'Flatten', 'Linear', 'ReLU', 'Dropout',
    ]  # fmt: skip
    convolutions = [each for each in model.modules() if isinstance(each, nn.Conv2d)]
    assert [each.out_channels for each in convolutions] == [32, 32, 64, 64]
    assert 6.4e6 < sum(each.numel() for each in model.parameters()) < 6.6e6


def test_about_the_published_number_of_parameters() -> None:
    """At 200 pixels the VGG-like network has the about 10 million of the work."""
    number = sum(each.numel() for each in SmallCNN('vgg_like', in_size=200).parameters())
    assert 10.2e6 < number < 10.4e6


def test_output_and_initialisation() -> None:
    """One feature of the hidden layer's size; weights within Glorot's bounds."""
    model = SmallCNN('custom', in_size=32, hidden=10).eval()
    model.init_weights()
    (feature,) = model(torch.rand(2, 3, 32, 32))
    assert feature.shape == (2, 10)
    bound = (6 / (64 * 2 * 2 + 10)) ** 0.5
    weights = model.hidden[1].weight
    assert 0.9 * bound < float(weights.abs().max()) <= bound
    assert float(model.hidden[1].bias.abs().max()) == 0


def test_errors() -> None:
    """Unknown networks, sizes that are too small, and photos of another size."""
    with pytest.raises(ArgumentError, match="`arch` must be one of 'vgg_like', 'custom', but got"):
        SmallCNN('vgg')
    with pytest.raises(ArgumentError, match="must be at least 16 for 'custom', but got 8"):
        SmallCNN('custom', in_size=8)
    with pytest.raises(ArgumentError, match='`in_size`=32 pixels, but got 48 x 32'):
        SmallCNN(in_size=32)(torch.rand(1, 3, 32, 48))


def detector(checkpoint: Path | None = None) -> dict[str, Any]:
    """Config of a person detector for 32 pixels."""
    init = None if checkpoint is None else {'type': 'Pretrained', 'checkpoint': str(checkpoint)}
    return {
        'type': 'ImageClassifier',
        'backbone': {'type': 'SmallCNN', 'in_size': 32, 'hidden': 16},
        'head': {'type': 'BinaryClsHead', 'in_channels': 16},
        'init_cfg': init,
    }


def build(config: dict[str, Any]) -> nn.Module:
    """Build a model of mmpretrain."""
    pytest.importorskip('mmpretrain.models')
    with DefaultScope.overwrite_default_scope('mmpretrain'):
        model: nn.Module = MODELS.build(config)
        model.init_weights()
    return model


def test_detector_learns_a_toy_task() -> None:
    """Bright squares are told from dark ones, in more than 95 % of new photos."""
    from mmpretrain.structures import DataSample

    torch.manual_seed(0)
    model = build(detector())
    optimiser = torch.optim.Adam(model.parameters(), 1e-3)

    def batch(number: int) -> tuple[torch.Tensor, list[Any]]:
        labels = torch.randint(0, 2, (number,))
        photos = 0.5 * torch.randn(number, 3, 32, 32)
        photos[:, :, 8:24, 8:24] += 2.0 * labels[:, None, None, None] - 1
        return photos, [DataSample().set_gt_label(int(label)) for label in labels]

    model.train()
    for _ in range(15):
        optimiser.zero_grad()
        model(*batch(32), mode='loss')['loss'].backward()
        optimiser.step()
    model.eval()
    with torch.no_grad():
        found = model(*batch(100), mode='predict')
    right = sum(int(each.pred_label) == int(each.gt_label) for each in found)
    assert right > 95
    for each in found:
        assert float(each.pred_score.sum()) == pytest.approx(1)
        assert int(each.pred_label) == int(each.pred_score[1] >= 0.5)


def test_person_probability(tmp_path: Path) -> None:
    """The feature is the backbone's, pooled, and the detector's probability of the same photos."""
    torch.save(build(detector()).state_dict(), tmp_path / 'person.pth')
    backbone = {'type': 'ResNet', 'depth': 18, 'stem_channels': 8, 'base_channels': 8}
    model = build(
        {
            'type': 'ImageClassifier',
            'backbone': {
                'type': 'PersonProbability',
                'backbone': backbone,
                'detector': detector(tmp_path / 'person.pth'),
            },
            'head': {'type': 'LinearClsHead', 'in_channels': 65, 'num_classes': 3},
        }
    )
    own = build(detector(tmp_path / 'person.pth')).eval()
    photos = torch.randn(4, 3, 32, 32)
    model.eval()
    (feature,) = model.backbone(photos)
    assert feature.shape == (4, 65)
    pooled = model.backbone.backbone(photos)[-1].mean((2, 3))
    torch.testing.assert_close(feature[:, :-1], pooled)
    torch.testing.assert_close(feature[:, -1], own.head(own.extract_feat(photos)).sigmoid())
    assert model.backbone(torch.randn(2, 3, 48, 48))[0].shape == (2, 65)  # resized for the detector


def test_detector_stays_as_it_is(tmp_path: Path) -> None:
    """A training step changes the backbone, and neither weights nor statistics of the detector."""
    from mmpretrain.structures import DataSample

    model = build(
        {
            'type': 'ImageClassifier',
            'backbone': {
                'type': 'PersonProbability',
                'backbone': {'type': 'SmallCNN', 'in_size': 32, 'hidden': 8},
                'detector': detector(),
            },
            'head': {'type': 'LinearClsHead', 'in_channels': 9, 'num_classes': 3},
        }
    )
    before = {name: value.clone() for name, value in model.state_dict().items()}
    model.train()
    optimiser = torch.optim.SGD([p for p in model.parameters() if p.requires_grad], 0.1)
    samples = [DataSample().set_gt_label(label) for label in (0, 1, 2)]
    model(torch.randn(3, 3, 32, 32), samples, mode='loss')['loss'].backward()
    optimiser.step()
    for name, value in model.state_dict().items():
        changed = not torch.equal(value, before[name])
        assert changed == ('detector' not in name), name


def test_last_layer_is_left_out() -> None:
    """InceptionV3 has its classifier in the backbone; its pooled feature is wanted here."""
    config = {
        'type': 'PersonProbability',
        'backbone': {'type': 'InceptionV3', 'num_classes': 7, 'init_cfg': None},
        'detector': detector(),
    }
    pytest.importorskip('mmpretrain.models')
    with DefaultScope.overwrite_default_scope('mmpretrain'):
        model = MODELS.build(config | {'leave_out': 'fc'}).eval()
        with torch.no_grad():
            assert model(torch.randn(1, 3, 299, 299))[0].shape == (1, 2049)
        with pytest.raises(ArgumentError, match="must be a layer of the backbone, but got 'top'"):
            MODELS.build(config | {'leave_out': 'top'})


def test_detector_needs_one_probability() -> None:
    """Another head is refused by its name."""
    config = detector() | {'head': {'type': 'LinearClsHead'}}
    with pytest.raises(ArgumentError, match="head of type BinaryClsHead, but got 'LinearClsHead'"):
        build({'type': 'PersonProbability', 'backbone': {'type': 'SmallCNN'}, 'detector': config})
