"""EpochSeedHook: a resumed training ends with the very weights of the uninterrupted one."""

from __future__ import annotations

import random
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from mmengine.model import BaseModel
from mmengine.registry import HOOKS, DefaultScope
from mmengine.runner import Runner
from torch.utils.data import DataLoader, Dataset

from bgremoval_mm import EpochSeedHook
from bgremoval_mm.engine.seeding import mixed_seed, seed_all

NOISE = (np.random.random_sample, random.random, lambda: float(torch.rand(1)))


class Noisy(Dataset):
    """Six samples that are all chance, drawn from each of the three generators."""

    metainfo = {'classes': ('a', 'b')}  # noqa: RUF012

    def __len__(self) -> int:
        return 6

    def __getitem__(self, index: int) -> torch.Tensor:
        return torch.tensor([float(draw()) for draw in NOISE] + [float(index)])


def collate(samples: list[torch.Tensor]) -> dict[str, torch.Tensor]:
    """A batch."""
    return {'inputs': torch.stack(samples)}


class Network(BaseModel):
    """A linear layer behind dropout, which draws chance in the main process."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = torch.nn.Linear(4, 4)
        self.seen: list[torch.Tensor] = []

    def forward(self, inputs: torch.Tensor, mode: str = 'tensor') -> dict[str, torch.Tensor]:
        """The loss, whatever is asked for."""
        self.seen.append(inputs.clone())
        hidden = torch.nn.functional.dropout(self.layer(inputs), training=self.training)
        return {'loss': hidden.square().mean()}


@pytest.fixture
def train(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A function that trains up to an epoch, resumed from the work_dir if it has a checkpoint."""
    monkeypatch.setattr(DefaultScope, '_instance_dict', DefaultScope._instance_dict.copy())

    def run(
        name: str, epochs: int, hook: bool = True, workers: int = 2, persistent: bool = False
    ) -> Network:
        torch.manual_seed(0)  # the same first weights
        network = Network()
        loader = {
            'dataset': Noisy(),
            'batch_size': 2,
            'sampler': {'type': 'DefaultSampler', 'shuffle': True},
            'num_workers': workers,
            'persistent_workers': persistent,
            'collate_fn': {'type': collate},
        }
        runner = Runner(
            model=network,
            work_dir=str(tmp_path / name),
            train_dataloader=loader,
            train_cfg={'by_epoch': True, 'max_epochs': epochs},
            optim_wrapper={'optimizer': {'type': 'SGD', 'lr': 0.1, 'momentum': 0.9}},
            default_hooks={'epoch_seed': {'type': 'EpochSeedHook'}} if hook else None,
            randomness={'seed': 3},
            resume=(tmp_path / name / 'last_checkpoint').exists(),
            experiment_name=f'{name}-{epochs}-{random.getrandbits(64)}',
        )
        runner.train()
        return network

    return run


def weights(network: Network) -> torch.Tensor:
    """All parameters in one vector."""
    return torch.cat([each.detach().flatten() for each in network.parameters()])


@pytest.mark.parametrize('workers', [0, 2])
def test_resumed_equals_uninterrupted(train: Any, workers: int) -> None:
    """Four epochs at a stretch, and two, a stop and two more, give bit-identical weights."""
    whole = train('whole', 4, workers=workers)
    train('parts', 2, workers=workers)
    parts = train('parts', 4, workers=workers)
    assert torch.equal(weights(whole), weights(parts))
    assert torch.equal(torch.cat(whole.seen[6:]), torch.cat(parts.seen))


def test_without_the_hook_it_does_not(train: Any) -> None:
    """The hook is what makes the difference: mmengine alone resumes with other numbers."""
    whole = train('whole', 4, hook=False)
    train('parts', 2, hook=False)
    parts = train('parts', 4, hook=False)
    assert not torch.equal(weights(whole), weights(parts))


def test_every_epoch_and_worker_has_numbers_of_its_own(train: Any) -> None:
    """No two samples of a run are augmented alike; without the hook each epoch repeats itself."""
    chance = torch.cat(train('with', 3).seen)[:, :3]
    assert len(torch.unique(chance, dim=0)) == len(chance) == 18
    repeated = torch.cat(train('without', 3, hook=False).seen)[:, :3]
    assert len(torch.unique(repeated, dim=0)) < 18


def test_kept_workers_are_warned_of(train: Any, tmp_path: Path) -> None:
    """Where the promise cannot be kept, the log says so."""
    train('kept', 1, persistent=True)
    (log,) = (tmp_path / 'kept').rglob('*.log')
    said = 'persistent_workers=True: a resumed run will see other augmentations'
    assert said in log.read_text()
    train('started again', 1)
    (log,) = (tmp_path / 'started again').rglob('*.log')
    assert said not in log.read_text()


def test_seeds() -> None:
    """Every pair of seed and epoch has one seed in the range that all generators take."""
    seeds = {mixed_seed(seed, epoch) for seed in range(30) for epoch in range(100)}
    assert len(seeds) == 3000
    assert min(seeds) >= 0
    assert max(seeds) < 2**31
    assert mixed_seed(1, 2) == mixed_seed(1, 2)


def test_registry() -> None:
    """The short name builds the hook, as default_hooks does."""
    assert isinstance(HOOKS.build({'type': 'EpochSeedHook'}), EpochSeedHook)


def note(file: Path, worker: int) -> None:
    """What a user does in each worker, such as opening a database."""
    with file.open('a') as stream:
        stream.write(f'{worker}\n')


def test_a_worker_init_fn_of_the_config_is_called(tmp_path: Path) -> None:
    """Behind the seeding, once a worker, in every epoch."""
    plain = DataLoader(Noisy(), 2, num_workers=1)
    own = DataLoader(
        Noisy(), 2, num_workers=1, worker_init_fn=partial(note, tmp_path / 'workers.txt')
    )
    for seed in (5, 6):
        for loader in (plain, own):
            seed_all(seed, loader)
        for one, other in zip(plain, own, strict=True):
            torch.testing.assert_close(one, other)
    assert (tmp_path / 'workers.txt').read_text() == '0\n0\n'
