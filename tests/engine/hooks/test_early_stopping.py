"""ResumableEarlyStoppingHook: killed and resumed anywhere, a training stops at the same epoch."""

from __future__ import annotations

from itertools import count
from pathlib import Path
from typing import Any

import pytest
import torch
from mmengine.evaluator import BaseMetric
from mmengine.hooks import Hook
from mmengine.model import BaseModel
from mmengine.registry import DefaultScope
from mmengine.runner import Runner

from bgremoval_mm.engine.hooks.early_stopping import ResumableEarlyStoppingHook
from bgremoval_mm.engine.hooks.resumed_validation import ResumedValidationHook

SCORES = [1.0, 3.0, 2.0, 5.0, 4.0, 4.8, 4.5, 9.0]
"""Of epochs 1 to 8. With a patience of 3, three in a row that are not above 5 end it after 7."""


NUMBERS = count()


class KilledError(Exception):
    """In place of a signal."""


class KillHook(Hook):
    """Ends the process in an epoch, before or after it is validated."""

    def __init__(self, epoch: int, validated: bool) -> None:
        self.epoch, self.validated = epoch, validated

    def before_val_epoch(self, runner: Runner) -> None:
        """Kill between the checkpoint and the validation."""
        if runner.epoch == self.epoch and not self.validated:
            raise KilledError

    def before_train_epoch(self, runner: Runner) -> None:
        """Kill in the epoch after the one that was validated."""
        if runner.epoch == self.epoch and self.validated:
            raise KilledError


class Score(BaseMetric):
    """The score of the epoch."""

    runner: Any = None

    def process(self, data_batch: Any, data_samples: Any) -> None:
        """Collect something."""
        self.results.append(0)

    def compute_metrics(self, results: list[int]) -> dict[str, float]:
        """From the table."""
        return {'score': SCORES[self.runner.epoch - 1]}


class Layer(BaseModel):
    """One parameter."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = torch.nn.Linear(1, 1)

    def forward(self, inputs: torch.Tensor, mode: str = 'tensor') -> Any:
        """A loss, or the input."""
        if mode == 'loss':
            return {'loss': self.layer(inputs).square().mean()}
        return list(inputs)


@pytest.fixture
def train(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A function that trains, or resumes, in a folder, and returns the runner."""
    monkeypatch.setattr(DefaultScope, '_instance_dict', DefaultScope._instance_dict.copy())

    def run(
        name: str, kill: tuple[int, bool] | None = None, hook: Hook | None = None, **loop: Any
    ) -> Runner:
        loader = {
            'dataset': torch.ones(2, 1),
            'batch_size': 2,
            'sampler': {'type': 'DefaultSampler', 'shuffle': False},
            'collate_fn': {'type': lambda samples: {'inputs': torch.stack(samples)}},
        }
        metric = Score()
        checkpoint = {'type': 'CheckpointHook', 'interval': 1, 'save_best': 'score'}
        stop = ResumableEarlyStoppingHook('score', rule='greater', patience=3, min_delta=0)
        runner = Runner(
            model=Layer(),
            work_dir=str(tmp_path / name),
            train_dataloader=loader,
            val_dataloader=loader,
            train_cfg={'by_epoch': True, 'max_epochs': 8, **loop},
            val_cfg={},
            val_evaluator=[metric],
            optim_wrapper={'optimizer': {'type': 'SGD', 'lr': 0.1}},
            default_hooks={'checkpoint': {**checkpoint, 'rule': 'greater'}},
            custom_hooks=[hook or stop, *([] if kill is None else [KillHook(*kill)])],
            resume=(tmp_path / name / 'last_checkpoint').exists(),
            experiment_name=f'early-stopping-{next(NUMBERS)}',
        )
        metric.runner = runner
        runner.train()
        return runner

    return run


def test_stops_as_mmengine_does(train: Any, tmp_path: Path) -> None:
    """After epoch 7."""
    runner = train('whole')
    assert runner.epoch == 7
    assert best(tmp_path / 'whole') == ['best_score_epoch_4.pth']


@pytest.mark.parametrize('validated', [True, False])
@pytest.mark.parametrize('epoch', [1, 3, 4, 6, 7])
def test_killed_and_resumed(train: Any, tmp_path: Path, epoch: int, validated: bool) -> None:
    """Wherever it was killed, it stops after the same epoch, with the same best checkpoint."""
    if (epoch, validated) == (7, True):
        train('parts')  # stopped, and killed in what came after the training
    else:
        with pytest.raises(KilledError):
            train('parts', (epoch, validated))
    runner = train('parts')
    assert runner.epoch == 7
    assert best(tmp_path / 'parts') == ['best_score_epoch_4.pth']
    assert runner.message_hub.get_info('best_score') == 5


@pytest.mark.parametrize('epoch', [4, 8])
def test_best_epoch_of_a_resumed_training(train: Any, tmp_path: Path, epoch: int) -> None:
    """Without early stopping, too: the best epoch was the one in whose validation it was killed."""
    with pytest.raises(KilledError):
        train('parts', (epoch, False), ResumedValidationHook(), max_epochs=epoch)
    assert best(tmp_path / 'parts') != [f'best_score_epoch_{epoch}.pth']
    train('parts', None, ResumedValidationHook(), max_epochs=epoch)
    assert best(tmp_path / 'parts') == [f'best_score_epoch_{epoch}.pth']


def test_killed_twice(train: Any, tmp_path: Path) -> None:
    """The count goes on over several stops."""
    for kill in ((5, True), (6, True)):
        with pytest.raises(KilledError):
            train('parts', kill)
    assert train('parts').epoch == 7
    assert best(tmp_path / 'parts') == ['best_score_epoch_4.pth']


def test_intervals_that_change(train: Any, tmp_path: Path) -> None:
    """Epoch 6 is validated with the interval that holds then, not with that of the beginning."""
    loop = {'val_interval': 5, 'dynamic_intervals': [(4, 1)]}
    with pytest.raises(KilledError):
        train('parts', (6, False), **loop)
    assert train('parts', **loop).epoch == 7
    assert best(tmp_path / 'parts') == ['best_score_epoch_4.pth']


def test_a_test_needs_no_photos_of_the_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the same config, where they are not."""
    monkeypatch.setattr(DefaultScope, '_instance_dict', DefaultScope._instance_dict.copy())
    metric = Score()
    runner = Runner(
        model=Layer(),
        work_dir=str(tmp_path),
        train_dataloader={'dataset': {'type': 'NotHere'}, 'batch_size': 2},
        train_cfg={'by_epoch': True, 'max_epochs': 8},
        optim_wrapper={'optimizer': {'type': 'SGD', 'lr': 0.1}},
        test_dataloader={
            'dataset': torch.ones(2, 1),
            'batch_size': 2,
            'sampler': {'type': 'DefaultSampler', 'shuffle': False},
            'collate_fn': {'type': lambda samples: {'inputs': torch.stack(samples)}},
        },
        test_cfg={},
        test_evaluator=[metric],
        custom_hooks=[ResumableEarlyStoppingHook('score', rule='greater')],
        experiment_name=f'early-stopping-{next(NUMBERS)}',
    )
    monkeypatch.setattr(metric, 'compute_metrics', lambda results: {'score': float(len(results))})
    assert runner.test() == {'score': 1.0}


def best(folder: Path) -> list[str]:
    """Names of the best checkpoints."""
    return sorted(path.name for path in folder.glob('best_*'))
