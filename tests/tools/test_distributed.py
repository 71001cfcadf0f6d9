"""Two processes on CPUs, started as a user starts them, do what one process does."""

from __future__ import annotations

import json
import os
import pickle
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image

from bgremoval_mm.engine.work_dir import read_run

ROOT = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.slow

# Nothing in it depends on how a batch is split: no batch normalisation, no dropout, no random
# augmentation. The order of the images is drawn from the seed alone.
CONFIG = """
custom_imports = dict(imports=['bgremoval_mm', 'recorder'], allow_failed_imports=False)
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
    batch_size=8, num_workers=0,
    dataset=dict(type='CustomDataset', data_prefix='data/train', pipeline=pipeline),
    sampler=dict(type='DefaultSampler', shuffle=True))
val_dataloader = dict(
    batch_size=4, num_workers=0,
    dataset=dict(type='CustomDataset', data_prefix='data/val', pipeline=pipeline),
    sampler=dict(type='DefaultSampler', shuffle=False))
test_dataloader = val_dataloader
val_evaluator = test_evaluator = dict(type='Accuracy', topk=(1,))
train_cfg = dict(by_epoch=True, max_epochs=2)
val_cfg = test_cfg = dict()
optim_wrapper = dict(optimizer=dict(type='SGD', lr=0.1, momentum=0.9))
default_hooks = dict(logger=dict(type='LoggerHook', interval=1))
custom_hooks = [dict(type='Recorder')]
randomness = dict(seed=0)
"""

# A hook of which each process writes a file of its own.
RECORDER = """
import torch
from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper
from mmengine.registry import HOOKS

@HOOKS.register_module()
class Recorder(Hook):
    def before_train(self, runner):
        self.losses, self.images, self.start = [], [], self.weights(runner)

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        self.losses.append(float(outputs['loss']))
        self.images.append([sample.img_path for sample in data_batch['data_samples']])

    def after_train(self, runner):
        content = dict(
            losses=self.losses, images=self.images, start=self.start, end=self.weights(runner),
            wrapper=type(runner.model).__name__)
        torch.save(content, f'{runner.work_dir}/rank{runner.rank}.pth')

    def weights(self, runner):
        model = runner.model.module if is_model_wrapper(runner.model) else runner.model
        return {name: value.clone() for name, value in model.state_dict().items()}
"""

Train = Callable[[str], str]

STEPS = 6  # 24 images, batches of 8, 2 epochs


def start(folder: Path, program: str, *arguments: str, code: int = 0) -> str:
    """Run a tool of the repository in a folder; returns what it wrote."""
    environment = {**os.environ, 'PYTHONPATH': f'{ROOT}{os.pathsep}{folder}'}
    environment |= {'OMP_NUM_THREADS': '1', 'PYTHON': sys.executable}
    for name in ('PORT', 'NNODES', 'NODE_RANK', 'MASTER_ADDR', 'RANK', 'LOCAL_RANK', 'WORLD_SIZE'):
        environment.pop(name, None)
    command = [str(ROOT / 'tools' / program), *arguments]
    if program.endswith('.py'):
        command.insert(0, sys.executable)
    done = subprocess.run(
        command,
        cwd=folder,
        capture_output=True,
        text=True,
        env=environment,
        timeout=240,
        check=False,
    )
    assert done.returncode == code, done.stdout[-3000:] + done.stderr[-6000:]
    return done.stdout + done.stderr


def draw(folder: Path, names: str, level: int, random: np.random.Generator) -> None:
    """Write noisy 32 x 32 images of about one level of grey."""
    folder.mkdir(parents=True)
    for name in names:
        pixels = (level + random.integers(-60, 60, (32, 32))).astype(np.uint8)
        Image.fromarray(pixels).save(folder / f'{name}.png')


@pytest.fixture(scope='module')
def runs(tmp_path_factory: pytest.TempPathFactory) -> SimpleNamespace:
    """The same training in one process with batches of 8, and in two with batches of 4."""
    folder = tmp_path_factory.mktemp('two_processes')
    random = np.random.default_rng(0)
    for label, level in (('dark', 110), ('light', 140)):
        draw(folder / 'data' / 'train' / label, 'abcdefghijkl', level, random)
    draw(folder / 'data' / 'val' / 'dark', 'abcd', 110, random)
    draw(folder / 'data' / 'val' / 'light', 'ab', 140, random)
    # An image of both classes: the accuracy is neither 0 nor 100, whatever the model has learnt.
    (folder / 'data/val/light/c.png').write_bytes((folder / 'data/val/dark/a.png').read_bytes())
    (folder / 'recorder.py').write_text(RECORDER)
    (folder / 'toy.py').write_text(CONFIG)
    (folder / 'toy-rembg.py').write_text(
        "_base_ = ['toy.py']\n"
        'train_dataloader = dict(batch_size=4)\n'
        "custom_hooks = [dict(type='Recorder'), dict(type='DiffMetricsHook')]\n"
    )
    start(folder, 'train.py', 'toy.py')
    start(folder, 'dist_train.sh', 'toy-rembg.py', '2')
    records = {
        name: torch.load(folder / 'work_dirs' / name, weights_only=True)
        for name in ('toy/rank0.pth', 'toy-rembg/rank0.pth', 'toy-rembg/rank1.pth')
    }
    one, first, second = records.values()
    return SimpleNamespace(folder=folder, one=one, first=first, second=second)


def test_two_processes_share_each_batch(runs: SimpleNamespace) -> None:
    """Each of two processes gets one half of the very batch that one process gets."""
    assert runs.one['wrapper'] == 'ImageClassifier'
    assert runs.first['wrapper'] == runs.second['wrapper'] == 'MMDistributedDataParallel'
    steps = list(zip(runs.one['images'], runs.first['images'], runs.second['images'], strict=True))
    assert len(steps) == STEPS
    for whole, one_half, other_half in steps:
        assert (len(whole), len(one_half), len(other_half)) == (8, 4, 4)
        assert sorted(whole) == sorted(one_half + other_half)


def test_losses_are_those_of_one_process(runs: SimpleNamespace) -> None:
    """The loss of a batch is the mean of its halves' losses, at every step.

    The cross entropy is a mean over images, and the halves are of one size. From the second step
    on this needs the weights to be the same, and so the gradients before to have been averaged.
    """
    halves = np.array([runs.first['losses'], runs.second['losses']])
    whole = np.array(runs.one['losses'])
    np.testing.assert_allclose(halves.mean(0), whole, rtol=0, atol=1e-6)
    # It is no matter of course: neither half alone has that loss, and the loss moves.
    assert np.abs(halves - whole).max(1).min() > 1e-3
    assert np.abs(np.diff(whole)).max() > 1e-2


def test_weights_are_those_of_one_process(runs: SimpleNamespace) -> None:
    """Both processes end with equal weights, which one process has too, within rounding."""
    moved = []
    for name, weight in runs.one['end'].items():
        assert torch.equal(runs.one['start'][name], runs.first['start'][name])
        assert torch.equal(runs.first['end'][name], runs.second['end'][name])
        torch.testing.assert_close(runs.first['end'][name], weight, rtol=0, atol=1e-6)
        moved.append((weight - runs.one['start'][name]).abs().max().item())
    assert min(moved) > 1e-3  # a thousand times more than the rounding allows
    saved = torch.load(runs.folder / 'work_dirs/toy-rembg/epoch_2.pth', weights_only=False)
    for name, weight in saved['state_dict'].items():
        assert torch.equal(weight, runs.first['end'][name])


def test_validation_counts_each_image_once(runs: SimpleNamespace) -> None:
    """Seven images do not part in two: the eighth, which fills up, is not counted.

    With it the accuracy would be so many eighths, of which only 0 and 1 are sevenths.
    """
    whole = read_run(runs.folder / 'work_dirs/toy').val
    halves = read_run(runs.folder / 'work_dirs/toy-rembg').val
    assert list(halves) == [1, 2]
    for epoch in (1, 2):
        accuracy = halves[epoch]['accuracy/top1']
        assert accuracy == whole[epoch]['accuracy/top1']
        assert 0 < accuracy < 100
        assert accuracy * 7 / 100 == pytest.approx(round(accuracy * 7 / 100), abs=1e-4)


def test_one_process_writes(runs: SimpleNamespace) -> None:
    """Logs and the difference hook's report are written once, by the main process."""
    work_dir = runs.folder / 'work_dirs/toy-rembg'
    (scalars,) = work_dir.rglob('scalars.json')
    lines = [json.loads(line) for line in scalars.read_text().splitlines()]
    assert [line['step'] for line in lines if 'loss' in line] == [*range(1, STEPS + 1)]
    assert [line['step'] for line in lines if 'diff/accuracy/top1' in line] == [1, 2]
    report = json.loads((work_dir / 'diff_metrics.json').read_text())
    assert report['last']['accuracy/top1']['diff'] == 0.0
    assert report['last']['accuracy/top1']['original_step'] == 2


def test_test_writes_each_prediction_once(runs: SimpleNamespace) -> None:
    """Two processes write one file of predictions, in the data set's order, and one report."""
    (runs.folder / 'baseline.json').write_text('{"accuracy/top1": 50.0}')
    arguments = ('toy-rembg.py', 'work_dirs/toy-rembg/epoch_2.pth', '2', '--out', 'out/all.pkl')
    options = ('--cfg-options', 'custom_hooks.1.baseline=baseline.json')
    start(runs.folder, 'dist_test.sh', *arguments, *options)
    assert [path.name for path in (runs.folder / 'out').iterdir()] == ['all.pkl']
    predictions = pickle.loads((runs.folder / 'out/all.pkl').read_bytes())
    names = [Path(each['img_path']).relative_to('data/val').as_posix() for each in predictions]
    assert names == [*(f'dark/{name}.png' for name in 'abcd'), *(f'light/{n}.png' for n in 'abc')]
    right = [int(each['pred_label']) == int(each['gt_label']) for each in predictions]
    accuracy = pytest.approx(100 * sum(right) / 7, abs=1e-3)
    # The test images are the validation images.
    run = read_run(runs.folder / 'work_dirs/toy-rembg')
    assert run.val[2]['accuracy/top1'] == accuracy
    assert run.test is not None
    assert run.test['accuracy/top1'] == accuracy
    report = json.loads((runs.folder / 'work_dirs/toy-rembg/diff_metrics.json').read_text())
    assert report['test']['accuracy/top1']['diff'] == pytest.approx(run.test['accuracy/top1'] - 50)


# A model that needs mmengine alone, and a process that ends at the second step.
FAILING_CONFIG = """
custom_imports = dict(imports=['failing'], allow_failed_imports=False)
model = dict(type='Line')
train_dataloader = dict(
    batch_size=1, num_workers=0, dataset=dict(type='Points'),
    sampler=dict(type='DefaultSampler', shuffle=False))
train_cfg = dict(by_epoch=True, max_epochs=1)
optim_wrapper = dict(optimizer=dict(type='SGD', lr=0.1))
"""

FAILING = """
import os, signal
import torch
from mmengine.dist import get_rank
from mmengine.model import BaseModel
from mmengine.registry import DATASETS, MODELS

@DATASETS.register_module()
class Points(torch.utils.data.Dataset):
    def __len__(self):
        return 1000

    def __getitem__(self, index):
        if index == 3:  # the second step of the second process
            assert get_rank() == 1
            END
        return dict(x=torch.ones(1))

@MODELS.register_module()
class Line(BaseModel):
    def __init__(self, data_preprocessor=None):
        super().__init__(data_preprocessor)
        self.layer = torch.nn.Linear(1, 1)

    def forward(self, x, mode):
        return dict(loss=self.layer(torch.stack(x)).square().mean())
"""


@pytest.fixture
def failing(tmp_path: Path) -> Train:
    """A function that trains in two processes, one of which runs a statement at its second step."""

    def train(statement: str) -> str:
        (tmp_path / 'failing.py').write_text(FAILING.replace('END', statement))
        (tmp_path / 'toy.py').write_text(FAILING_CONFIG)
        return start(tmp_path, 'dist_train.sh', 'toy.py', '2', code=1)

    return train


def of_rank(rank: int, output: str) -> str:
    """What torchrun's summary says of one process.

    Which of them it calls the root cause is left open: it goes by whole seconds, and the other
    process fails at once when its connection breaks.
    """
    summary = output.rpartition('train.py FAILED')[2]
    assert 'Root Cause (first observed failure)' in summary
    (part,) = [
        part for part in re.split(r'\n\[\d+\]:\n', summary) if f'rank      : {rank} ' in part
    ]
    return part


def test_an_error_in_one_process_ends_all(failing: Train) -> None:
    """The job fails, and the summary at its end has the process and its error."""
    output = failing("raise OSError('the disk of rank 1 is gone')")
    assert 'OSError: the disk of rank 1 is gone' in of_rank(1, output)
    assert 'the disk of rank 1 is gone' not in of_rank(0, output)


def test_a_killed_process_ends_all(failing: Train) -> None:
    """The job fails instead of waiting for a process that is no more, and names it."""
    output = failing('os.kill(os.getpid(), signal.SIGKILL)')
    assert 'Signal 9 (SIGKILL)' in of_rank(1, output)
