"""A trained model on the same test photos, their backgrounds changed."""

from __future__ import annotations

import json
import logging
import os
import tempfile
from copy import deepcopy
from pathlib import Path
from typing import Any

import numpy as np
from mmengine.config import Config
from mmengine.logging import print_log
from mmengine.runner import Runner

from bgremoval_mm.datasets import ChangeBackground, RemoveBackground
from bgremoval_mm.datasets.change_background import Condition
from bgremoval_mm.datasets.wrappers import is_image_loader, leaves
from bgremoval_mm.reproduction.evidence import EVIDENCE
from bgremoval_mm.reproduction.settings import photos_of

__all__ = ['Auditor', 'class_scores']

_TRAINING_HOOKS = ('DiffMetricsHook', 'EpochSeedHook', 'EarlyStoppingHook')


class Auditor:
    """Evaluates a trained model under changed backgrounds. The model is loaded once.

    Args:
        config: The user's config, of mmpretrain, mmdet or mmseg; it is not changed.
        checkpoint: Its checkpoint.
        work_dir: Folder for the logs.
        removal: What RemoveBackground takes: mask_dir, model, img_root...; what is not given is
            taken from the config's RemoveBackground, if it has one.
        number: How many test photos, evenly chosen; None: all.
        own_masks: Mask store to fill where neither `removal` nor the config names one.

    Raises:
        ValueError: If the config has no test, or its pipeline no image loader.
    """

    def __init__(
        self,
        config: Config,
        checkpoint: str | Path,
        work_dir: str | Path,
        removal: dict[str, Any],
        number: int | None = None,
        own_masks: str | None = None,
    ) -> None:
        for part in ('test_dataloader', 'test_evaluator'):
            if config.get(part) is None:
                msg = f'the config has no {part}: there is nothing to evaluate on'
                raise ValueError(msg)
        config = _test_only(deepcopy(config))
        config.work_dir = str(work_dir)
        config.load_from = str(checkpoint)
        # Worker processes must be forked anew for each condition, or they would keep the first.
        config.test_dataloader.persistent_workers = False
        self._evidence = Path(tempfile.mkdtemp(prefix='audit-')) / EVIDENCE
        _add_evidence(config, self._evidence)
        self.codebase = str(config.get('default_scope', 'mmengine'))
        if number is not None:
            _choose(config, number)
        self.runner = Runner.from_cfg(config)
        self.dataset = self.runner.test_dataloader.dataset
        self.classes = tuple(self.dataset.metainfo.get('classes') or ())
        self.paths = [
            str(self.dataset.get_data_info(index)['img_path']) for index in range(len(self.dataset))
        ]
        self.changes, self.trained_on = _put_in(self.dataset, removal, own_masks, self.paths)

    def __len__(self) -> int:
        return len(self.paths)

    def evaluate(
        self, condition: Condition, seed: int = 0
    ) -> tuple[dict[str, float], dict[str, float | None]]:
        """Test under a condition.

        Args:
            condition: See ChangeBackground.
            seed: Of the other photos' backgrounds.

        Returns:
            The evaluator's metrics in their own units, and the score of each class: accuracy
            (mmpretrain) or IoU (mmseg) in percent, AP of the last kind that is evaluated (mmdet) as
            a fraction; None for a class that is not among the photos.
        """
        for change in self.changes:
            change.set(condition, seed)
        self._evidence.unlink(missing_ok=True)
        print_log(f'backgrounds: {condition}, seed {seed}', 'current', logging.INFO)
        metrics = {
            key: float(value)
            for key, value in self.runner.test().items()
            if isinstance(value, int | float | np.number)
        }
        return split_classes(metrics, self._evidence, self.classes)


def split_classes(
    metrics: dict[str, float], evidence: Path, classes: tuple[str, ...]
) -> tuple[dict[str, float], dict[str, float | None]]:
    """Take metrics of single classes out of a test's metrics, or compute them from its evidence."""
    of_classes: dict[str, float | None] = {}
    rest = {}
    for key, value in metrics.items():
        name = key.rpartition('/')[2].removesuffix('_precision')
        if key.startswith('accuracy/class/'):
            continue
        if key.endswith('_precision') and name in classes:
            of_classes[name] = None if np.isnan(value) else value
        elif not np.isnan(value):
            rest[key] = value
    if evidence.is_file():
        with np.load(evidence) as arrays:
            of_classes = class_scores({name: arrays[name] for name in arrays.files})
    return rest, of_classes


def class_scores(evidence: dict[str, np.ndarray]) -> dict[str, float | None]:
    """Accuracy or IoU of each class in percent, from the evidence of a test."""
    classes = evidence['classes'].tolist()
    if 'areas' in evidence:
        areas = evidence['areas'].sum(axis=0)
        values = [float(i) / u * 100 if u else None for i, u, _, _ in areas]
        # A class that is nowhere annotated has no score, wherever the network sees it.
        return {
            name: value if annotated else None
            for name, value, (_, _, _, annotated) in zip(classes, values, areas, strict=True)
        }
    labels, right = evidence['labels'], evidence['labels'] == evidence['predictions']
    return {
        name: float(right[labels == number].mean() * 100) if (labels == number).any() else None
        for number, name in enumerate(classes)
    }


def _test_only(config: Config) -> Config:
    """The config without training and validation: their data need not be there."""
    for part in ('train', 'val'):
        for what in ('dataloader', 'evaluator', 'cfg'):
            if config.get(f'{part}_{what}') is not None or f'{part}_{what}' in config:
                config[f'{part}_{what}'] = None
    config.optim_wrapper = config.param_scheduler = config.auto_scale_lr = None
    config.setdefault('test_cfg', {})
    config.test_cfg = config.test_cfg or {}
    # Others may matter to a test, such as EMAHook's averaged weights.
    hooks = config.get('custom_hooks') or []
    config.custom_hooks = [hook for hook in hooks if _name(hook) not in _TRAINING_HOOKS]
    config.resume = False
    config.default_hooks = {
        name: hook
        for name, hook in (config.get('default_hooks') or {}).items()
        if name in ('timer', 'logger', 'runtime_info')
    }
    config.default_hooks.update(checkpoint=None, param_scheduler=None, sampler_seed=None)
    return config


def _name(settings: Any) -> str:
    """Name of the class that a config is of."""
    return str(settings['type']).rpartition('.')[2]


def _add_evidence(config: Config, file: Path) -> None:
    """Let the test say which images, or pixels, of each class are right."""
    evaluators = config.test_evaluator
    evaluators = [evaluators] if isinstance(evaluators, dict) else list(evaluators)
    # The saved config of a reproduced run names its own evidence, which stays as it is.
    evaluators = [each for each in evaluators if not _name(each).endswith('Evidence')]
    kinds = {_name(each) for each in evaluators}
    root = photos_of(config.test_dataloader.dataset)
    if 'Accuracy' in kinds:
        evaluators.append({'type': 'ClassEvidence', 'file': str(file), 'root': root})
    elif 'IoUMetric' in kinds:
        evaluators.append({'type': 'RegionEvidence', 'file': str(file), 'root': root})
    for each in evaluators:
        if _name(each) == 'CocoMetric':
            each['classwise'] = True
            each['outfile_prefix'] = None
    config.test_evaluator = evaluators


def _choose(config: Config, number: int) -> None:
    """Keep so many photos, evenly chosen, and of a COCO file their annotations only."""
    from mmengine.registry import DATASETS, init_default_scope

    init_default_scope(config.get('default_scope', 'mmengine'))
    leaf = config.test_dataloader.dataset
    while 'dataset' in leaf:
        leaf = leaf.dataset
    if 'datasets' in leaf:
        msg = 'the number of photos cannot be bounded for a ConcatDataset'
        raise ValueError(msg)
    dataset = DATASETS.build(deepcopy(config.test_dataloader.dataset))
    dataset.full_init()
    count = min(number, len(dataset))
    chosen = [int(i) for i in np.linspace(0, len(dataset) - 1, count).round()]
    known = leaf.get('indices')
    if isinstance(known, list | tuple):
        leaf.indices = [known[i] for i in chosen]
    else:
        leaf.indices = chosen
    for evaluator in config.test_evaluator:
        file = evaluator.get('ann_file')
        if _name(evaluator) == 'CocoMetric' and file is not None:
            ids = {dataset.get_data_info(index)['img_id'] for index in chosen}
            evaluator['ann_file'] = _coco_part(Path(file), ids)


def _coco_part(file: Path, ids: set[int]) -> str:
    content = json.loads(file.read_text(encoding='utf-8'))
    content['images'] = [each for each in content['images'] if each['id'] in ids]
    content['annotations'] = [each for each in content['annotations'] if each['image_id'] in ids]
    part = Path(tempfile.mkdtemp(prefix='audit-')) / file.name
    part.write_text(json.dumps(content), encoding='utf-8')
    return str(part)


def _put_in(
    dataset: Any, removal: dict[str, Any], own_masks: str | None, paths: list[str]
) -> tuple[list[ChangeBackground], str]:
    """Put a ChangeBackground behind each image loader, in the place of any RemoveBackground.

    Returns:
        The transforms, and which arm the config is: 'original' or 'rembg'.
    """
    changes, arm = [], 'original'
    for leaf in leaves(dataset):
        transforms = leaf.pipeline.transforms
        settings: dict[str, Any] = {'mask_dir': own_masks}
        for transform in [each for each in transforms if isinstance(each, RemoveBackground)]:
            arm = 'rembg'
            settings |= {
                name: getattr(transform, name)
                for name in ('model', 'fill', 'mask_dir', 'img_root', 'accept_licence')
                if getattr(transform, name) is not None
            }
            transforms.remove(transform)
        settings |= {key: value for key, value in removal.items() if value is not None}
        if settings.get('mask_dir') is not None and settings.get('img_root') is None:
            settings['img_root'] = getattr(leaf, 'data_root', None) or _common_folder(paths)
        loaders = [i for i, each in enumerate(transforms) if is_image_loader(each)]
        if not loaders:
            msg = f'the pipeline must hold an image loader, but got {transforms}'
            raise ValueError(msg)
        change = ChangeBackground('original', donors=paths, on_missing='compute', **settings)
        transforms.insert(loaders[-1] + 1, change)
        changes.append(change)
    return changes, arm


def _common_folder(paths: list[str]) -> str:
    return os.path.commonpath([str(Path(path).parent) for path in paths])
