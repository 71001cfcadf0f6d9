"""A work that the package does not know goes through plan, runs and report."""

from __future__ import annotations

import json
import runpy
import shutil
from pathlib import Path

import pandas as pd
import pytest
from mmengine.registry import DefaultScope

from bgremoval_mm.experiments.papers import load_work

ROOT = Path(__file__).resolve().parents[2]
HERE = Path(__file__).parent / 'made_up'

CONFIG = """
custom_imports = dict(imports=['bgremoval_mm', 'tiny_work'], allow_failed_imports=False)
default_scope = 'mmengine'
model = dict(type='TinyModel')
pipeline = [dict(type='LoadImageFromFile'), dict(type='TinyPack')]
dataset = dict(type='TinyPhotos', data_root='photos', pipeline=pipeline)
train_dataloader = dict(
    batch_size=5, num_workers=0, sampler=dict(type='DefaultSampler', shuffle=True),
    dataset=dataset, collate_fn=dict(type='default_collate'))
val_dataloader = test_dataloader = dict(
    batch_size=5, num_workers=0, sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dataset, collate_fn=dict(type='default_collate'))
val_evaluator = test_evaluator = dict(type='TinyHits')
train_cfg = dict(by_epoch=True, max_epochs=2)
val_cfg = test_cfg = dict()
optim_wrapper = dict(optimizer=dict(type='SGD', lr=0.1))
vis_backends = [dict(type='LocalVisBackend')]
visualizer = dict(type='Visualizer', vis_backends=vis_backends)
"""
VARIANT = """
_base_ = './linear_photos.py'
pipeline = [
    dict(type='LoadImageFromFile'), dict(type='TinyFrame', level={level}), dict(type='TinyPack')]
train_dataloader = dict(dataset=dict(pipeline=pipeline))
val_dataloader = dict(dataset=dict(pipeline=pipeline))
test_dataloader = dict(dataset=dict(pipeline=pipeline))
custom_hooks = [dict(type='DiffMetricsHook')]
"""


@pytest.fixture
def project(clothing10_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with photos and the configs of the work, whose module can be imported."""
    pytest.importorskip('mmcv')
    shutil.copytree(clothing10_root, tmp_path / 'photos')
    folder = tmp_path / 'configs' / 'tiny'
    folder.mkdir(parents=True)
    (folder / 'linear_photos.py').write_text(CONFIG)
    (folder / 'linear_photos-rembg.py').write_text(VARIANT.format(level=0))
    (folder / 'linear_photos-bgaug.py').write_text(VARIANT.format(level=200))
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(HERE)
    monkeypatch.setenv('PYTHONPATH', f'{ROOT}:{HERE}')
    monkeypatch.setattr(DefaultScope, '_instance_dict', DefaultScope._instance_dict.copy())
    return tmp_path


@pytest.mark.slow
def test_own_work(project: Path, capsys: pytest.CaptureFixture) -> None:
    """Three variants, two folds, its own metric, a number and a claim."""
    main = runpy.run_path(str(ROOT / 'tools/reproduce.py'))['main']
    selection = [
        '--work',
        'tiny_work',
        '--configs',
        'configs',
        '--root',
        'out',
        '--seeds',
        '3',
    ]

    assert main(['plan', *selection]) == 0
    out = capsys.readouterr().out
    assert 'Fig. 1, photos' in out
    assert '6 pending' in out
    assert main(['plan', *selection, '--folds', '1']) == 0
    assert '3 pending' in capsys.readouterr().out
    assert main(['plan', *selection, '--folds', '2']) == 1
    assert '`folds` must be of 0, 1, but got 2' in capsys.readouterr().err

    assert main(['run', *selection, '--jobs', '2']) == 0, capsys.readouterr().out
    assert '6 done now, 0 failed' in capsys.readouterr().out
    results = {}
    for variant in ('', '-rembg', '-bgaug'):
        for fold in (0, 1):
            folder = project / 'out' / f'linear_photos{variant}' / f'fold{fold}' / 'seed3'
            results[variant, fold] = json.loads((folder / 'result.json').read_text())
            (saved,) = folder.glob('*/vis_data/config.py')
            assert f'indices=[{fold},{fold + 2},' in ''.join(saved.read_text().split())
    assert results['-bgaug', 1]['experiment'] == {
        'work': 'tiny_work',
        'place': 'Fig. 1',
        'model': 'linear',
        'title': 'Linear',
        'config': 'tiny/linear_photos-bgaug.py',
        'dataset': 'photos',
        'arm': 'bgaug',
        'seed': 3,
        'fold': 1,
    }
    compared = json.loads(
        (project / 'out/linear_photos-bgaug/fold1/seed3/diff_metrics.json').read_text()
    )
    hits = results['', 1]['metrics']['tiny/hits']
    assert compared['test']['tiny/hits']['original'] == hits

    assert main(['plan', *selection]) == 0
    out = capsys.readouterr().out
    assert '6 done' in out
    assert 'DD' in out  # of a seed, both folds

    assert main(['report', '--root', 'out']) == 0
    table = pd.read_csv('out/report/fig_1_photos.csv').set_index('variant')
    assert list(table.index) == ['background removed', 'background replaced']
    mean = sum(results['', fold]['metrics']['tiny/hits'] for fold in (0, 1)) / 2
    assert table.loc['background replaced', 'original'] == pytest.approx(mean, abs=5e-4)
    assert str(table.loc['background replaced', 'seeds']) == '3'
    assert table.loc['background replaced', 'folds'] == '0 1'
    assert table.loc['background replaced', '95 % over seeds'] == '—'  # folds are no seeds
    assert table.loc['background replaced', 'paper: difference'] == '+0.125'
    assert table.loc['background removed', 'paper: changed'] == '—'
    (claim,) = pd.read_csv('out/report/fig_1_photos_claims.csv').to_dict('records')
    assert claim['the paper says'] == 'Replacing helps.'
    page = (project / 'out/report/index.html').read_text()
    assert '<h1>Original against other backgrounds</h1>' in page
    assert 'Nobody: A Made-up Work, 2026' in page
    assert 'Differences are each variant minus original.' in page
    assert main(['report', '--root', 'out']) == 0  # recognised as ours, and replaced
    assert load_work('tiny_work').title == 'Nobody 2026'
