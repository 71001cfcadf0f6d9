"""The runs behind a work's results, and where each keeps its files.

<root>/<config's name>/seed<S>/    one run: mmengine's work_dir, and beside its files; of an
                                   experiment with folds, <config's name>/fold<F>/seed<S>/
    run.json      what the run is: written when it starts
    run.log       what its process printed
    lock          held while its process lives
    failure.json  why it failed
    result.json   metrics, settings, versions: written last
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from bgremoval_mm.experiments.base import Experiment, Work
from bgremoval_mm.removal.errors import ArgumentError, BgremovalError

__all__ = ['Run', 'RunError', 'Workspace', 'networks_of', 'run_of_config', 'select_runs']

_FOR_NETWORKS = re.compile(r'(?P<networks>[^=:]+):\s*(?P<option>[^=:]+=.*)', re.DOTALL)

RESULT, FAILURE, SETTINGS, LOG, LOCK, HITS = (
    'result.json',
    'failure.json',
    'run.json',
    'run.log',
    'lock',
    'hits.csv',
)


class RunError(BgremovalError, RuntimeError):
    """A run cannot be started or timed; the message says why."""


@dataclass(frozen=True)
class Run:
    """One training and test.

    Attributes:
        work: The work whose experiment it is.
        experiment: What is trained.
        dataset: On which dataset, a key of ``experiment.datasets``.
        variant: Name of one of ``experiment.variants``.
        seed: ``randomness.seed``.
        fold: One of ``experiment.folds``; None if it has none.
    """

    work: Work
    experiment: Experiment
    dataset: str
    variant: str
    seed: int
    fold: int | None = None

    @property
    def config(self) -> str:
        """Path of the config below ``configs``, with ``/``."""
        return self.experiment.config(self.dataset, self.variant)

    @property
    def name(self) -> str:
        """Name of the run, which is its folder's below the root, with ``/``."""
        fold = '' if self.fold is None else f'fold{self.fold}/'
        return f'{Path(self.config).stem}/{fold}seed{self.seed}'

    @property
    def options(self) -> tuple[str, ...]:
        """What its seed and its fold change, as ``KEY=VALUE``."""
        fold = () if self.fold is None else self.experiment.fold_options(self.fold)
        return (*self.experiment.options(self.seed), *fold)

    @property
    def baseline(self) -> Run:
        """The run that this one is compared with; itself if it is a baseline."""
        return replace(self, variant=self.experiment.variants[0].name)

    def describe(self) -> dict[str, Any]:
        """Return what identifies the run, for ``run.json`` and ``result.json``."""
        return {
            'work': self.work.name,
            'place': self.experiment.item,  # the names of item and variant in all releases
            'model': self.experiment.model,
            'title': self.experiment.title,
            'config': self.config,
            'dataset': self.dataset,
            'arm': self.variant,
            'seed': self.seed,
            **({} if self.fold is None else {'fold': self.fold}),
        }


@dataclass(frozen=True)
class Workspace:
    """What all runs of one call share.

    Attributes:
        root: Root of all runs.
        configs: Folder of the configs.
        options: ``KEY=VALUE`` for every run, see ``options.load_config``, or ``NETWORKS:
            KEY=VALUE`` for those of some networks, in all variants.
    """

    root: Path
    configs: Path
    options: tuple[str, ...] = ()

    def folder(self, run: Run) -> Path:
        """Return the folder of a run."""
        return self.root / run.name

    def options_of(self, run: Run) -> tuple[str, ...]:
        """Return the options of a run: those of its seed and fold, then those of all.

        In their values ``{root}`` stands for `root`, which `options.load_config` puts there.

        Raises:
            ArgumentError: If one is for networks of which the work has none.
        """
        chosen = list(run.options)
        for each in self.options:
            networks, option = networks_of(each)
            if not any(fnmatchcase(model, networks) for model in run.work.models):
                known = ', '.join(run.work.models)
                msg = f'`options` must be for networks of {known}, but got {networks!r} in {each!r}'
                raise ArgumentError(msg)
            if fnmatchcase(run.experiment.model, networks):
                chosen.append(option)
        return tuple(chosen)


def networks_of(option: str) -> tuple[str, str]:
    """Return for which networks an option is, with ``*`` for any characters, and what it sets.

    >>> networks_of('vgg*: train_cfg.max_epochs=20')
    ('vgg*', 'train_cfg.max_epochs=20')
    >>> networks_of('train_cfg.max_epochs=20')
    ('*', 'train_cfg.max_epochs=20')
    """
    found = _FOR_NETWORKS.fullmatch(option)
    return (found['networks'].strip(), found['option']) if found else ('*', option)


def select_runs(
    work: Work,
    items: Sequence[str] = (),
    datasets: Sequence[str] = (),
    models: Sequence[str] = (),
    variants: Sequence[str] = (),
    seeds: Iterable[int] = (0,),
    folds: Sequence[int] = (),
) -> list[Run]:
    """Return runs by what they belong to; an empty selection selects all.

    Args:
        work: The work.
        items: Its figures and tables.
        datasets: Names of datasets, as in the configs' names.
        models: Names of networks, as in the configs' names.
        variants: Names of variants.
        seeds: Each makes a run of its own.
        folds: Numbers of folds; experiments that have none of them are left out.

    Returns:
        The runs: item by item, dataset by dataset, seed by seed, and of each experiment fold by
        fold, the baseline first, with which the other variants are compared.

    Raises:
        ArgumentError: If a name or a fold is not known; the message lists those that are.
    """
    names = tuple(dict.fromkeys(name for each in work.experiments for name in each.datasets))
    for argument, chosen, allowed in (
        ('items', items, work.items),
        ('datasets', datasets, names),
        ('models', models, work.models),
        ('variants', variants, work.variants),
    ):
        for name in chosen:
            if name not in allowed:
                msg = f'`{argument}` must be of {", ".join(allowed)}, but got {name!r}'
                raise ArgumentError(msg)
    for fold in folds:
        if fold not in work.folds:
            known = ', '.join(map(str, work.folds)) or f'nothing: {work.name} has no folds'
            msg = f'`folds` must be of {known}, but got {fold}'
            raise ArgumentError(msg)
    seeds = list(seeds)
    return [
        Run(work, experiment, dataset, variant.name, seed, fold)
        for item in work.items
        if not items or item in items
        for dataset in names
        if not datasets or dataset in datasets
        for seed in seeds
        for experiment in work.experiments
        if experiment.item == item and dataset in experiment.datasets
        if not models or experiment.model in models
        for fold in experiment.folds or (None,)
        if not folds or fold in folds
        for variant in experiment.variants
        if not variants or variant.name in variants
    ]


def run_of_config(work: Work, config: str, seed: int, fold: int | None = None) -> Run:
    """Return the run of a config's path below ``configs``.

    Args:
        work: The work.
        config: The path, with ``/``.
        seed: Of the run.
        fold: Of the run; None where the experiment has none.

    Raises:
        ArgumentError: If no experiment has this config, or it has no such fold.
    """
    runs = [run for run in select_runs(work, seeds=[seed]) if run.config == config]
    if not runs:
        msg = f'`config` must be the config of an experiment, below configs, but got {config!r}'
        raise ArgumentError(msg)
    _check_fold(config, fold, [run.fold for run in runs])
    return next(run for run in runs if run.fold == fold)


def _check_fold(config: str, fold: int | None, known: Sequence[int | None]) -> None:
    if fold not in known:
        shown = ', '.join(map(str, known))
        msg = f'`fold` must be one of {shown} for {config}, but got {fold}'
        raise ArgumentError(msg)
