"""tools/attention_score.py on eight made-up photos."""

from __future__ import annotations

import csv
import json
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
custom_imports = dict(imports=['bgremoval_mm'], allow_failed_imports=False)
default_scope = 'mmpretrain'
model = dict(
    type='ImageClassifier',
    backbone=dict(type='MobileNetV2', widen_factor=0.1, out_indices=(2,)),
    neck=dict(type='GlobalAveragePooling'),
    head={head})
data_preprocessor = dict(mean=[127.0] * 3, std=[64.0] * 3, to_rgb=True)
pipeline = [
    dict(type='LoadImageFromFile'), dict(type='CenterCrop', crop_size=32), dict(type='PackInputs')]
test_dataloader = dict(
    batch_size=4, num_workers=0, sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(
        type='CustomDataset', data_root='photos', data_prefix='{prefix}', pipeline=pipeline))
test_cfg = dict()
test_evaluator = dict(type='Accuracy', topk=(1,))
"""
EMBEDDING = (
    "dict(type='EmbeddingHead', in_channels=8, num_classes=2, loss=dict(type='ContrastiveLoss'))"
)
CLASSES = "dict(type='LinearClsHead', in_channels=8, num_classes=2)"


@pytest.fixture
def tool(
    masked_photos: Path, repository: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., int]:
    """`main` of the tool, in a folder with photos, masks, and two configs with checkpoints."""
    pytest.importorskip('mmpretrain.models')
    monkeypatch.chdir(masked_photos)
    monkeypatch.setattr(DefaultScope, '_instance_dict', DefaultScope._instance_dict.copy())
    for name, head in (('classes', CLASSES), ('vectors', EMBEDDING)):
        Path(f'{name}.py').write_text(CONFIG.format(head=head, prefix='test'))
        config = Config.fromfile(f'{name}.py')
        init_default_scope('mmpretrain')
        torch.manual_seed(0)
        torch.save({'state_dict': MODELS.build(config.model).state_dict()}, f'{name}.pth')
    main = runpy.run_path(str(repository / 'tools/attention_score.py'))['main']
    quick = ('--samples', '2', '--device', 'cpu')
    return lambda *arguments: main([*arguments, *quick])


def table(out: Path) -> list[dict[str, str]]:
    """The rows of the table of all photos."""
    return list(csv.DictReader((out / 'scores.csv').read_text().splitlines()))


def test_one_model(tool: Callable[..., int], capsys: pytest.CaptureFixture[str]) -> None:
    """Scores of all photos, their mean, and a picture, in the folder of the config."""
    assert tool('classes.py', 'classes.pth', '--mask-dir', 'masks') == 0
    out = Path('work_dirs/classes/attention')
    rows = table(out)
    assert [row['file'] for row in rows] == [
        f'photos/test/{name}/{number}.png'
        for name, first in (('hat', 0), ('shoe', 1))
        for number in range(first, 8, 2)
    ]
    assert [row['label'] for row in rows] == ['0'] * 4 + ['1'] * 4
    summary = json.loads((out / 'summary.json').read_text())
    (model,) = summary['models']
    scores = [float(row['score']) for row in rows]
    assert model['score'] == pytest.approx(np.mean(scores), abs=1e-6)
    assert (model['photos'], model['undefined'], summary['difference']) == (8, 0, None)
    assert summary['settings']['samples'] == 2
    for row in rows:
        share = float(row['foreground'])
        expected = (float(row['attention']) - share) / (1 - share)
        assert float(row['score']) == pytest.approx(expected, abs=1e-5)
    with Image.open(out / 'attention.png') as sheet:
        assert sheet.width > 1000
    printed = capsys.readouterr().out
    assert f'classes: {model["score"]:.4f}, 95 % interval [' in printed
    assert '8 photos, 0 undefined' in printed


def test_two_models(tool: Callable[..., int], capsys: pytest.CaptureFixture[str]) -> None:
    """A classifier and an embedding on the same four photos, and the paired difference."""
    arguments = ('classes.py', 'classes.pth', '--compare', 'vectors.py', 'vectors.pth')
    assert tool(*arguments, '--mask-dir', 'masks', '--photos', '4', '--out', 'out') == 0
    rows = table(Path('out'))
    found = json.loads(Path('out/summary.json').read_text())['difference']
    pairs = [float(row['after_score']) - float(row['score']) for row in rows]
    assert found['difference'] == pytest.approx(np.mean(pairs), abs=1e-6)
    assert found['photos'] == len(rows) == 4
    assert found['low'] < found['difference'] < found['high']
    assert 'difference, after minus before: ' in capsys.readouterr().out
    first = Path('out/scores.csv').read_bytes()
    assert tool(*arguments, '--mask-dir', 'masks', '--photos', '4', '--out', 'out') == 0
    assert Path('out/scores.csv').read_bytes() == first


def test_the_same_model_twice(tool: Callable[..., int]) -> None:
    """The noise is that of the photo: a model does not differ from itself."""
    arguments = ('vectors.py', 'vectors.pth', '--compare', 'vectors.py', 'vectors.pth')
    assert tool(*arguments, '--mask-dir', 'masks', '--photos', '3', '--out', 'out') == 0
    found = json.loads(Path('out/summary.json').read_text())['difference']
    # Equal differences, which say nothing of the spread.
    assert found == {'difference': 0, 'low': None, 'high': None, 'photos': 3}


def test_nothing_is_defined(tool: Callable[..., int], capsys: pytest.CaptureFixture[str]) -> None:
    """Masks that cover everything: no score, no picture, and no old picture either."""
    store = MaskStore('masks', 'u2net')
    for path in Path('photos').rglob('*.png'):
        full = np.full((32, 48), 255, np.uint8)
        name = str(path.relative_to('photos'))
        store.put(name, read_image(path), full, constant=False)
    for photos in ('1', '2'):
        arguments = ('--mask-dir', 'masks', '--out', 'out', '--photos', photos)
        assert tool('classes.py', 'classes.pth', *arguments) == 0
    summary = json.loads(Path('out/summary.json').read_text())
    assert (summary['models'][0]['score'], summary['models'][0]['undefined']) == (None, 2)
    assert not Path('out/attention.png').exists()
    printed = capsys.readouterr().out
    assert 'classes: undefined for all photos, 2 photos, 2 undefined' in printed
    assert 'All figures are in out/scores.csv' in printed


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        (('classes.py', 'none.pth', '--mask-dir', 'masks'), 'there is no checkpoint none.pth'),
        (('classes.py', 'vectors.pth', '--mask-dir', 'masks'), 'vectors.pth does not fit'),
        (('none.py', 'classes.pth', '--mask-dir', 'masks'), 'config: there is no file none.py'),
        (('classes.py', 'classes.pth'), '`mask_dir` must be given: neither'),
        (('classes.py', 'classes.pth', '--mask-dir', 'nowhere'), 'no mask'),
        (
            ('classes.py', 'classes.pth', '--mask-dir', 'masks', '--img-root', 'elsewhere'),
            'elsewhere',
        ),
        (('classes.py', 'classes.pth', '--mask-dir', 'masks', '--out', 'taken'), 'not written by'),
        (
            ('classes.py', 'classes.pth', '--mask-dir', 'masks', '--cfg-options', 'model.head='),
            'model cannot be built: cfg should be a dict',
        ),
    ],
)
def test_errors(
    tool: Callable[..., int],
    capsys: pytest.CaptureFixture[str],
    arguments: tuple[str, ...],
    message: str,
) -> None:
    """One line that says what is wrong, exit status 1, and nothing is written."""
    Path('taken').mkdir()
    Path('taken/summary.json').write_text('{"mine": 1}')
    out = () if '--out' in arguments else ('--out', 'out')
    assert tool(*arguments[:2], *out, *arguments[2:]) == 1
    error = capsys.readouterr().err.strip().splitlines()[-1]
    assert error.startswith('error: ')
    assert message in error
    assert not Path('out').exists()
