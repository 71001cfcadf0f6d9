"""The runs behind the paper's results, and where each keeps its files.

<root>/<config's name>/seed<S>/    one run: mmengine's work_dir, and beside its files
    run.json      what the run is: written when it starts
    run.log       what its process printed
    lock          held while its process lives
    failure.json  why it failed
    result.json   metrics, settings, versions: written last
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bgremoval_mm.experiments.papers.liang2023.experiments import ARMS, EXPERIMENTS, Experiment
from bgremoval_mm.removal.errors import BgremovalError

__all__ = ['PLACES', 'Run', 'RunError', 'run_of_config', 'select_runs']

PLACES = tuple(dict.fromkeys(experiment.place for experiment in EXPERIMENTS))
"""The paper's results, in its order."""

RESULT, FAILURE, SETTINGS, LOG, LOCK = (
    'result.json',
    'failure.json',
    'run.json',
    'run.log',
    'lock',
)


class RunError(BgremovalError, RuntimeError):
    """A run cannot be started or timed; the message says why."""


@dataclass(frozen=True)
class Run:
    """One training and test.

    Attributes:
        experiment: What is trained.
        dataset: On which data set, a key of ``experiment.datasets``.
        arm: One of ``ARMS``.
        seed: ``randomness.seed``.
    """

    experiment: Experiment
    dataset: str
    arm: str
    seed: int

    @property
    def config(self) -> str:
        """Path of the config below ``configs``, with ``/``."""
        return self.experiment.config(self.dataset, self.arm)

    @property
    def name(self) -> str:
        """Name of the run, which is its folder's below the root, with ``/``."""
        return f'{Path(self.config).stem}/seed{self.seed}'

    @property
    def original(self) -> Run:
        """The run on original images that this one is compared with; itself in that arm."""
        return Run(self.experiment, self.dataset, ARMS[0], self.seed)

    def describe(self) -> dict[str, Any]:
        """What identifies the run, for ``run.json`` and ``result.json``."""
        return {
            'place': self.experiment.place,
            'model': self.experiment.model,
            'title': self.experiment.title,
            'config': self.config,
            'dataset': self.dataset,
            'arm': self.arm,
            'seed': self.seed,
        }


def select_runs(
    places: Sequence[str] = (),
    datasets: Sequence[str] = (),
    models: Sequence[str] = (),
    arms: Sequence[str] = (),
    seeds: Iterable[int] = (0,),
) -> list[Run]:
    """Runs by what they belong to; an empty selection selects all.

    Args:
        places: Results of the paper, of ``PLACES``.
        datasets: Names of data sets, as in the configs' names.
        models: Names of networks, as in the configs' names.
        arms: Of ``ARMS``.
        seeds: Each makes a run of its own.

    Returns:
        The runs: result by result, data set by data set, seed by seed, and of each pair the
        original arm first, with which the other is compared.

    Raises:
        ValueError: If a name is not known; the message lists those that are.
    """
    known = {
        'places': (places, PLACES),
        'datasets': (datasets, _unique(d for e in EXPERIMENTS for d in e.datasets)),
        'models': (models, _unique(experiment.model for experiment in EXPERIMENTS)),
        'arms': (arms, ARMS),
    }
    for argument, (chosen, allowed) in known.items():
        for name in chosen:
            if name not in allowed:
                msg = f'`{argument}` must be of {", ".join(allowed)}, but got {name!r}'
                raise ValueError(msg)
    seeds = list(seeds)
    return [
        Run(experiment, dataset, arm, seed)
        for place in PLACES
        if place in (places or PLACES)
        for dataset in known['datasets'][1]
        if dataset in (datasets or known['datasets'][1])
        for seed in seeds
        for experiment in EXPERIMENTS
        if experiment.place == place and dataset in experiment.datasets
        if experiment.model in (models or known['models'][1])
        for arm in ARMS
        if arm in (arms or ARMS)
    ]


def _unique(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(names))


def run_of_config(config: str, seed: int) -> Run:
    """The run of a config's path below ``configs``.

    Raises:
        ValueError: If no experiment has this config.
    """
    for experiment in EXPERIMENTS:
        for dataset in experiment.datasets:
            for arm in ARMS:
                if experiment.config(dataset, arm) == config:
                    return Run(experiment, dataset, arm, seed)
    msg = f'`config` must be the config of an experiment, below configs, but got {config!r}'
    raise ValueError(msg)
