"""Networks of mmpretrain as an index uses them: vectors, preprocessing, weights."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from mmengine.config import Config

from bgremoval_mm.removal.errors import ArgumentError
from bgremoval_mm.search.definition import Definition, of_config

pytest.importorskip('mmpretrain')

CONFIG = """
default_scope = 'mmpretrain'
custom_imports = dict(imports=['bgremoval_mm'], allow_failed_imports=False)
model = dict(
    type='ImageClassifier',
    backbone=dict(
        type='ResNet', depth=18, stem_channels=4, base_channels=4,
        init_cfg=dict(type='Pretrained', checkpoint='https://nowhere.example/weights.pth')),
    neck=dict(type='GlobalAveragePooling'),
    head=dict(type='LinearClsHead', num_classes=3, in_channels=32))
data_preprocessor = dict(mean=[10.0] * 3, std=[50.0] * 3, to_rgb=True)
pipeline = [
    dict(type='LoadImageFromFile'), dict(type='Resize', scale=(32, 24)), dict(type='PackInputs')]
test_dataloader = dict(dataset=dict(type='CustomDataset', data_root='x', pipeline=pipeline))
"""
EMBEDDING = "head=dict(type='EmbeddingHead', in_channels=32, embedding_size=5)"


@pytest.fixture
def train(tmp_path: Path) -> Callable[..., tuple[Path, Path]]:
    """A function that writes a config, and a checkpoint of it with random weights."""

    def write(text: str = CONFIG, meta: bool = True, seed: int = 0) -> tuple[Path, Path]:
        from mmengine.registry import DefaultScope
        from mmpretrain.registry import MODELS

        config = tmp_path / 'mine.py'
        config.write_text(text)
        cfg = Config.fromfile(config)
        torch.manual_seed(seed)
        model: dict[str, Any] = cfg.model.to_dict()
        model['backbone'].pop('init_cfg', None)
        with DefaultScope.overwrite_default_scope('mmpretrain'):
            built = MODELS.build(model)
        content: dict[str, Any] = {'state_dict': built.state_dict(), 'optimizer': {}}
        if meta:
            content['meta'] = {'cfg': cfg.pretty_text}
        checkpoint = tmp_path / f'epoch_{seed}.pth'
        torch.save(content, checkpoint)
        return checkpoint, config

    return write


def photos(count: int = 3) -> list[np.ndarray]:
    """Photos of different sizes."""
    rng = np.random.default_rng(0)
    return [rng.integers(0, 256, (30 + i, 40 - i, 3)).astype(np.uint8) for i in range(count)]


def by_hand(network, image: np.ndarray) -> torch.Tensor:
    """The pooled feature of one photo, step by step."""
    import cv2

    small = cv2.resize(image, (32, 24), interpolation=cv2.INTER_LINEAR)
    inputs = (torch.from_numpy(small).permute(2, 0, 1).float()[None] - 10) / 50
    with torch.no_grad():
        return network.model.backbone(inputs)[-1].mean(dim=(2, 3))[0]


@pytest.mark.parametrize('meta', [True, False])
def test_classifier(train, meta: bool) -> None:
    """The feature before the linear layer, at length 1, with the config in the checkpoint or not.

    The preprocessing is the config's, in RGB, and no initial weights are asked for.
    """
    from bgremoval_mm.search.network import Network

    checkpoint, config = train(meta=meta)
    network = Network.from_checkpoint(checkpoint, None if meta else config, 'cpu')
    images = photos()
    vectors = network.embed(images)
    assert vectors.shape == (3, 32)
    assert vectors.dtype == np.float32
    for image, vector in zip(images, vectors, strict=True):
        feature = by_hand(network, image)
        np.testing.assert_allclose(vector, feature / feature.norm(), atol=1e-5)
    np.testing.assert_allclose(network.embed(images[1:2])[0], vectors[1], atol=1e-6)


def test_embedding(train) -> None:
    """What EmbeddingHead predicts."""
    from bgremoval_mm.search.network import Network

    text = CONFIG.replace(
        "head=dict(type='LinearClsHead', num_classes=3, in_channels=32)", EMBEDDING
    )
    network = Network.from_checkpoint(train(text)[0], device='cpu')
    (vector,) = network.embed(photos(1))
    with torch.no_grad():
        wanted = network.model.head.fc(by_hand(network, photos(1)[0]))
    np.testing.assert_allclose(vector, wanted / wanted.norm(), atol=1e-5)


def test_record(train) -> None:
    """What an index keeps is enough to load the network again; other weights are found out."""
    from bgremoval_mm.search.network import Network, NetworkError

    checkpoint, _ = train()
    network = Network.from_checkpoint(checkpoint, device='cpu')
    again = Network.from_record(network.record, 'cpu')
    assert again.record == network.record
    np.testing.assert_array_equal(again.embed(photos()), network.embed(photos()))
    other = Network.from_checkpoint(train(seed=1)[0], device='cpu')
    assert other.record.sha256 != network.record.sha256
    # The same parameters without an optimiser have the same hash.
    state = torch.load(checkpoint, weights_only=True)['state_dict']
    torch.save(state, checkpoint)
    assert Network.from_record(network.record, 'cpu').record == network.record
    state['backbone.conv1.weight'][0, 0, 0, 0] += 1
    torch.save(state, checkpoint)
    with pytest.raises(NetworkError, match=r'made by epoch_0\.pth .* has other weights now'):
        Network.from_record(network.record, 'cpu')


def test_no_pooled_feature(train) -> None:
    """A map of features is no vector."""
    from bgremoval_mm.search.network import Network, NetworkError

    text = CONFIG.replace("    neck=dict(type='GlobalAveragePooling'),\n", '')
    text = text.replace(
        "head=dict(type='LinearClsHead', num_classes=3, in_channels=32)", 'head=None'
    )
    network = Network.from_checkpoint(train(text)[0], device='cpu')
    with pytest.raises(NetworkError, match=r'must give a vector for each photo, but gives \(2, 32'):
        network.embed([photos(1)[0]] * 2)


def test_what_does_not_fit(train, tmp_path: Path) -> None:
    """Checkpoints of other configs, without one, or none at all; backbones that are none."""
    from bgremoval_mm.search.network import Network, NetworkError

    checkpoint, config = train(meta=False)
    with pytest.raises(ArgumentError, match=r'epoch_0\.pth carries no config: give it with --con'):
        Network.from_checkpoint(checkpoint)
    config.write_text(CONFIG.replace('base_channels=4', 'base_channels=8'))
    with pytest.raises(NetworkError, match=r'does not fit the config: it has parameters of other'):
        Network.from_checkpoint(checkpoint, config)
    config.write_text(CONFIG.replace('depth=18', 'depth=34'))
    with pytest.raises(NetworkError, match=r'does not fit the config: it lacks \d+ of '):
        Network.from_checkpoint(checkpoint, config)
    (tmp_path / 'x.pth').write_bytes(b'PK')
    with pytest.raises(NetworkError, match=r'x\.pth is damaged or no checkpoint'):
        Network.from_checkpoint(tmp_path / 'x.pth', config)
    with pytest.raises(FileNotFoundError, match=r'there is no checkpoint .*y\.pth'):
        Network.from_checkpoint(tmp_path / 'y.pth')
    with pytest.raises(ArgumentError, match=r'must be one of efficientnet-lite0, .* got .resnet.'):
        Network.from_backbone('resnet')


def read(text: str) -> Definition:
    """The definition of a config's text."""
    return of_config(Config.fromstring(text, '.py'), 'mine.py')


def test_removal_is_left_to_the_index() -> None:
    """Steps that change backgrounds are taken out, and what they did is remembered."""
    removing = CONFIG.replace(
        "dict(type='Resize'", "dict(type='RemoveBackground', fill=7), dict(type='Resize'"
    )
    wrapped = CONFIG.replace(
        "dict(type='CustomDataset', data_root='x', pipeline=pipeline)",
        "dict(type='RembgDataset', mask_dir='masks', model='u2netp', pipeline=pipeline, "
        "dataset=dict(type='CustomDataset', data_root='x', pipeline=[]))",
    )
    plain = read(CONFIG)
    assert not plain.removes.removes
    for text, model, fill in ((removing, 'u2net', 7), (wrapped, 'u2netp', 0)):
        found = read(text)
        assert found == plain
        assert found.removes.removes
        assert (found.removes.arguments['model'], found.removes.arguments['fill']) == (model, fill)


def test_definition_is_text() -> None:
    """It comes back as it was, tuples too; classes that are not named cannot be kept."""
    definition = read(CONFIG)
    assert definition.pipeline == [dict(type='Resize', scale=(32, 24)), dict(type='PackInputs')]
    assert Definition.parse(definition.text()) == definition
    with pytest.raises(ArgumentError, match='must be plain values'):
        Definition({'type': dict}, []).text()
    with pytest.raises(ValueError, match='not the definition of a network'):
        Definition.parse("{'mdl': 1}")


@pytest.mark.parametrize(
    ('old', 'new', 'message'),
    [
        ('test_dataloader =', 'other =', r'^mine\.py must have a `model` and a `test_dataloader`'),
        ("scope = 'mmpretrain'", "scope = 'mmdet'", r'must be a config of mmpretrain, but is one'),
        ("dict(type='LoadImageFromFile'),", '', r'must begin with a loader of colour images$'),
        (', pipeline=pipeline', '', r'no pipeline in its test dataset that loads'),
        (
            "dict(type='LoadImageFromFile')",
            "dict(type='LoadImageFromFile', color_type='grayscale')",
            r'must begin with a loader of colour images$',
        ),
    ],
)
def test_configs_that_cannot_be_used(old: str, new: str, message: str) -> None:
    """What a config must have."""
    assert old in CONFIG
    with pytest.raises(ArgumentError, match=message):
        read(CONFIG.replace(old, new))
