"""One run in a process of its own: ``python -m bgremoval_mm.experiments.runner.worker``.

Trains, or resumes an interrupted training, tests the last or the best checkpoint and writes
``result.json`` last. Its exit status says what became of the run: 0 done (now or before), 75
another process is at work on it, anything else failed.
"""

from __future__ import annotations

import argparse
import logging
import os
import platform
import subprocess
import sys
import time
import zipfile
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from mmengine.config import Config

from bgremoval_mm.evaluation.metrics.per_image import PER_IMAGE_FILE
from bgremoval_mm.experiments.papers import load_work
from bgremoval_mm.experiments.runner.options import photos_of, run_config
from bgremoval_mm.experiments.runner.runs import (
    FAILURE,
    HITS,
    RESULT,
    SETTINGS,
    Run,
    RunError,
    Workspace,
    run_of_config,
)
from bgremoval_mm.experiments.runner.state import is_same_run, run_lock
from bgremoval_mm.utils.allocator import FOR_NETWORKS, keep_freed_memory
from bgremoval_mm.utils.json_io import read_json, write_json
from bgremoval_mm.utils.text import printable

__all__ = ['BUSY', 'main', 'prepare', 'provenance', 'work']

logger = logging.getLogger(__name__)

BUSY = os.EX_TEMPFAIL
SCHEMA = 1
_PACKAGES = ('torch', 'mmengine', 'mmcv', 'mmpretrain', 'mmdet', 'mmsegmentation', 'numpy')


def prepare(run: Run, workspace: Workspace) -> Config:
    """Read the config of a run; set its seed, its folder and the results that its test writes."""
    config = run_config(run, workspace)
    folder = workspace.folder(run)
    config.work_dir = str(folder)
    config.resume = True
    config.randomness = {**(config.get('randomness') or {}), 'seed': run.seed}
    if run != run.baseline:
        for hook in config.get('custom_hooks') or []:
            if hook['type'] == 'DiffMetricsHook':
                hook['baseline'] = str(workspace.folder(run.baseline))
    evaluators = config.test_evaluator
    evaluators = [evaluators] if isinstance(evaluators, dict) else list(evaluators)
    for evaluator in evaluators:
        if evaluator['type'] == 'CocoMetric':
            evaluator['outfile_prefix'] = str(folder / 'predictions')
        if evaluator['type'] == 'ProductAccuracy':
            evaluator['out_dir'] = str(folder / 'products')
        if evaluator['type'] == 'QueryGalleryMetric':
            evaluator['hits_file'] = str(folder / HITS)
            evaluator['per_query_file'] = str(folder / PER_IMAGE_FILE)
            evaluator['root'] = photos_of(config.test_dataloader.dataset)
    if run.experiment.per_image:
        added: dict[str, Any] = {
            'type': run.experiment.per_image,
            'file': str(folder / PER_IMAGE_FILE),
            'root': photos_of(config.test_dataloader.dataset),
        }
        if added['type'] == 'PerImageAccuracy':
            accuracies = (each for each in evaluators if each['type'] == 'Accuracy')
            added['topk'] = next((each.get('topk', 1) for each in accuracies), 1)
        evaluators.append(added)
    config.test_evaluator = evaluators
    return config


def work(run: Run, workspace: Workspace) -> dict[str, Any]:
    """Do a run, or resume it if it was interrupted.

    Returns:
        What ``result.json`` holds.

    Raises:
        filelock.Timeout: If another process is at work on it.
        RunError: If it was begun with other options, or for another work.
    """
    from mmengine.runner import Runner

    from bgremoval_mm.engine.hooks.resumed_validation import ResumedValidationHook

    folder = workspace.folder(run)
    folder.mkdir(parents=True, exist_ok=True)
    with run_lock(folder).acquire(timeout=0):
        done, before = read_json(folder / RESULT), read_json(folder / SETTINGS) or {}
        begun = done or before
        if begun and not is_same_run(begun, run, workspace):
            msg = (
                f'{folder} was begun with other options or for another work: {SETTINGS} there says '
                'which. Take another --root, or delete the folder.'
            )
            raise RunError(msg)
        if done is not None:
            return done
        (folder / FAILURE).unlink(missing_ok=True)
        starts = [*before.get('starts', []), _now()]
        settings = {
            'experiment': run.describe(),
            'options': list(workspace.options),
            'starts': starts,
        }
        write_json(folder / SETTINGS, settings)

        config = prepare(run, workspace)
        _set_start(config, folder)
        runner = Runner.from_cfg(config)
        hooks = {type(hook).__name__ for hook in runner.hooks}
        if run.experiment.tested == 'best' and 'ResumableEarlyStoppingHook' not in hooks:
            runner.register_hook(ResumedValidationHook())
        started = time.monotonic()
        runner.train()
        seconds = time.monotonic() - started
        checkpoint = _last_checkpoint(folder)
        if run.experiment.tested == 'best':
            checkpoint = _best_checkpoint(runner)
            runner.load_checkpoint(checkpoint)
        metrics = runner.test()
        result = {
            'schema': SCHEMA,
            **settings,
            'metrics': metrics,
            'checkpoint': Path(checkpoint).name,
            'images': len(runner.test_dataloader.dataset),
            # Of the last start only: how long a killed process took is not known.
            'train_seconds': round(seconds, 1),
            'finished': _now(),
            **provenance(workspace.configs.parent),
        }
        for evaluator in config.test_evaluator:
            if evaluator['type'] == 'CocoMetric':
                made = f'{evaluator["outfile_prefix"]}.gt.json'  # of the photos that were shown
                result['annotations'] = str(Path(evaluator.get('ann_file') or made).resolve())
        write_json(folder / RESULT, result)
    return result


def _set_start(config: Config, folder: Path) -> None:
    """Let an interrupted run go on from its newest whole checkpoint, and another one begin.

    A run that begins has the weights of ``load_from``, if its config names some; mmengine would
    resume from these. A checkpoint that was being written over as the process was killed is cut
    off, although ``last_checkpoint`` names it.
    """
    named = Path(_last_checkpoint(folder))
    others = [path for kind in ('epoch', 'iter') for path in folder.glob(f'{kind}_*.pth')]
    others.sort(key=lambda path: path.stat().st_mtime_ns, reverse=True)
    found = [path for path in (named, *others) if path.is_file()]
    whole = next((path for path in found if zipfile.is_zipfile(path)), None)
    if found and whole != found[0]:
        left = 'the run begins again' if whole is None else f'{whole.name} is taken'
        logger.warning('%s is cut off: %s', printable(found[0]), left)
    config.resume = whole is not None
    if whole is not None:
        config.load_from = str(whole)


def _last_checkpoint(folder: Path) -> str:
    pointer = folder / 'last_checkpoint'
    return pointer.read_text(encoding='utf-8').strip() if pointer.is_file() else ''


def _best_checkpoint(runner: Any) -> str:
    """Return the path of the checkpoint that was best on the validation photos.

    Raises:
        RunError: If there is none.
    """
    best = runner.message_hub.runtime_info.get('best_ckpt')
    if best is None:
        msg = (
            f'{runner.work_dir} has no best checkpoint, which is to be tested: does the config '
            'validate, and has its CheckpointHook `save_best`?'
        )
        raise RunError(msg)
    return str(best)


def provenance(repository: Path) -> dict[str, Any]:
    """Return commit, versions and machine, without which a number cannot be judged."""
    import torch

    versions = {}
    for package in _PACKAGES:
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            continue
    if torch.cuda.is_available():
        device = torch.cuda.get_device_name()
    else:
        device = f'CPU, {os.cpu_count()} cores'
    return {
        'commit': _commit(repository),
        'versions': {'python': platform.python_version(), **versions},
        'device': device,
        'host': platform.node(),
    }


def _commit(repository: Path) -> str | None:
    """Return the commit of the sources, with ``+`` if they were changed since; None without git."""
    try:
        commit = subprocess.run(
            ['git', 'describe', '--always', '--abbrev=10', '--dirty=+', '--exclude=*'],
            cwd=repository,
            capture_output=True,
            text=True,
            check=True,
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    return commit.stdout.strip() or None


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec='seconds')


def main(argv: list[str] | None = None) -> int:
    """Do one run."""
    from filelock import Timeout

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('config', help='path of the config below the folder of configs')
    parser.add_argument('--work', required=True, help='the work whose experiment it is')
    parser.add_argument('--seed', type=int, required=True)
    parser.add_argument('--fold', type=int, help='of an experiment that has folds')
    parser.add_argument('--root', type=Path, required=True)
    parser.add_argument('--configs', type=Path, required=True)
    parser.add_argument('--options', nargs='*', default=[])
    args = parser.parse_args(argv)
    run = run_of_config(load_work(args.work), args.config, args.seed, args.fold)
    workspace = Workspace(args.root, args.configs, tuple(args.options))
    keep_freed_memory(FOR_NETWORKS)
    try:
        work(run, workspace)
    except Timeout:
        sys.stderr.write('another process is at work on this run\n')
        return BUSY
    except Exception as err:
        reason = f'{type(err).__name__}: {err}'
        write_json(workspace.folder(run) / FAILURE, {'reason': reason, 'when': _now()})
        raise
    return 0


if __name__ == '__main__':
    sys.exit(main())
