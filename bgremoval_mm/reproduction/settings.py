"""Configs of runs: options that mean the same in both arms, and the data that a run needs."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mmengine.config import Config, DictAction

from bgremoval_mm.reproduction.runs import Run
from bgremoval_mm.run_config import read_config

__all__ = ['load_config', 'missing_data', 'photos_of']

_SUBSETS = ('train', 'val', 'test')


def load_config(path: str | Path, options: Sequence[str] = ()) -> Config:
    """A config with options for either arm.

    Args:
        path: The config.
        options: ``KEY=VALUE`` as ``--cfg-options`` takes them. Keys that begin with
            ``train_dataset.``, ``val_dataset.`` or ``test_dataset.`` are of the data set that
            reads the photos, which in the removed arm lies inside a RembgDataset.

    Raises:
        FileNotFoundError: If there is no such config.
        ValueError: If the options do not fit it.
    """
    config = read_config(path)
    parsed = {}
    for key, value in _parse(options).items():
        subset, _, rest = key.partition('_dataset.')
        if subset in _SUBSETS and rest:
            inner = 'dataset.' if 'dataset' in config[f'{subset}_dataloader'].dataset else ''
            key = f'{subset}_dataloader.dataset.{inner}{rest}'
        parsed[key] = value
    try:
        config.merge_from_dict(parsed)
    except (KeyError, TypeError, IndexError) as err:
        msg = f'the options do not fit {path}: {err}'
        raise ValueError(msg) from err
    return config


def _parse(options: Sequence[str]) -> dict[str, Any]:
    parser = argparse.ArgumentParser(exit_on_error=False)
    parser.add_argument('--options', nargs='*', action=DictAction, default={})
    for option in options:
        if '=' not in option:
            msg = f'an option must be KEY=VALUE, but got {option!r}'
            raise ValueError(msg)
    return dict(parser.parse_args(['--options', *options]).options) if options else {}


def photos_of(dataset: Any) -> str:
    """Folder of the photos that a data set's config reads, inside whatever wrappers."""
    while 'dataset' in dataset:
        dataset = dataset.dataset
    return str(dataset.data_root)


def missing_data(run: Run, configs: Path, options: Sequence[str] = ()) -> str:
    """What a run needs and is not there, with the command that mends it; '' if nothing.

    Looks at folders and list files only, not at every photo and mask.
    """
    config = load_config(configs / run.config, options)
    dataset = config.train_dataloader.dataset
    data_root = Path(photos_of(dataset))
    name = 'ccp' if run.dataset == 'ccp' else run.dataset.removesuffix('47')
    if not data_root.is_dir():
        return f'no photos in {data_root}: python tools/prepare_dataset.py {name}'
    if run.experiment.place.startswith('Table') and run.dataset == 'ccp':
        prepared = Path(f'{data_root}-prepared')
        if not prepared.is_dir():
            return f'no annotations in {prepared}: python tools/prepare_dataset.py {name}'
    if run.arm == 'rembg' and not (Path(dataset.mask_dir) / dataset.get('model', 'u2net')).is_dir():
        return (
            f'no masks in {dataset.mask_dir}: python tools/remove_background.py {data_root} '
            f'{dataset.mask_dir}'
        )
    return ''
