"""ChannelsLastHook: a real training in the other memory format ends with the same weights."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import torch
from mmengine.model import BaseModel
from mmengine.runner import Runner


class Convolutions(BaseModel):
    """Two convolutions and a layer, in double precision, which notes the format of what it sees."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.first = torch.nn.Conv2d(3, 4, 3)
        self.second = torch.nn.Conv2d(4, 4, 3, groups=4)
        self.fc = torch.nn.Linear(4, 1)
        self.double()
        self.formats: set[bool] = set()

    def forward(self, inputs: list[torch.Tensor], mode: str = 'tensor') -> Any:
        """The loss, or a prediction that does not matter."""
        maps = self.second(self.first(torch.stack(inputs)))
        self.formats.add(maps.is_contiguous(memory_format=torch.channels_last))
        loss = (self.fc(maps.mean(dim=(2, 3))) - 5).square().mean()
        return {'loss': loss} if mode == 'loss' else [{'loss': float(loss)}] * len(inputs)


class Photos(torch.utils.data.Dataset[dict[str, torch.Tensor]]):
    """Four samples."""

    def __len__(self) -> int:
        return 4

    def __getitem__(self, index: int) -> dict[str, torch.Tensor]:
        pixels = torch.arange(3 * 8 * 8, dtype=torch.float64).reshape(3, 8, 8)
        return {'inputs': torch.sin(pixels + index)}


def train(folder: Path, epochs: int, resume: bool = False, **hooks: Any) -> Convolutions:
    """Train for some epochs, perhaps from the last checkpoint."""
    model = Convolutions()
    Runner(
        model,
        str(folder),
        train_dataloader=dict(
            dataset=Photos(), batch_size=2, num_workers=0, sampler=dict(type='DefaultSampler')
        ),
        train_cfg=dict(by_epoch=True, max_epochs=epochs),
        optim_wrapper=dict(optimizer=dict(type='Adam', lr=0.01)),
        default_hooks=hooks,
        resume=resume,
        randomness=dict(seed=0),
        experiment_name=f'{folder.name}{epochs}',
        default_scope=None,
    ).train()
    return model


def weights(model: Convolutions) -> dict[str, torch.Tensor]:
    return copy.deepcopy(dict(model.state_dict()))


def test_same_weights_in_the_other_format(tmp_path: Path) -> None:
    """Layers see channels last, and the weights end as they do without the hook."""
    plain = train(tmp_path / 'plain', 3)
    hooked = train(tmp_path / 'hooked', 3, channels_last=dict(type='ChannelsLastHook'))
    assert plain.formats == {False}
    assert hooked.formats == {True}
    for name, value in weights(plain).items():
        torch.testing.assert_close(weights(hooked)[name], value, rtol=1e-9, atol=1e-12)


def test_checkpoints_are_exchanged(tmp_path: Path) -> None:
    """A training begun without the hook is resumed with it, and ends with the same weights."""
    whole = train(tmp_path / 'whole', 4)
    train(tmp_path / 'resumed', 2)
    hook = dict(type='ChannelsLastHook')
    resumed = train(tmp_path / 'resumed', 4, resume=True, channels_last=hook)
    assert resumed.formats == {True}
    for name, value in weights(whole).items():
        torch.testing.assert_close(weights(resumed)[name], value, rtol=1e-9, atol=1e-12)
