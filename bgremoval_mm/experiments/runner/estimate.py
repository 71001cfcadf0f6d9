"""How long a training would take: a few iterations of it, timed, times their number."""

from __future__ import annotations

import argparse
import json
import math
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from mmengine.config import Config

from bgremoval_mm.experiments.base import Experiment
from bgremoval_mm.experiments.runner.options import load_config
from bgremoval_mm.experiments.runner.runs import RESULT, Run, RunError, Workspace
from bgremoval_mm.utils.json_io import read_json, write_json

__all__ = ['Estimates', 'count_iterations', 'time_iterations']

WARM_UP = 3  # iterations: cuDNN chooses its algorithms, workers start


def count_iterations(config: Config, photos: int) -> int:
    """Return the number of iterations of a whole training; one that may stop early counts whole.

    Args:
        config: The config.
        photos: Number of training photos.
    """
    if config.train_cfg.get('max_iters'):
        return int(config.train_cfg.max_iters)
    loader = config.train_dataloader
    # A batch sampler such as MPerClassBatchSampler says itself how long an epoch is.
    batches = (loader.get('batch_sampler') or {}).get('iterations')
    batches = batches or math.ceil(photos / int(loader.batch_size))
    return int(config.train_cfg.max_epochs) * int(batches)


def time_iterations(config: Config, count: int) -> tuple[float, int]:
    """Train for a few iterations.

    The network's initial weights do not matter for the time, so that none are fetched.

    Args:
        config: The config; it is changed.
        count: Iterations after the warm-up.

    Returns:
        Median seconds an iteration, loading included, and the number of training photos.
    """
    from mmengine.runner import Runner

    _forget_weights(config.model)
    for part in ('val', 'test'):
        for what in ('dataloader', 'evaluator', 'cfg'):
            config[f'{part}_{what}'] = None
    config.train_cfg = {'type': 'IterBasedTrainLoop', 'max_iters': WARM_UP + count}
    config.param_scheduler = None
    config.custom_hooks = []
    config.default_hooks = {'checkpoint': None}
    config.resume = False
    with tempfile.TemporaryDirectory() as folder:
        config.work_dir = folder
        runner = Runner.from_cfg(config)
        runner.train()
    times, _ = runner.message_hub.get_scalar('train/time').data
    return float(np.median(times[WARM_UP:])), len(runner.train_dataloader.dataset)


def _forget_weights(settings: Any) -> None:
    if isinstance(settings, dict):
        if 'init_cfg' in settings:
            settings['init_cfg'] = None
        if 'pretrained' in settings:
            settings['pretrained'] = None
        for value in settings.values():
            _forget_weights(value)
    elif isinstance(settings, list | tuple):
        for value in settings:
            _forget_weights(value)


class Estimates:
    """Hours a run takes on this machine's device, kept in ``estimates.json`` below the root.

    A run's time stands for all runs of its experiment on a dataset: whatever the seed, the fold and
    the variant.

    Args:
        workspace: Where the runs are, and their options.
        device: Name of the device, part of what an estimate is for.
    """

    def __init__(self, workspace: Workspace, device: str) -> None:
        self.file = workspace.root / 'estimates.json'
        self.workspace = workspace
        self.device = device
        self.known: dict[str, float] = read_json(self.file) or {}
        self._finished: dict[tuple[Experiment, str], float | None] = {}

    def _key(self, run: Run) -> str:
        return ' '.join([self.device, run.baseline.config, *self.workspace.options])

    def hours(self, run: Run) -> float | None:
        """Return the hours of a run's training, None if they are not known.

        They were timed, or are those of a finished run of the same experiment on this device that
        was not interrupted.
        """
        known = self.known.get(self._key(run))
        return known if known is not None else self._of_finished(run)

    def _of_finished(self, run: Run) -> float | None:
        key = (run.experiment, run.dataset)
        if key not in self._finished:
            depth = '' if run.fold is None else 'fold*/'
            configs = [
                Path(run.experiment.config(run.dataset, variant.name)).stem
                for variant in run.experiment.variants
            ]
            results = [
                read_json(file)
                for config in configs
                for file in sorted(self.workspace.root.glob(f'{config}/{depth}seed*/{RESULT}'))
            ]
            seconds = [
                float(result['train_seconds'])
                for result in results
                if result is not None and self._is_comparable(result)
            ]
            self._finished[key] = float(np.median(seconds)) / 3600 if seconds else None
        return self._finished[key]

    def _is_comparable(self, result: Mapping[str, Any]) -> bool:
        """Tell whether a result says how long a whole run takes here."""
        return (
            result.get('device') == self.device
            and result.get('options') == list(self.workspace.options)
            and len(result.get('starts', ())) == 1
            and 'train_seconds' in result
        )

    def measure(self, run: Run, count: int) -> float:
        """Time a run's training, in a process of its own, and remember it.

        Raises:
            RunError: If it cannot be trained; the message is its last line.
        """
        config = str(self.workspace.configs / run.baseline.config)
        command = [sys.executable, '-m', __name__, '--root', str(self.workspace.root)]
        command += [config, str(count), *self.workspace.options_of(run)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        lines = done.stdout.strip().splitlines()
        if done.returncode or not lines:
            reason = (done.stderr.strip().splitlines() or ['no output'])[-1]
            msg = f'{run.config} cannot be timed: {reason}'
            raise RunError(msg)
        self.known[self._key(run)] = json.loads(lines[-1])['hours']
        write_json(self.file, self.known)
        return self.known[self._key(run)]


def main(argv: list[str] | None = None) -> int:
    """Print the hours of one config as JSON, in the last line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--root', type=Path, help='of all runs')
    parser.add_argument('config', type=Path)
    parser.add_argument('count', type=int)
    parser.add_argument('options', nargs='*')
    args = parser.parse_args(argv)
    whole, timed = (load_config(args.config, args.options, args.root) for _ in range(2))
    seconds, photos = time_iterations(timed, args.count)
    hours = seconds * count_iterations(whole, photos) / 3600
    sys.stdout.write(
        '\n' + json.dumps({'seconds': seconds, 'photos': photos, 'hours': hours}) + '\n'
    )
    return 0


if __name__ == '__main__':
    sys.exit(main())
