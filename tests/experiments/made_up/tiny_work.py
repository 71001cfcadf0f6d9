"""A made-up work: a network in three variants and two folds, a metric, a number and a claim."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import torch
from mmcv.transforms import BaseTransform
from mmengine.dataset import BaseDataset
from mmengine.evaluator import BaseMetric
from mmengine.model import BaseModel
from mmengine.registry import DATASETS, METRICS, MODELS, TRANSFORMS

from bgremoval_mm.experiments.base import (
    BGAUG,
    ORIGINAL,
    REMBG,
    Claim,
    Dataset,
    Experiment,
    Metric,
    Published,
    Verdict,
    Work,
)
from bgremoval_mm.experiments.report.groups import Group


@DATASETS.register_module(force=True)
class TinyPhotos(BaseDataset):
    """Every photo below a folder; its class is whether its number is odd."""

    METAINFO: ClassVar[dict[str, Any]] = {'classes': ('even', 'odd')}

    def load_data_list(self) -> list[dict[str, Any]]:
        """Look for photos."""
        photos = sorted(Path(self.data_root).rglob('*.jpg'))
        return [{'img_path': str(path), 'gt_label': i % 2} for i, path in enumerate(photos)]


@TRANSFORMS.register_module(force=True)
class TinyFrame(BaseTransform):
    """Another frame around a photo, in place of another background."""

    def __init__(self, level: int) -> None:
        self.level = level

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        """Paint the frame."""
        results['img'][:4] = self.level
        return results


@TRANSFORMS.register_module(force=True)
class TinyPack(BaseTransform):
    """Means of the colours, and the label."""

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        """Pack a sample."""
        colours = torch.from_numpy(results['img'].mean(axis=(0, 1)) / 255).float()
        return {'inputs': colours, 'label': results['gt_label']}


@MODELS.register_module(force=True)
class TinyModel(BaseModel):
    """One linear layer."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = torch.nn.Linear(3, 2)

    def forward(self, inputs: torch.Tensor, label: torch.Tensor, mode: str) -> Any:
        """Compute the loss, or predictions."""
        scores = self.layer(inputs)
        if mode == 'loss':
            return {'loss': torch.nn.functional.cross_entropy(scores, label)}
        return [{'hit': bool(hit)} for hit in scores.argmax(dim=1) == label]


@METRICS.register_module(force=True)
class TinyHits(BaseMetric):
    """Share of hits."""

    default_prefix = 'tiny'

    def process(self, data_batch: Any, data_samples: Sequence[dict[str, Any]]) -> None:
        """Collect the hits."""
        self.results += [sample['hit'] for sample in data_samples]

    def compute_metrics(self, results: list[bool]) -> dict[str, float]:
        """Return their share."""
        return {'hits': sum(results) / len(results)}


@dataclass(frozen=True, kw_only=True)
class TinyExperiment(Experiment):
    """A network, trained on a half of the photos by fold."""

    datasets: ClassVar[Mapping[str, int]] = {'photos': 2}
    variants = (ORIGINAL, REMBG, BGAUG)
    folds: ClassVar[tuple[int, ...]] = (0, 1)
    item: ClassVar[str] = 'Fig. 1'
    folder: ClassVar[str] = 'tiny'

    def config_name(self, dataset: str, suffix: str) -> str:
        """Return the name of a config."""
        return f'{self.model}_{dataset}{suffix}'

    def fold_options(self, fold: int) -> Sequence[str]:
        """Return the photos of a fold."""
        return [f'train_dataset.indices={list(range(fold, 20, 2))}'.replace(' ', '')]


def _gains(group: Group, _: Mapping[str, Group]) -> Verdict:
    cell = group.cell('linear')
    difference = None if cell is None else cell.pair('bgaug').difference('tiny/hits')
    sign = 0 if difference is None else difference.sign
    return Verdict('holds' if sign > 0 else 'undecided', f'{sign:+d}')


WORK = Work(
    name='tiny_work',
    title='Nobody 2026',
    citation='Nobody: A Made-up Work, 2026',
    experiments=(TinyExperiment(model='linear', title='Linear'),),
    metrics={'Fig. 1': (Metric('tiny/hits', 'hits', 'fraction'),)},
    datasets={'photos': Dataset('Tiny Photos')},
    published=(
        Published(
            item='Fig. 1',
            model='linear',
            metric='tiny/hits',
            values={'original': 0.5, 'bgaug': 0.625},
            datasets=('photos',),
        ),
    ),
    claims=(Claim('1', 'Fig. 1', 'Replacing helps.', 'Interval above 0.', _gains),),
)
