"""Configs of runs: options that mean the same in all variants, and the data that a run needs."""

from __future__ import annotations

import argparse
import os
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mmengine.config import Config, DictAction

from bgremoval_mm.datasets.removal_settings import RemovalSettings
from bgremoval_mm.datasets.transforms.remove_background import DEFAULTS
from bgremoval_mm.datasets.unwrap import base_datasets, type_name
from bgremoval_mm.engine.dataset_options import owners_of
from bgremoval_mm.engine.loops.background_test import replaced_dataset
from bgremoval_mm.engine.run_config import read_config
from bgremoval_mm.experiments.runner.mask_options import parse_masks, set_masks
from bgremoval_mm.experiments.runner.runs import Run, Workspace
from bgremoval_mm.removal.errors import ArgumentError
from bgremoval_mm.removal.zoo.catalogue import get_model, is_model_file
from bgremoval_mm.utils.text import printable

__all__ = ['load_config', 'missing_data', 'photos_of', 'run_config']

_SUBSETS = ('train', 'val', 'test')


def load_config(
    path: str | Path, options: Sequence[str] = (), root: str | Path | None = None
) -> Config:
    """Read a config and set options in it, which may be written for any variant.

    Args:
        path: The config.
        options: ``KEY=VALUE`` as ``--cfg-options`` takes them. Keys that begin with
            ``train_dataset.``, ``val_dataset.`` or ``test_dataset.`` are of the dataset that
            reads the photos, which in a variant may lie inside a wrapper such as RembgDataset;
            inside a ConcatDataset, of each one. Those that begin with ``removal.`` say which masks
            are used, see `mask_options.set_masks`.
        root: What ``{root}`` stands for in their values, where other runs leave their checkpoints:
            a path to the letter, of which ``--cfg-options`` would take the spaces, and make a list
            where it has a comma.

    Raises:
        FileNotFoundError: If there is no such config.
        ValueError: If the options do not fit it.
    """
    config = read_config(path)
    masks, others = parse_masks(options)
    parsed = {}
    for key, text in _parse(others).items():
        value = text if root is None else _put_in(text, str(root))
        subset, _, rest = key.partition('_dataset.')
        if subset in _SUBSETS and rest:
            for inner in owners_of(config[f'{subset}_dataloader'].dataset, rest):
                path = f'{subset}_dataloader.dataset.{inner}.{rest}'
                parsed[path.replace('..', '.')] = value
        else:
            parsed[key] = value
    try:
        config.merge_from_dict(parsed)
    except (KeyError, TypeError, IndexError) as err:
        msg = f'the options do not fit {path}: {err}'
        raise ArgumentError(msg) from err
    set_masks(config._cfg_dict, masks)
    return config


def _parse(options: Sequence[str]) -> dict[str, Any]:
    parser = argparse.ArgumentParser(exit_on_error=False)
    parser.add_argument('--options', nargs='*', action=DictAction, default={})
    for option in options:
        if '=' not in option:
            msg = f'an option must be KEY=VALUE, but got {option!r}'
            raise ArgumentError(msg)
    return dict(parser.parse_args(['--options', *options]).options) if options else {}


def _put_in(value: Any, root: str) -> Any:
    """Return the value of an option with a folder in place of ``{root}``."""
    if isinstance(value, list | tuple):
        return type(value)(_put_in(each, root) for each in value)
    return value.replace('{root}', root) if isinstance(value, str) else value


def photos_of(dataset: Any) -> str:
    """Return the folder of the photos that a dataset's config reads, inside whatever wrappers.

    Joined datasets may have a folder each, such as those of queries and of a gallery; the folder
    that holds these is returned then.

    Raises:
        ArgumentError: If there is no such folder.
    """
    bases = base_datasets(dataset)
    roots = {_root_of(each) if isinstance(each, dict) else each.data_root for each in bases}
    shared = _common_folder([str(root) for root in roots]) if all(roots) else ''
    if not shared:
        names = ', '.join(type_name(each) for each in bases)
        found = ', '.join(sorted(map(repr, roots)))
        msg = (
            'the photos must lie in one `data_root`, or in several of one folder, but of '
            f'{names} it is {printable(found)}'
        )
        raise ArgumentError(msg)
    return shared


def _common_folder(roots: Sequence[str]) -> str:
    """Return the one folder, or that which holds all of them; '' if none does."""
    if len(roots) == 1:
        return roots[0]
    try:
        found = os.path.commonpath(roots)
    except ValueError:  # some are absolute
        return ''
    return '' if found == os.sep else found


def _root_of(dataset: Mapping[str, Any]) -> str | None:
    """Return ``data_root``, or the folder of a manifest, as PairsDataset does."""
    root: str | None = dataset.get('data_root')
    if root is None and 'manifest' in dataset:
        return str(Path(dataset['manifest']).parent)
    return root


def run_config(run: Run, workspace: Workspace) -> Config:
    """Read the config of a run, with its options."""
    path, options = workspace.configs / run.config, workspace.options_of(run)
    return load_config(path, options, workspace.root)


def missing_data(run: Run, workspace: Workspace) -> str:
    """Describe the data that a run needs and that are missing, with the command that fetches them.

    Looks at folders and list files only, not at every photo and mask.

    Returns:
        One line; '' if nothing is missing.
    """
    config = run_config(run, workspace)
    data_root = Path(photos_of(config.train_dataloader.dataset))
    known = run.work.datasets[run.dataset]
    command = f': python tools/prepare_dataset.py {known.prepare}' if known.prepare else ''
    if not data_root.is_dir():
        return f'no photos in {data_root}{command}'
    prepared = Path(f'{data_root}{known.prepared}')
    if not prepared.is_dir():
        return f'no annotations in {prepared}{command}'
    datasets = [(config.get(f'{each}_dataloader') or {}).get('dataset') for each in _SUBSETS]
    bases = _bases_of(datasets)
    for fold_file in _fold_files(bases):
        if not Path(fold_file).is_file():
            return f'no folds in {fold_file}: see docs/catalogue.md'
    for root in filter(known.made.__contains__, map(_root_of, bases)):
        if not Path(str(root)).is_dir():
            return f'no photos in {root}: {known.made[str(root)]}'
    for left_out in _left_out(datasets):
        if not Path(left_out).is_file():
            command = f'bgremoval sheet {Path(left_out).parent} {data_root} --leave-out {left_out}'
            return f'no list of images to leave out in {left_out}: {command}'
    for dataset in (*datasets, replaced_dataset(config)):
        missing = '' if dataset is None else _missing_masks(dataset, data_root)
        if missing:
            return missing
    return ''


def _bases_of(datasets: Sequence[Any]) -> list[dict[str, Any]]:
    """Return the configs of the datasets that read photos, inside whatever wrappers."""
    bases = [base for each in datasets if each is not None for base in base_datasets(each)]
    return [base for base in bases if isinstance(base, dict)]


def _fold_files(bases: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the files that say which photos are in which fold."""
    files = [base.get('fold_file') for base in bases]
    return list(dict.fromkeys(str(file) for file in files if file))


def _left_out(datasets: Sequence[Any]) -> list[str]:
    """Return the lists of images that are left out, of whatever wrappers."""
    files = []
    for dataset in datasets:
        while isinstance(dataset, dict):
            files.append(dataset.get('exclude'))
            dataset = dataset.get('dataset')
    return list(dict.fromkeys(str(file) for file in files if file))


def _missing_masks(dataset: Any, data_root: Path) -> str:
    """Describe what the removals of a dataset's config need and lack: masks or a bank."""
    for removal in RemovalSettings.of(dataset):
        mask_dir, model, precision = (
            removal.arguments.get(name) for name in ('mask_dir', 'model', 'precision')
        )
        folder = get_model(str(model)).name if is_model_file(model) else str(model)
        if mask_dir and not (Path(mask_dir) / folder).is_dir():
            photos = removal.arguments.get('img_root') or data_root
            command = f'python tools/remove_background.py {photos} {mask_dir}'
            for option, value in (('model', model), ('precision', precision)):
                if value != DEFAULTS[option]:
                    command += f' --{option} {shlex.quote(str(value))}'
            return f'no masks in {mask_dir}: {command}'
        for source in removal.bank:
            if not Path(source).exists():
                return f'no photos of backgrounds in {source}: see docs/replace_background.md'
    return ''
