"""tools/compare_predictions.py on untrained networks and a few small photos."""

from __future__ import annotations

import re
import runpy
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.registry import MODELS, DefaultScope, init_default_scope
from PIL import Image

from bgremoval_mm.removal import MaskStore, read_image

CONFIG = """
default_scope = 'mmpretrain'
model = dict(
    type='ImageClassifier',
    backbone=dict(type='ResNet', depth=18, stem_channels=8, base_channels=8),
    neck=dict(type='GlobalAveragePooling'),
    head=dict(type='LinearClsHead', num_classes=2, in_channels=64, topk=(1,)))
data_preprocessor = dict(mean=[128.] * 3, std=[64.] * 3, to_rgb=True, num_classes=2)
pipeline = [
    dict(type='LoadImageFromFile'), dict(type='Resize', scale=24), dict(type='PackInputs')]
dataset = dict(type='CustomDataset', data_root='photos', data_prefix='test', pipeline=pipeline)
test_dataloader = dict(
    batch_size=4, num_workers=0, dataset=dataset, collate_fn=dict(type='default_collate'))
"""
REMBG = """
_base_ = ['toy.py']
test_dataloader = dict(dataset=dict(
    _delete_=True, type='RembgDataset', dataset=_base_.dataset, model='u2netp', mask_dir='masks',
    on_missing='error'))
"""
OTHER = "default_scope = 'mmseg'\nmodel = dict(type='EncoderDecoder')\n"
RED = (250, 60, 60)
ARMS = ('toy.py', 'toy.pth', 'toy-rembg.py', 'toy-rembg.pth')


@pytest.fixture
def compare(repository: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., int]:
    """`main` of the tool."""
    pytest.importorskip('mmpretrain')
    pytest.importorskip('matplotlib')
    monkeypatch.setattr(DefaultScope, '_instance_dict', DefaultScope._instance_dict.copy())
    main = runpy.run_path(str(repository / 'tools/compare_predictions.py'))['main']
    return lambda *arguments: main(list(arguments))


@pytest.fixture
def project(tmp_path: Path, compare: object, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A pair of configs with checkpoints, four red and four green photos with masks."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / 'toy.py').write_text(CONFIG)
    (tmp_path / 'toy-rembg.py').write_text(REMBG)
    (tmp_path / 'other.py').write_text(OTHER)
    store = MaskStore('masks', 'u2netp')
    mask = np.zeros((32, 32), np.uint8)
    mask[8:24, 8:24] = 255
    for name, colour in (('green', (60, 250, 60)), ('red', RED)):
        folder = tmp_path / 'photos' / 'test' / name
        folder.mkdir(parents=True)
        for index in range(4):
            path = folder / f'{name}{index}.png'
            Image.new('RGB', (32, 32), colour).save(path)
            store.put(f'test/{name}/{path.name}', read_image(path), mask, constant=False)
    config = Config.fromfile('toy.py')
    init_default_scope('mmpretrain')
    model = MODELS.build(dict(config.model, data_preprocessor=config.data_preprocessor))
    for name in ('toy', 'toy-rembg'):
        torch.save({'state_dict': model.state_dict()}, f'{name}.pth')
    return tmp_path


def red_pixels(path: str) -> int:
    """How many pixels of a sheet have the red photos' colour."""
    with Image.open(path) as image:
        return int((np.asarray(image.convert('RGB')) == RED).all(axis=2).sum())


def test_sheet_shows_the_photos_as_the_arms_get_them(
    compare: Callable[..., int], project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of a red photo the whole, twice, and its middle quarter; no photo at all if hidden."""
    assert compare(*ARMS, '--images', 'red2.png', '--out', 'sheets/one.png') == 0
    assert 'Look at sheets/one.png' in capsys.readouterr().out
    assert compare(*ARMS, '--images', 'green2.png', '--out', 'none.png') == 0
    assert compare(*ARMS, '--images', 'red2.png', '--out', 'hidden.png', '--hide-photos') == 0
    whole = (2.3 * 150) ** 2
    # Frames take a line of each.
    assert 2.15 * whole < red_pixels('sheets/one.png') < 2.3 * whole
    assert red_pixels('none.png') == red_pixels('hidden.png') == 0
    assert compare(*ARMS, '--number', '100', '--out', 'all.jpg') == 0


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        (('toy.py', 'toy.pth', 'other.py', 'toy.pth'), 'both configs must be of one codebase'),
        (('toy.py', 'gone.pth', 'toy-rembg.py', 'toy.pth'), 'there is no checkpoint gone.pth'),
        ((*ARMS, '--images', 'blue.png'), "'blue.png' must be the end of exactly one path"),
        ((*ARMS, '--images', '.png'), "'.png' must be the end of exactly one path.*fits 8"),
        ((*ARMS, '--subset', 'val'), 'the config has no val_dataloader'),
    ],
)
def test_errors(
    arguments: tuple[str, ...],
    message: str,
    compare: Callable[..., int],
    project: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """What cannot be compared is said in one line, and there is no sheet."""
    assert compare(*arguments) == 1
    error = capsys.readouterr().err
    assert re.search(message, error), error
    assert not Path('predictions.png').exists()


def test_checkpoint_of_another_model(
    compare: Callable[..., int], project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A checkpoint with other keys is refused, and the keys are named."""
    content = torch.load('toy.pth')
    content['state_dict']['head.extra'] = content['state_dict'].pop('head.fc.weight')
    torch.save(content, 'toy.pth')
    assert compare(*ARMS) == 1
    error = capsys.readouterr().err
    assert 'toy.pth does not fit the config' in error
    assert 'head.fc.weight' in error
    assert 'head.extra' in error


def test_photos_are_not_replaced(
    compare: Callable[..., int], project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A sheet goes neither over a photo nor among photos."""
    photo = Path('photos/test/red/red3.png')
    before = photo.read_bytes()
    for out in (photo, photo.with_name('sheet.png')):
        assert compare(*ARMS, '--number', '1', '--out', str(out)) == 1
        assert 'would lie in the photo folder' in capsys.readouterr().err
    assert photo.read_bytes() == before
    assert not photo.with_name('sheet.png').exists()
