"""tools/train.py and tools/test.py, as a user starts them, and the config that they make."""

from __future__ import annotations

import argparse
import json
import os
import pickle
import runpy
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import mmpretrain
import numpy as np
import pytest
import torch
from mmengine.config import Config, ConfigDict
from PIL import Image

from bgremoval_mm.engine.run_config import build_test_config, build_train_config
from bgremoval_mm.engine.work_dir import read_run

ROOT = Path(__file__).resolve().parents[2]

CONFIG = """
custom_imports = dict(imports=['bgremoval_mm'], allow_failed_imports=False)
default_scope = 'mmpretrain'
model = dict(
    type='ImageClassifier',
    backbone=dict(type='LeNet5', num_classes=2),
    head=dict(type='ClsHead', loss=dict(type='CrossEntropyLoss')))
data_preprocessor = dict(num_classes=2, mean=[128.], std=[64.])
pipeline = [
    dict(type='LoadImageFromFile', color_type='grayscale'),
    dict(type='PackInputs')]
train_dataloader = dict(
    batch_size=4, num_workers=0,
    dataset=dict(type='CustomDataset', data_prefix='data', pipeline=pipeline),
    sampler=dict(type='DefaultSampler', shuffle=True))
val_dataloader = dict(
    batch_size=4, num_workers=0,
    dataset=dict(type='CustomDataset', data_prefix='data', pipeline=pipeline),
    sampler=dict(type='DefaultSampler', shuffle=False))
test_dataloader = val_dataloader
val_evaluator = test_evaluator = dict(type='Accuracy', topk=(1,))
train_cfg = dict(by_epoch=True, max_epochs=1)
val_cfg = test_cfg = dict()
optim_wrapper = dict(optimizer=dict(type='SGD', lr=0.01))
auto_scale_lr = dict(base_batch_size=8)
default_hooks = dict(visualization=dict(type='VisualizationHook'))
visualizer = dict(type='UniversalVisualizer', vis_backends=[dict(type='LocalVisBackend')])
randomness = dict(seed=0)
"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a small classification config and eight 32 x 32 images of two classes."""
    monkeypatch.chdir(tmp_path)
    random = np.random.default_rng(0)
    for label, level in (('dark', 60), ('light', 190)):
        folder = tmp_path / 'data' / label
        folder.mkdir(parents=True)
        for index in range(4):
            pixels = (level + random.integers(-40, 40, (32, 32))).astype(np.uint8)
            Image.fromarray(pixels).save(folder / f'{label}{index}.png')
    (tmp_path / 'configs').mkdir()
    (tmp_path / 'configs' / 'toy.py').write_text(CONFIG)
    return tmp_path


def tool(name: str, *arguments: str) -> str:
    """Run a tool of the repository in a process of its own; returns what it wrote."""
    environment = {**os.environ, 'PYTHONPATH': str(ROOT), 'OMP_NUM_THREADS': '1'}
    environment.pop('LOCAL_RANK', None)
    done = subprocess.run(
        [sys.executable, str(ROOT / 'tools' / f'{name}.py'), *arguments],
        capture_output=True,
        text=True,
        env=environment,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return done.stdout + done.stderr


def train_args(**changes: Any) -> argparse.Namespace:
    """The arguments of tools/train.py."""
    defaults = {
        'config': 'configs/toy.py',
        'work_dir': None,
        'resume': None,
        'amp': False,
        'no_validate': False,
        'auto_scale_lr': False,
        'launcher': 'none',
        'cfg_options': None,
    }
    return argparse.Namespace(**{**defaults, **changes})


def test_args(**changes: Any) -> argparse.Namespace:
    """The arguments of tools/test.py."""
    defaults = {
        'config': 'configs/toy.py',
        'checkpoint': 'https://example.org/toy.pth',
        'work_dir': None,
        'out': None,
        'show': False,
        'show_dir': None,
        'wait_time': 2.0,
        'tta': False,
        'launcher': 'none',
        'cfg_options': None,
    }
    return argparse.Namespace(**{**defaults, **changes})


test_args.__test__ = False  # type: ignore[attr-defined]


@pytest.mark.slow
def test_train_resume_and_test(
    project: Path, run_tool: Callable[..., None], capfd: pytest.CaptureFixture[str]
) -> None:
    """A config without ``collate_fn`` trains, resumes, is tested and compared with its pair."""
    (project / 'configs' / 'toy-rembg.py').write_text(
        "_base_ = ['toy.py']\ncustom_hooks = [dict(type='DiffMetricsHook')]\n"
    )
    tool('train', 'configs/toy.py')
    run_tool('train', 'configs/toy.py', '--resume', '--cfg-options', 'train_cfg.max_epochs=2')
    assert list(read_run('work_dirs/toy').val) == [1, 2]
    checkpoint = 'work_dirs/toy/epoch_2.pth'
    tool('test', 'configs/toy.py', checkpoint, '--out', 'out/toy.json', '--show-dir', 'shown')
    metrics = json.loads(Path('out/toy.json').read_text())
    assert metrics == read_run('work_dirs/toy').test
    assert list(metrics) == ['accuracy/top1']
    assert len(list(Path('shown').rglob('*.png'))) == 8
    # The second arm, here on the same images and seed: all differences are zero.
    two = ['--cfg-options', 'train_cfg.max_epochs=2']
    run_tool('train', 'configs/toy-rembg.py', *two)
    trained = 'work_dirs/toy-rembg/epoch_2.pth'
    run_tool('test', 'configs/toy-rembg.py', trained, '--out', 'p.pkl')
    assert 'Difference to the baseline' in capfd.readouterr().out
    report = json.loads(Path('work_dirs/toy-rembg/diff_metrics.json').read_text())
    assert report['last']['accuracy/top1']['original_step'] == 2
    assert report['test']['accuracy/top1']['original'] == metrics['accuracy/top1']
    assert report['runs']['test']['checkpoint'] == 'work_dirs/toy-rembg/epoch_2.pth'
    about = report['runs']['test']
    assert (about['tta'], about['images'], about['removal']) == (False, 8, [])
    predictions = pickle.loads(Path('p.pkl').read_bytes())
    assert len(predictions) == 8
    assert {'pred_label', 'gt_label'} <= set(predictions[0])


@pytest.mark.slow
def test_test_time_augmentation(project: Path, run_tool: Callable[..., None]) -> None:
    """``--tta`` of a classification config without ``tta_*`` averages over a mirror image."""
    from mmpretrain.models.backbones import LeNet5

    torch.manual_seed(0)
    model = LeNet5(num_classes=2)
    model.eval()
    state = {f'backbone.{key}': value for key, value in model.state_dict().items()}
    torch.save({'state_dict': state}, 'toy.pth')
    run_tool('test', 'configs/toy.py', 'toy.pth', '--tta', '--out', 'tta.pkl')
    predictions = pickle.loads(Path('tta.pkl').read_bytes())
    assert len(predictions) == 8
    for sample in predictions:
        pixels = torch.from_numpy(np.asarray(Image.open(sample['img_path']), dtype=np.float32))
        both = torch.stack([pixels, pixels.flip(-1)]).unsqueeze(1)
        with torch.no_grad():
            (logits,) = model((both - 128) / 64)
        scores = logits.softmax(-1)
        assert not torch.allclose(scores[0], scores[1], atol=1e-4)
        torch.testing.assert_close(sample['pred_score'], scores.mean(0), atol=1e-5, rtol=0)


@pytest.mark.slow
def test_tta_of_stock_tools_is_told(
    project: Path, run_tool: Callable[..., None], capfd: pytest.CaptureFixture[str]
) -> None:
    """mmpretrain's own test.py on the original arm, with and without ``--tta``; ours after it."""
    from mmpretrain.models.backbones import LeNet5

    (project / 'configs' / 'toy-rembg.py').write_text(
        "_base_ = ['toy.py']\ncustom_hooks = [dict(type='DiffMetricsHook')]\n"
    )
    state = {f'backbone.{key}': value for key, value in LeNet5(2).state_dict().items()}
    torch.save({'state_dict': state}, 'toy.pth')
    stock = Path(mmpretrain.__file__).parent / '.mim' / 'tools' / 'test.py'
    run_tool(stock, 'configs/toy.py', 'toy.pth')
    arguments = ('configs/toy-rembg.py', 'toy.pth', '--tta', '--out', 'tta.json')
    run_tool('test', *arguments)
    log = capfd.readouterr().out
    assert 'it was tested without TTA, this run with' in log
    assert '--work-dir work_dirs/toy --tta' in log
    assert not Path('work_dirs/toy-rembg/diff_metrics.json').exists()
    assert json.loads(Path('tta.json').read_text())['tta'] is True
    run_tool(stock, 'configs/toy.py', 'toy.pth', '--tta')
    run_tool('test', *arguments)
    assert 'Difference to the baseline' in capfd.readouterr().out
    report = json.loads(Path('work_dirs/toy-rembg/diff_metrics.json').read_text())
    assert report['runs']['test']['tta'] is True
    assert report['test']['accuracy/top1']['diff'] == 0.0
    run_tool(stock, *arguments[:2])
    assert 'Difference to the baseline' in capfd.readouterr().out
    report = json.loads(Path('work_dirs/toy-rembg/diff_metrics.json').read_text())
    assert report['runs']['test']['tta'] is False


def in_process(name: str, monkeypatch: pytest.MonkeyPatch, *arguments: str) -> SystemExit:
    """Run a tool that is expected to end early, without the cost of a process."""
    monkeypatch.setattr(sys, 'argv', [f'{name}.py', *arguments])
    monkeypatch.setenv('LOCAL_RANK', '0')
    with pytest.raises(SystemExit) as info:
        runpy.run_path(str(ROOT / 'tools' / f'{name}.py'), run_name='__main__')
    return info.value


def test_wrong_paths_give_one_line(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A missing config or checkpoint ends the tool with one line (and so exit code 1)."""
    ended = in_process('train', monkeypatch, 'configs/nothing.py')
    assert ended.code == 'train.py: error: config: there is no file configs/nothing.py'
    (project / 'work').mkdir()
    (project / 'work' / 'epoch_3.pth').touch()
    ended = in_process('test', monkeypatch, 'configs/toy.py', 'work/epoch_4.pth')
    problem = 'checkpoint: there is no checkpoint work/epoch_4.pth; work has epoch_3.pth'
    assert ended.code == f'test.py: error: {problem}'


def test_help_does_not_name_gpus(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """MIM appends ``--gpus`` to the command line of a tool whose help has that word."""
    for name in ('train', 'test'):
        assert in_process(name, monkeypatch, '--help').code == 0
        text = capsys.readouterr().out
        assert '--cfg-options' in text
        assert '--gpus' not in text


def test_missing_base_names_the_file(project: Path) -> None:
    """A config whose base is missing is reported like a missing config."""
    (project / 'configs' / 'child.py').write_text("_base_ = ['missing.py']\n")
    with pytest.raises(FileNotFoundError, match=r'missing\.py'):
        build_train_config(train_args(config='configs/child.py'))


def test_options_win_in_order(project: Path) -> None:
    """Config < flags < ``--cfg-options``; the work_dir's default comes last."""
    assert build_train_config(train_args()).work_dir == 'work_dirs/toy'
    with (project / 'configs' / 'toy.py').open('a') as config:
        config.write("work_dir = 'in_config'\n")
    assert build_train_config(train_args()).work_dir == 'in_config'
    assert build_train_config(train_args(work_dir='flag')).work_dir == 'flag'
    options = {'work_dir': 'option', 'launcher': 'slurm'}
    cfg = build_train_config(train_args(work_dir='flag', no_validate=True, cfg_options=options))
    assert cfg.work_dir == 'option'
    assert cfg.launcher == 'slurm'
    assert (cfg.val_cfg, cfg.val_dataloader, cfg.val_evaluator) == (None, None, None)


def test_cfg_options_that_do_not_fit(project: Path) -> None:
    """An option into something that is no dict is an error that names it."""
    with pytest.raises(ValueError, match='--cfg-options do not fit the config'):
        build_train_config(train_args(cfg_options={'pipeline.7.type': 'X'}))


def test_mmpretrain_loaders_are_completed(project: Path) -> None:
    """Loaders get what mmpretrain's own tools give them; the config's word stands."""
    options = {'train_dataloader.num_workers': 2, 'val_dataloader.pin_memory': False}
    cfg = build_train_config(train_args(cfg_options=options))
    assert cfg.train_dataloader.collate_fn == {'type': 'default_collate'}
    assert cfg.train_dataloader.persistent_workers is True
    assert cfg.val_dataloader.persistent_workers is False  # no workers to keep
    assert cfg.val_dataloader.pin_memory is False
    assert cfg.test_dataloader.pin_memory is True
    other = build_train_config(train_args(cfg_options={'default_scope': 'mmdet'}))
    assert 'collate_fn' not in other.train_dataloader


def test_resume(project: Path) -> None:
    """``--resume`` alone means the last checkpoint, with a path that one, which must exist."""
    cfg = build_train_config(train_args(resume='auto'))
    assert (cfg.resume, cfg.load_from) == (True, None)
    cfg = build_train_config(train_args(resume='configs/toy.py'))
    assert (cfg.resume, cfg.load_from) == (True, 'configs/toy.py')
    with pytest.raises(FileNotFoundError, match=r'--resume: there is no checkpoint nothing\.pth'):
        build_train_config(train_args(resume='nothing.pth'))


def test_auto_scale_lr(project: Path) -> None:
    """Scaling is turned on, and refused without a batch size to scale from."""
    assert build_train_config(train_args(auto_scale_lr=True)).auto_scale_lr.enable is True
    text = CONFIG.replace('auto_scale_lr = dict(base_batch_size=8)', '')
    (project / 'configs' / 'toy.py').write_text(text)
    with pytest.raises(ValueError, match='--auto-scale-lr needs the batch size'):
        build_train_config(train_args(auto_scale_lr=True))
    options = {'auto_scale_lr.base_batch_size': 16}
    cfg = build_train_config(train_args(auto_scale_lr=True, cfg_options=options))
    assert cfg.auto_scale_lr == {'enable': True, 'base_batch_size': 16}


def test_amp(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Mixed precision is set up, keeps a given loss scale, and names what stands in its way."""
    monkeypatch.setattr('mmengine.device.get_device', lambda: 'cpu')
    monkeypatch.setattr('bgremoval_mm.engine.run_config.computes_in_bf16', lambda: False)
    with pytest.raises(ValueError, match=r'--amp needs an accelerator .* torch finds neither'):
        build_train_config(train_args(amp=True))
    monkeypatch.setattr('mmengine.device.get_device', lambda: 'cuda')
    wrapper = build_train_config(train_args(amp=True)).optim_wrapper
    assert (wrapper.type, wrapper.loss_scale) == ('AmpOptimWrapper', 'dynamic')
    with (project / 'configs' / 'toy.py').open('a') as config:
        config.write("optim_wrapper.update(type='AmpOptimWrapper', loss_scale=512.)\n")
    assert build_train_config(train_args(amp=True)).optim_wrapper.loss_scale == 512.0
    monkeypatch.setattr('mmengine.device.get_device', lambda: 'cpu')
    monkeypatch.setattr('bgremoval_mm.engine.run_config.computes_in_bf16', lambda: True)
    wrapper = build_train_config(train_args(amp=True)).optim_wrapper
    assert wrapper.type == 'BFloat16OptimWrapper'
    assert 'loss_scale' not in wrapper
    with (project / 'configs' / 'toy.py').open('a') as config:
        config.write("optim_wrapper.update(type='ApexOptimWrapper')\n")
    with pytest.raises(ValueError, match='the config has ApexOptimWrapper'):
        build_train_config(train_args(amp=True))


def test_model_wrapper_of_cpu_processes(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On CPUs the Runner's wrapper is written down without a device; what the config says stays."""
    monkeypatch.setattr('mmengine.device.get_device', lambda: 'cpu')
    assert build_train_config(train_args()).get('model_wrapper_cfg') is None
    plain = {
        'type': 'MMDistributedDataParallel',
        'broadcast_buffers': False,
        'find_unused_parameters': False,
        'device_ids': None,
    }
    assert build_train_config(train_args(launcher='pytorch')).model_wrapper_cfg == plain
    assert build_test_config(test_args(launcher='pytorch')).model_wrapper_cfg == plain
    options = {'find_unused_parameters': True}
    cfg = build_train_config(train_args(launcher='pytorch', cfg_options=options))
    assert cfg.model_wrapper_cfg == {**plain, 'find_unused_parameters': True}
    for given, expected in (
        ({'static_graph': True}, {'static_graph': True, 'device_ids': None}),
        (
            {'type': 'MMSeparateDistributedDataParallel', 'broadcast_buffers': True},
            {
                'type': 'MMSeparateDistributedDataParallel',
                'broadcast_buffers': True,
                'device_ids': None,
            },
        ),
        ({'type': 'MMFullyShardedDataParallel'}, {'type': 'MMFullyShardedDataParallel'}),
    ):
        options = {'model_wrapper_cfg': given}
        cfg = build_train_config(train_args(launcher='pytorch', cfg_options=options))
        assert cfg.model_wrapper_cfg == expected


@pytest.mark.parametrize('device', ['cuda', 'npu', 'mps'])
def test_model_wrapper_with_an_accelerator(
    project: Path, monkeypatch: pytest.MonkeyPatch, device: str
) -> None:
    """Where there is a device, the Runner decides, as ever."""
    monkeypatch.setattr('mmengine.device.get_device', lambda: device)
    for launcher in ('pytorch', 'slurm', 'none'):
        assert build_train_config(train_args(launcher=launcher)).get('model_wrapper_cfg') is None


def test_out_has_a_known_suffix(project: Path) -> None:
    """Another suffix is refused before anything is tested."""
    with pytest.raises(ValueError, match=r'--out must end in .json .* got results.csv'):
        build_test_config(test_args(out='results.csv'))


@pytest.mark.parametrize(
    ('kind', 'expected'),
    [
        ('VisualizationHook', {'enable': True, 'out_dir': 'shown', 'show': True}),
        ('mmdet.DetVisualizationHook', {'draw': True, 'show': True}),
        ('SegVisualizationHook', {'draw': True, 'show': True}),
    ],
)
def test_show(project: Path, kind: str, expected: dict[str, Any]) -> None:
    """Each codebase's hook gets the options that it knows."""
    options = {'default_hooks.visualization.type': kind}
    text = CONFIG.replace("'VisualizationHook'", repr(kind))
    (project / 'configs' / 'toy.py').write_text(text)
    args = test_args(show=True, show_dir='shown', wait_time=0.5, cfg_options=options)
    cfg = build_test_config(args)
    hook = cfg.default_hooks.visualization
    assert {key: hook[key] for key in expected} == expected
    assert hook.wait_time == 0.5
    if kind == 'mmdet.DetVisualizationHook':
        assert hook.test_out_dir == str(project / 'shown')
    if kind == 'SegVisualizationHook':
        assert cfg.visualizer.save_dir == 'shown'


def test_show_needs_a_known_hook(project: Path) -> None:
    """Without a visualization hook the message names those that do."""
    text = CONFIG.replace("visualization=dict(type='VisualizationHook')", '')
    (project / 'configs' / 'toy.py').write_text(text)
    with pytest.raises(ValueError, match=r'DetVisualizationHook .* but the config has none'):
        build_test_config(test_args(show=True))


def test_tta_reaches_the_pipeline_of_a_wrapper(project: Path) -> None:
    """The pipeline is replaced where it stands, be it on the wrapper or inside it."""
    inner = {'type': 'CustomDataset', 'pipeline': [{'type': 'PackInputs'}]}
    with (project / 'configs' / 'toy.py').open('a') as config:
        config.write(f"test_dataloader = dict(dataset=dict(type='Wrapper', dataset={inner!r}))\n")
    cfg = build_test_config(test_args(tta=True))
    assert cfg.test_dataloader.dataset.dataset.pipeline[-1].type == 'TestTimeAug'
    assert 'pipeline' not in cfg.test_dataloader.dataset
    assert cfg.model.type == 'AverageClsScoreTTA'
    assert cfg.model.module.type == 'ImageClassifier'


def test_tta_reaches_all_parts_of_a_concatenation(project: Path) -> None:
    """Each part gets it; a pipeline for mixed images, which loads none, is left as it is."""
    leaf = {'type': 'CustomDataset', 'pipeline': [{'type': 'LoadImageFromFile'}, {'type': 'P'}]}
    mixed = {'type': 'MultiImageMixDataset', 'dataset': leaf, 'pipeline': [{'type': 'Mosaic'}]}
    both = {'type': 'ConcatDataset', 'datasets': [mixed, leaf]}
    with (project / 'configs' / 'toy.py').open('a') as config:
        config.write(f"test_dataloader = dict(dataset=dict(type='Wrapper', dataset={both!r}))\n")
    first, second = build_test_config(test_args(tta=True)).test_dataloader.dataset.dataset.datasets
    assert first.dataset.pipeline[-1].type == second.pipeline[-1].type == 'TestTimeAug'
    assert first.pipeline == [ConfigDict(type='Mosaic')]


@pytest.mark.parametrize('scope', ['mmdet', 'mmseg'])
def test_tta_asks_for_what_is_missing(project: Path, scope: str) -> None:
    """Detection and segmentation need both settings; with them they are used."""
    path = project / 'configs' / 'toy.py'
    path.write_text(CONFIG.replace("'mmpretrain'", repr(scope)))
    with pytest.raises(ValueError, match='--tta needs tta_model and tta_pipeline in the config'):
        build_test_config(test_args(tta=True))
    with path.open('a') as config:
        config.write("tta_model = dict(type='T')\ntta_pipeline = [dict(type='P')]\n")
    cfg = build_test_config(test_args(tta=True))
    assert cfg.model.type == 'T'
    assert cfg.test_dataloader.dataset.pipeline == [ConfigDict(type='P')]


def test_config_file_is_kept_for_the_hook(project: Path) -> None:
    """The Runner, and so DiffMetricsHook, learns the config's file name."""
    cfg = build_train_config(train_args())
    assert isinstance(cfg, Config)
    assert Path(cfg.filename).name == 'toy.py'
