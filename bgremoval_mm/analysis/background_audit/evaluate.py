"""A trained model on the same test photos, their backgrounds changed."""

from __future__ import annotations

import logging
import shutil
import tempfile
import weakref
from copy import deepcopy
from pathlib import Path
from typing import Any

import numpy as np
from mmengine.config import Config
from mmengine.logging import print_log
from mmengine.runner import Runner

from bgremoval_mm.analysis.background_audit.backgrounds import put_in
from bgremoval_mm.analysis.background_audit.prepare_config import (
    add_per_image_results,
    choose_photos,
    coco_annotations,
    for_testing,
)
from bgremoval_mm.datasets.first_steps import load_photo
from bgremoval_mm.datasets.transforms.background_bank import BackgroundBank, check_disjoint
from bgremoval_mm.datasets.transforms.change_background import Condition
from bgremoval_mm.datasets.unwrap import type_name
from bgremoval_mm.engine.hooks.disjoint_banks import banks_in, read_bank
from bgremoval_mm.evaluation.functional import class_scores
from bgremoval_mm.evaluation.metrics.per_image import PER_IMAGE_FILE, read_per_image
from bgremoval_mm.removal.errors import ArgumentError

__all__ = ['Auditor']


class Auditor:
    """Evaluates a trained model under changed backgrounds. The model is loaded once.

    A context manager, which deletes its temporary files at the end.

    Args:
        config: The user's config, of mmpretrain, mmdet or mmseg; it is not changed.
        checkpoint: Its checkpoint.
        work_dir: Folder for the logs.
        removal: What RemoveBackground takes: mask_dir, model, img_root...; what is not given is
            as the config has it. A store that is named, here or there, is only read.
        number: How many test photos, evenly chosen; None: all.
        own_masks: Root of the store in which masks are kept that no named store has.
        bank: Photos of backgrounds for 'replaced'; None: those of other test photos.

    Raises:
        ValueError: If the config has no test, its pipeline no image loader, the masks are of
            another precision, or a bank of the training shares photos with `bank`.
    """

    def __init__(
        self,
        config: Config,
        checkpoint: str | Path,
        work_dir: str | Path,
        removal: dict[str, Any],
        number: int | None = None,
        own_masks: str | None = None,
        bank: BackgroundBank | None = None,
    ) -> None:
        if bank is not None:
            for each in banks_in(config.get('train_dataloader')):
                check_disjoint(read_bank(each), bank)
        for part in ('test_dataloader', 'test_evaluator'):
            if config.get(part) is None:
                msg = f'the config has no {part}: there is nothing to evaluate on'
                raise ArgumentError(msg)
        scratch = Path(tempfile.mkdtemp(prefix='audit-'))
        self.close = weakref.finalize(self, shutil.rmtree, scratch, ignore_errors=True)
        try:
            config = for_testing(deepcopy(config))
            config.work_dir = str(work_dir)
            config.load_from = str(checkpoint)
            # Workers must be forked again for each condition, or they would keep the first.
            config.test_dataloader.persistent_workers = False
            #: Per-image results of the last test; of detection there are none, but predictions.
            self.per_image = scratch / PER_IMAGE_FILE
            self.predictions = scratch / 'predictions'
            add_per_image_results(config, self.per_image, self.predictions)
            self.codebase = str(config.get('default_scope', 'mmengine'))
            if number is not None:
                choose_photos(config, number, scratch)
            self.annotations = coco_annotations(config, self.predictions)
            self.runner = Runner.from_cfg(config)
            self.dataset = self.runner.test_dataloader.dataset
            self.classes = tuple(self.dataset.metainfo.get('classes') or ())
            self.paths = [_path_of(self.dataset, index) for index in range(len(self.dataset))]
            self.changes, self.trained_on = put_in(
                self.dataset, removal, own_masks, self.paths, bank
            )
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Auditor:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

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
        self._set(condition, seed)
        self.per_image.unlink(missing_ok=True)
        print_log(f'backgrounds: {condition}, seed {seed}', 'current', logging.INFO)
        metrics = {
            key: float(value)
            for key, value in self.runner.test().items()
            if isinstance(value, int | float | np.number)
        }
        return split_classes(metrics, self.per_image, self.classes)

    def photo(self, index: int, condition: Condition) -> np.ndarray:
        """Return a test photo under a condition, uint8 of shape (H, W, 3), RGB, in its own size."""
        self._set(condition, 0)
        return load_photo(self.dataset, index)

    def _set(self, condition: Condition, seed: int) -> None:
        for change in self.changes:
            change.set(condition, seed)


def _path_of(dataset: Any, index: int) -> str:
    path = dataset.get_data_info(index).get('img_path')
    if path is None:
        msg = (
            'the test photos must be files of their own, which masks are made of, but those of '
            f'{type_name(dataset)} have no `img_path`'
        )
        raise ArgumentError(msg)
    return str(path)


def split_classes(
    metrics: dict[str, float], per_image: Path, classes: tuple[str, ...]
) -> tuple[dict[str, float], dict[str, float | None]]:
    """Take metrics of single classes out of a test's metrics, or compute them image by image."""
    of_classes: dict[str, float | None] = {}
    rest = {}
    for key, value in metrics.items():
        if key.startswith('accuracy/class/'):
            continue
        name = _class_of(key, classes)
        if name is not None:
            of_classes[name] = None if np.isnan(value) else value
        elif not np.isnan(value):
            rest[key] = value
    if per_image.is_file():
        of_classes = class_scores(read_per_image(per_image))
    return rest, of_classes


def _class_of(key: str, classes: tuple[str, ...]) -> str | None:
    """Return the class that a metric is of, as CocoMetric calls it: ``coco/NAME_precision``."""
    found = [name for name in classes if f'/{key}'.endswith(f'/{name}_precision')]
    return max(found, key=len, default=None)  # names may have slashes of their own
