"""From checkpoints to ONNX files: which are understood, and what their cards say."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pytest
import torch

from bgremoval_mm.engine.literal_config import read_literals
from bgremoval_mm.engine.model_export import export_model
from bgremoval_mm.removal.errors import ArgumentError
from bgremoval_mm.removal.networks.u2net import u2netp
from bgremoval_mm.removal.zoo.card import ModelCard
from bgremoval_mm.removal.zoo.model_file import read_model_file
from bgremoval_mm.version import __version__

CONFIG = """
model = dict(
    arch='u2netp',
    data_preprocessor=dict(
        bgr_to_rgb=True, mean=[127.5, 102.0, 51.0], std=[51.0, 51.0, 25.5],
        type='SegDataPreProcessor'),
    type='U2NetSegmentor')
test_dataloader = dict(dataset=dict(pipeline=[
    dict(type='LoadImageFromFile'),
    dict(keep_ratio=False, scale=(32, 32), type='Resize'),
    dict(type='ScaleToFullRange')]))
train_dataloader = dict(dataset=dict(dataset=dict(manifest='pairs.csv', type='PairsDataset')))
"""


@pytest.fixture(scope='module')
def weights() -> dict[str, torch.Tensor]:
    """U2-NetP's, at random."""
    torch.manual_seed(0)
    return u2netp().state_dict()


@pytest.fixture
def cards(monkeypatch: pytest.MonkeyPatch) -> list[ModelCard]:
    """The cards that would be written, without the seconds that an export takes."""
    written: list[ModelCard] = []

    def export(network: Any, path: Path, card: ModelCard, overwrite: bool) -> float:
        written.append(card)
        return 1e-6

    monkeypatch.setattr('bgremoval_mm.removal.networks.u2net_export.export_onnx', export)
    return written


def save(path: Path, weights: dict[str, torch.Tensor], config: str | None) -> Path:
    """Write a checkpoint as mmengine does."""
    torch.save({'state_dict': weights, 'meta': {} if config is None else {'cfg': config}}, path)
    return path


def test_checkpoint_with_its_config(
    weights, cards: list[ModelCard], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Size and normalisation are the config's, in fractions; the manifest's hash is recorded."""
    monkeypatch.chdir(tmp_path)
    Path('pairs.csv').write_bytes(b'a,b\n')
    Path('m.json').write_text('{"saliency/IoU": 0.9}')
    checkpoint = save(tmp_path / 'a.pth', weights, CONFIG)
    report = export_model(checkpoint, 'shoes.onnx', licence='MIT', metrics='m.json')
    (card,) = cards
    assert (card.name, card.architecture, card.size) == ('shoes', 'u2netp', 32)
    assert card.mean == pytest.approx((0.5, 0.4, 0.2))
    assert card.std == pytest.approx((0.2, 0.2, 0.1))
    assert card.training_manifest == hashlib.sha256(b'a,b\n').hexdigest()
    assert card.checkpoint == hashlib.sha256(checkpoint.read_bytes()).hexdigest()
    assert (card.licence, card.package_version) == ('MIT', __version__)
    assert card.metrics == {'saliency/IoU': 0.9}
    assert report.notes == []


def test_what_is_not_as_in_the_test_is_noted(weights, cards, tmp_path: Path) -> None:
    """A test pipeline that feeds the network otherwise, and a manifest that is gone."""
    config = CONFIG.replace("dict(type='ScaleToFullRange')", '').replace('(32, 32)', '(64, 32)')
    config = config.replace('keep_ratio=False', 'keep_ratio=True').replace('pairs.csv', 'gone.csv')
    report = export_model(save(tmp_path / 'a.pth', weights, config), tmp_path / 'b.onnx')
    assert report.card.size == 320
    assert [note.partition(':')[0] for note in report.notes] == [
        'the test pipeline resizes to no square',
        'the test pipeline keeps the aspect of photos, the engine does not',
        'the test pipeline has no ScaleToFullRange, which the engine does to photos',
        'the card names no training data, since gone.csv is not here',
    ]


@pytest.mark.parametrize(
    ('old', 'new'),
    [
        ("type='Resize'", "type='mmseg.Resize'"),
        ("type='ScaleToFullRange'", "type='mmengine.ScaleToFullRange'"),
        (
            'test_dataloader = dict(dataset=dict(pipeline=[',
            "test_dataloader = dict(dataset=dict(type='ConcatDataset', datasets=[dict(pipeline=[",
        ),
    ],
)
def test_test_pipeline_is_found(weights, cards, tmp_path: Path, old: str, new: str) -> None:
    """Where types have a scope, and within a dataset of several."""
    config = CONFIG.replace('pairs.csv', '').replace(old, new)
    if 'datasets' in new:
        config = config.replace("'ScaleToFullRange')]))", "'ScaleToFullRange')])]))")
    report = export_model(save(tmp_path / 'a.pth', weights, config), tmp_path / 'b.onnx')
    assert cards[0].size == 32
    assert not any('test pipeline' in note for note in report.notes)


def test_config_that_is_given_wins(weights, cards, tmp_path: Path) -> None:
    """A config file takes the place of that in the checkpoint."""
    (tmp_path / 'c.py').write_text(CONFIG.replace('(32, 32)', '(64, 64)'))
    checkpoint = save(tmp_path / 'a.pth', weights, CONFIG)
    export_model(checkpoint, tmp_path / 'b.onnx', tmp_path / 'c.py', manifest=tmp_path / 'c.py')
    assert cards[0].size == 64
    assert len(cards[0].training_manifest) == 64


def test_plain_weights(weights, cards, tmp_path: Path) -> None:
    """A file of the authors' names is fed as u2net."""
    torch.save(weights, tmp_path / 'a.pth')
    report = export_model(tmp_path / 'a.pth', tmp_path / 'b.onnx', name='first')
    assert (cards[0].architecture, cards[0].size, cards[0].name) == ('u2netp', 320, 'first')
    assert report.notes == ['there is no config: the network is fed as u2net is, at 320 x 320']


@pytest.mark.slow
def test_exported_again(weights, tmp_path: Path) -> None:
    """A file is exported from a file: the card stays, but for what is given."""
    checkpoint = save(tmp_path / 'a.pth', weights, CONFIG)
    first = export_model(checkpoint, tmp_path / 'b.onnx', licence='MIT')
    second = export_model(first.path, tmp_path / 'c.onnx', licence='CC0-1.0')
    assert second.gap < 1e-4
    file = read_model_file(second.path)
    assert file.card == second.card
    assert (file.card.size, file.card.mean) == (32, first.card.mean)
    assert (file.card.name, file.card.licence) == ('c', 'CC0-1.0')
    with pytest.raises(ArgumentError, match='`config` is for checkpoints'):
        export_model(first.path, tmp_path / 'd.onnx', tmp_path / 'c.py')


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        (("type='U2NetSegmentor'", "type='EncoderDecoder'"), "has the model 'EncoderDecoder'"),
        (("arch='u2netp'", "arch='u2net'"), 'the weights must be of u2net'),
        (('bgr_to_rgb=True, ', ''), 'must have bgr_to_rgb=True'),
        (('std=[51.0, 51.0, 25.5],', ''), 'must have a `std`'),
        (('model = dict(', 'model = dict(('), 'the config in the checkpoint cannot be read'),
    ],
)
def test_checkpoints_that_are_refused(
    weights, tmp_path: Path, change: tuple[str, str], message: str
) -> None:
    """A config of another model, or one that the engine would feed otherwise."""
    checkpoint = save(tmp_path / 'a.pth', weights, CONFIG.replace(*change))
    with pytest.raises(ArgumentError, match=message):
        export_model(checkpoint, tmp_path / 'b.onnx')
    assert not (tmp_path / 'b.onnx').exists()


def test_no_checkpoint(tmp_path: Path) -> None:
    """Text, and a file that holds something else than weights."""
    (tmp_path / 'a.pth').write_text('hello')
    with pytest.raises(ArgumentError, match=r'a\.pth must be a checkpoint of PyTorch'):
        export_model(tmp_path / 'a.pth', tmp_path / 'b.onnx')
    torch.save({'epoch': 3}, tmp_path / 'a.pth')
    with pytest.raises(ArgumentError, match='must hold weights by name'):
        export_model(tmp_path / 'a.pth', tmp_path / 'b.onnx')


def test_config_is_not_run(tmp_path: Path) -> None:
    """Literals and dicts of them are read; whatever else stands there is left out."""
    ran = tmp_path / 'ran'
    found = read_literals(
        f"import os\nopen({str(ran)!r}, 'w')\n"
        "a = dict(x=1, y=[(-1, 2.5), None], z=dict(k=open('f')), **dict(b=2))\n"
        "b = {'k': True, 1: 'x', **a}\nc = __import__('os')\nd = [1, f()]\n"
    )
    assert found == {'a': {'x': 1, 'y': [(-1, 2.5), None], 'z': {}}, 'b': {'k': True, 1: 'x'}}
    assert not ran.exists()
