"""`bgremoval serve --search`: what is served, and what is an error before anything is."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from mmengine.config import Config
from PIL import Image
from starlette.testclient import TestClient

from bgremoval_mm.cli.main import main
from bgremoval_mm.serving import run

pytest.importorskip('mmpretrain')

CONFIG = """
default_scope = 'mmpretrain'
model = dict(
    type='ImageClassifier',
    backbone=dict(type='ResNet', depth=18, stem_channels=4, base_channels=4),
    neck=dict(type='GlobalAveragePooling'),
    head=dict(type='LinearClsHead', num_classes=3, in_channels=32))
data_preprocessor = dict(mean=[10.0] * 3, std=[50.0] * 3, to_rgb=True)
pipeline = [
    dict(type='LoadImageFromFile'), dict(type='Resize', scale=(32, 24)), dict(type='PackInputs')]
test_dataloader = dict(dataset=dict(type='CustomDataset', data_root='x', pipeline=pipeline))
"""


@pytest.fixture
def train(tmp_path: Path) -> Callable[[int], Path]:
    """A function that writes a checkpoint with random weights and its config."""

    def write(seed: int) -> Path:
        from mmengine.registry import DefaultScope
        from mmpretrain.registry import MODELS

        cfg = Config.fromstring(CONFIG, '.py')
        torch.manual_seed(seed)
        with DefaultScope.overwrite_default_scope('mmpretrain'):
            built = MODELS.build(cfg.model.to_dict())
        checkpoint = tmp_path / f'epoch_{seed}.pth'
        content = {'state_dict': built.state_dict(), 'meta': {'cfg': cfg.pretty_text}}
        torch.save(content, checkpoint)
        return checkpoint

    return write


@pytest.fixture
def index(tmp_path: Path, train: Callable[[int], Path]) -> Path:
    """An index of four photos, made by the command."""
    rng = np.random.default_rng(0)
    (tmp_path / 'photos').mkdir()
    for number in range(4):
        pixels = rng.integers(0, 256, (20, 30, 3), np.uint8)
        Image.fromarray(pixels).save(tmp_path / 'photos' / f'{number}.png')
    path = tmp_path / 'shop.index'
    arguments = ['search', 'index', str(tmp_path / 'photos'), str(path), '--device', 'cpu']
    assert main([*arguments, '--checkpoint', str(train(0))]) == 0
    return path


@pytest.fixture
def serve(index: Path, tiny_model: Callable[[str], Any]) -> Callable[..., int]:
    """A function that runs the command on that index."""
    tiny_model('u2netp')
    command = ['serve', '--model', 'u2netp', '--backend', 'onnxruntime', '--device', 'cpu']
    return lambda *more: main([*command, '--port', '0', '--search', str(index), *more])


def test_it_serves(
    serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A photo of the index finds itself, `-k` of them are found, by a checkpoint that has moved."""
    answers: list[Any] = []

    def ask(app: Any, engine: Any, listening: Any) -> None:
        with listening, TestClient(app, 'http://localhost') as client:
            engine.batcher.ready.result(60)
            answers.append(client.post('/search', content=content).json())
            answers.append(client.get(answers[0]['hits'][0]['thumbnail']).content)

    content = (tmp_path / 'photos' / '2.png').read_bytes()
    monkeypatch.setattr(run, 'serve', ask)
    moved = (tmp_path / 'epoch_0.pth').rename(tmp_path / 'moved.pth')
    assert serve('-k', '2', '--search-checkpoint', str(moved)) == 0
    found, thumbnail = answers
    assert [hit['rank'] for hit in found['hits']] == [1, 2]
    assert found['hits'][0]['path'] == '2.png'
    assert found['hits'][0]['similarity'] == pytest.approx(1, abs=1e-5)
    assert Image.open(io.BytesIO(thumbnail)).size == (30, 20)
    assert '/search searches 4 photos' in capsys.readouterr().err


def test_what_does_not_fit(serve, train, tmp_path: Path, monkeypatch, capsys) -> None:
    """Another checkpoint or preprocessing: both are named; no checkpoint."""
    monkeypatch.setattr(run, 'serve', lambda *_: pytest.fail('it was served'))
    assert serve('--search-checkpoint', str(train(1))) == 1
    said = capsys.readouterr().err
    assert 'was made by epoch_0.pth (sha256' in said
    assert 'but this is epoch_1.pth (sha256' in said
    config = tmp_path / 'other.py'
    config.write_text(CONFIG.replace('scale=(32, 24)', 'scale=(40, 24)'))
    checkpoint = ['--search-checkpoint', str(tmp_path / 'epoch_0.pth')]
    assert serve(*checkpoint, '--search-config', str(config)) == 1
    said = capsys.readouterr().err
    assert 'with the preprocessing' in said
    assert '32' in said
    assert '40' in said
    assert serve('-k', '101') == 1
    assert '`k` must be from 1 to 100, but got 101' in capsys.readouterr().err
    (tmp_path / 'epoch_0.pth').unlink()
    assert serve() == 1
    assert 'there is no checkpoint' in capsys.readouterr().err


def test_wrong_options(
    tiny_model: Callable[[str], Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Options that need another one, and an index that is none."""
    for options, words in (
        (['-k', '3'], '-k goes with --search'),
        (['--search-checkpoint', 'x'], '--search-checkpoint goes with --search'),
        (['--search', 'x', '--search-config', 'y'], 'goes with --search-checkpoint'),
    ):
        with pytest.raises(SystemExit):
            main(['serve', *options])
        assert words in capsys.readouterr().err
    tiny_model('u2netp')
    assert main(['serve', '--model', 'u2netp', '--search', str(tmp_path)]) == 1
    assert (
        'INDEX must be a folder that `bgremoval search index` has made' in capsys.readouterr().err
    )
