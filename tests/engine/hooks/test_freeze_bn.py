"""FreezeBatchNormHook: statistics stay as they are in a real training, weights do not."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import torch
from mmengine.model import BaseModel
from mmengine.runner import Runner


class Normed(BaseModel):
    """A layer with batch normalisation after it."""

    def __init__(self) -> None:
        super().__init__()
        self.fc = torch.nn.Linear(3, 4)
        self.bn = torch.nn.BatchNorm1d(4)

    def forward(self, inputs: list[torch.Tensor], mode: str = 'tensor') -> Any:
        """The loss, or a prediction that does not matter."""
        loss = (self.bn(self.fc(torch.stack(inputs))) - 5).square().mean()
        return {'loss': loss} if mode == 'loss' else [{'loss': float(loss)}] * len(inputs)


class Photos(torch.utils.data.Dataset[dict[str, torch.Tensor]]):
    """Eight samples."""

    def __len__(self) -> int:
        return 8

    def __getitem__(self, index: int) -> dict[str, torch.Tensor]:
        return {'inputs': torch.full((3,), float(index))}


def train(tmp_path: Path, loop: dict[str, Any], hooks: list[dict[str, Any]]) -> list[dict]:
    """State of the model before and after a training with validation in between."""
    model = Normed()
    before = copy.deepcopy(model.state_dict())
    loader = dict(
        dataset=Photos(), batch_size=4, num_workers=0, sampler=dict(type='DefaultSampler')
    )
    Runner(
        model,
        str(tmp_path),
        train_dataloader=loader,
        val_dataloader=copy.deepcopy(loader),
        train_cfg=loop,
        val_cfg={},
        val_evaluator=dict(type='DumpResults', out_file_path=str(tmp_path / 'results.pkl')),
        optim_wrapper=dict(optimizer=dict(type='SGD', lr=0.1)),
        custom_hooks=hooks,
        experiment_name=tmp_path.name,
        default_scope=None,
    ).train()
    return [before, dict(model.state_dict())]


LOOPS = [
    dict(by_epoch=True, max_epochs=2, val_interval=1),
    dict(by_epoch=False, max_iters=4, val_interval=2),
]


@pytest.mark.parametrize('loop', LOOPS, ids=['epochs', 'iterations'])
def test_statistics_stay(tmp_path: Path, loop: dict[str, Any]) -> None:
    """Weights and biases are trained; means, variances and counters are as before."""
    before, after = train(tmp_path, loop, [dict(type='FreezeBatchNormHook')])
    same = {name for name in before if torch.equal(before[name], after[name])}
    assert same == {'bn.running_mean', 'bn.running_var', 'bn.num_batches_tracked'}


def test_without_the_hook_they_do_not(tmp_path: Path) -> None:
    """What the hook keeps from happening."""
    before, after = train(tmp_path, LOOPS[0], [])
    assert not torch.equal(before['bn.running_mean'], after['bn.running_mean'])
