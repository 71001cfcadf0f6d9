"""A config, made ready for an audit: testing only, image by image, perhaps on fewer photos."""

from __future__ import annotations

import json
from collections.abc import Sequence
from copy import deepcopy
from inspect import signature
from pathlib import Path
from typing import Any

from mmengine.config import Config
from mmengine.registry import DATASETS, init_default_scope
from mmengine.runner import TestLoop

from bgremoval_mm.datasets.unwrap import children_of, type_name
from bgremoval_mm.removal.errors import ArgumentError
from bgremoval_mm.utils.sampling import evenly_spaced

__all__ = ['add_per_image_results', 'choose_photos', 'coco_annotations', 'for_testing']

# Of no use in an audit, of which some would be at work under every condition.
_LEFT_OUT_HOOKS = (
    'AttentionScoreHook',
    'DiffMetricsHook',
    'EarlyStoppingHook',
    'EpochSeedHook',
    'ResumableEarlyStoppingHook',
)
_PER_IMAGE = ('PerImageAccuracy', 'PerImageIoU', 'ClassEvidence', 'RegionEvidence')


def for_testing(config: Config) -> Config:
    """Return the config without training and validation: their data need not be there.

    What measures other backgrounds than the audit's is left out too.
    """
    for part in ('train', 'val'):
        for what in ('dataloader', 'evaluator', 'cfg'):
            if config.get(f'{part}_{what}') is not None or f'{part}_{what}' in config:
                config[f'{part}_{what}'] = None
    config.optim_wrapper = config.param_scheduler = config.auto_scale_lr = None
    test = config.get('test_cfg') or {}
    if type_name(test) == 'BackgroundTestLoop':
        plain = signature(TestLoop).parameters
        test = {name: value for name, value in test.items() if name in plain}
    config.test_cfg = test
    # Others may matter to a test, such as EMAHook's averaged weights.
    hooks = config.get('custom_hooks') or []
    config.custom_hooks = [hook for hook in hooks if type_name(hook) not in _LEFT_OUT_HOOKS]
    config.resume = False
    config.default_hooks = {
        name: hook
        for name, hook in (config.get('default_hooks') or {}).items()
        if name in ('timer', 'logger', 'runtime_info')
    }
    config.default_hooks.update(checkpoint=None, param_scheduler=None, sampler_seed=None)
    return config


def add_per_image_results(config: Config, file: Path, predictions: Path) -> None:
    """Let the test say which images, or pixels, of each class are right, or what it detects.

    Args:
        config: The config, which is changed.
        file: Per-image results of mmpretrain and mmseg.
        predictions: What the names of mmdet's files begin with.

    Raises:
        ArgumentError: If the evaluator is none of mmengine's.
    """
    evaluators = config.test_evaluator
    if isinstance(evaluators, dict) and 'metrics' in evaluators:
        if evaluators.get('type') not in (None, 'Evaluator', 'mmengine.Evaluator'):
            msg = (
                'test_evaluator must be a metric or a list of metrics, but is a '
                f'{type_name(evaluators)}'
            )
            raise ArgumentError(msg)
        evaluators = evaluators['metrics']
    evaluators = [evaluators] if isinstance(evaluators, dict) else list(evaluators)
    # The saved config of a reproduced run names its own results, which stay as they are.
    evaluators = [each for each in evaluators if type_name(each) not in _PER_IMAGE]
    kinds = {type_name(each): each for each in evaluators}
    added = {'file': str(file), 'root': '.'}
    if 'Accuracy' in kinds:
        topk = kinds['Accuracy'].get('topk', 1)
        evaluators.append({'type': 'PerImageAccuracy', **added, 'topk': topk})
    elif 'IoUMetric' in kinds:
        evaluators.append({'type': 'PerImageIoU', **added})
    for each in evaluators:
        if type_name(each) == 'CocoMetric':
            each['classwise'] = True
            each['outfile_prefix'] = str(predictions)
    config.test_evaluator = evaluators


def coco_annotations(config: Config, predictions: Path) -> Path | None:
    """Return the file of the annotations that CocoMetric tests with, or writes; None without it."""
    for each in config.test_evaluator:
        if type_name(each) == 'CocoMetric':
            return Path(each.get('ann_file') or f'{predictions}.gt.json')
    return None


def choose_photos(config: Config, number: int, scratch: Path) -> None:
    """Keep so many photos, evenly chosen, and of a COCO file their annotations only.

    Args:
        config: The config, which is changed.
        number: How many photos are kept, if there are more.
        scratch: Folder for shortened annotation files.

    Raises:
        ArgumentError: If the datasets stand in a wrapper that repeats or leaves out photos.
    """
    init_default_scope(config.get('default_scope', 'mmengine'))
    dataset = DATASETS.build(deepcopy(config.test_dataloader.dataset))
    dataset.full_init()
    chosen = evenly_spaced(range(len(dataset)), number)
    _keep(config.test_dataloader.dataset, dataset, chosen)
    for evaluator in config.test_evaluator:
        file = evaluator.get('ann_file')
        if type_name(evaluator) == 'CocoMetric' and file is not None:
            ids = {dataset.get_data_info(index)['img_id'] for index in chosen}
            evaluator['ann_file'] = _coco_part(Path(file), ids, scratch)


def _keep(config: Any, dataset: Any, chosen: Sequence[int], is_cut: bool = False) -> None:
    """Keep some samples of a dataset, in its config.

    Args:
        config: Config of the dataset, which is changed.
        dataset: The dataset.
        chosen: Indices of the samples, ascending.
        is_cut: Whether a wrapper has left out photos of the dataset, which its own config has.
    """
    parts, built = children_of(config), children_of(dataset)
    if not parts:
        if is_cut:
            paths = [dataset.get_data_info(index)['img_path'] for index in chosen]
            chosen = _places(config, paths)
        known = config.get('indices')
        config.indices = [known[i] for i in chosen] if isinstance(known, list | tuple) else chosen
        return
    if len(parts) != len(built) or sum(map(len, built.values())) != len(dataset):
        msg = f'the number of photos cannot be bounded for a {type_name(config)}'
        raise ArgumentError(msg)
    start = 0
    kept = []
    for part, each in zip(parts.values(), built.values(), strict=True):
        of_part = [i - start for i in chosen if start <= i < start + len(each)]
        start += len(each)
        if of_part:
            _keep(part, each, of_part, is_cut or bool(config.get('exclude')))
            kept.append(part)
    if 'datasets' in config:
        config.datasets = kept


def _places(config: Any, paths: Sequence[str]) -> list[int]:
    """Return the indices of photos in the dataset that a config makes."""
    dataset = DATASETS.build(deepcopy(config))
    dataset.full_init()
    places = {dataset.get_data_info(i)['img_path']: i for i in range(len(dataset))}
    return [places[path] for path in paths]


def _coco_part(file: Path, ids: set[int], scratch: Path) -> str:
    content = json.loads(file.read_text(encoding='utf-8'))
    content['images'] = [each for each in content['images'] if each['id'] in ids]
    content['annotations'] = [each for each in content['annotations'] if each['image_id'] in ids]
    part = scratch / file.name
    part.write_text(json.dumps(content), encoding='utf-8')
    return str(part)
