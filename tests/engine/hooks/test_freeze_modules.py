"""FreezeModulesHook: a part of a model is as before after a real training, the rest is not."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import torch
from mmengine.model import BaseModel
from mmengine.runner import Runner

from bgremoval_mm.engine.hooks.freeze_modules import FreezeModulesHook


class Network(BaseModel):
    """A normalised layer and a last one."""

    def __init__(self) -> None:
        super().__init__()
        self.backbone = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.BatchNorm1d(4))
        self.head = torch.nn.Linear(4, 1)
        self.modes: list[tuple[bool, bool]] = []

    def forward(self, inputs: list[torch.Tensor], mode: str = 'tensor') -> Any:
        """The loss, or a prediction that does not matter."""
        feature = self.backbone(torch.stack(inputs))
        loss = (self.head(feature) - 5).square().mean()
        if mode == 'loss':
            self.modes.append((feature.requires_grad, self.backbone.training))
            return {'loss': loss}
        return [{'loss': float(loss)}] * len(inputs)


class Photos(torch.utils.data.Dataset[dict[str, torch.Tensor]]):
    """Eight samples."""

    def __len__(self) -> int:
        return 8

    def __getitem__(self, index: int) -> dict[str, torch.Tensor]:
        return {'inputs': torch.full((3,), float(index))}


def train(tmp_path: Path, modules: Any) -> tuple[Network, set[str]]:
    """The model after a training with validation in between, and what has not changed."""
    model = Network()
    before = copy.deepcopy(model.state_dict())
    loader = dict(
        dataset=Photos(), batch_size=4, num_workers=0, sampler=dict(type='DefaultSampler')
    )
    Runner(
        model,
        str(tmp_path),
        train_dataloader=loader,
        val_dataloader=copy.deepcopy(loader),
        train_cfg=dict(by_epoch=True, max_epochs=2, val_interval=1),
        val_cfg={},
        val_evaluator=dict(type='DumpResults', out_file_path=str(tmp_path / 'results.pkl')),
        # Weight decay, too, is for what is trained alone.
        optim_wrapper=dict(optimizer=dict(type='AdamW', lr=0.1, weight_decay=0.1)),
        custom_hooks=[dict(type='FreezeModulesHook', modules=modules)],
        experiment_name=tmp_path.name,
        default_scope=None,
    ).train()
    after = model.state_dict()
    return model, {name for name in before if torch.equal(before[name], after[name])}


@pytest.mark.parametrize('modules', [['backbone'], 'backbone'])
def test_frozen(tmp_path: Path, modules: Any) -> None:
    """Weights and statistics stay, after a validation too, and nothing is computed backwards."""
    model, same = train(tmp_path, modules)
    assert same == {name for name in model.state_dict() if name.startswith('backbone.')}
    assert model.modes == [(False, False)] * 4


def test_part_of_a_part(tmp_path: Path) -> None:
    """A module is named by its path."""
    _, same = train(tmp_path, ['backbone.0'])
    assert same == {'backbone.0.weight', 'backbone.0.bias'}


@pytest.mark.parametrize(
    ('modules', 'said'),
    [
        (['neck'], r'be of the model \(.*backbone, head\), but got neck'),
        (['backbone', 'head'], r'must leave something to train'),
    ],
)
def test_what_cannot_be_frozen(tmp_path: Path, modules: list[str], said: str) -> None:
    """Before training, with what the model has."""
    with pytest.raises(ValueError, match=said):
        train(tmp_path, modules)


@pytest.mark.parametrize('modules', [[], [''], ''])
def test_nothing_named(modules: Any) -> None:
    """At least one module must be named."""
    with pytest.raises(ValueError, match='`modules` must be names of modules'):
        FreezeModulesHook(modules)
