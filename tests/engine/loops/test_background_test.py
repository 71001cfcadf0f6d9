"""BackgroundTestLoop: the photos as they are, and means over other backgrounds."""

from __future__ import annotations

import statistics
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.dataset import BaseDataset
from mmengine.evaluator import BaseMetric
from mmengine.model import BaseModel
from mmengine.registry import DATASETS, LOOPS, METRICS, MODELS, TRANSFORMS, DefaultScope
from mmengine.runner import Runner
from PIL import Image
from torch.utils.data import DataLoader

from bgremoval_mm.engine.loops import background_test
from bgremoval_mm.engine.loops.background_test import replaced_dataset, summarise_repeats
from bgremoval_mm.removal.errors import ArgumentError
from bgremoval_mm.removal.images.reading import read_image
from bgremoval_mm.removal.outputs.mask_store import MaskStore

pytest.importorskip('mmcv')

PHOTOS = 6


class Levels(BaseModel):
    """Predicts nothing: hands the mean level of each photo to the metric."""

    def forward(self, levels: torch.Tensor, mode: str = 'tensor') -> list[float]:
        """The levels."""
        return levels.tolist()


class MeanLevel(BaseMetric):
    """The mean level of all photos, a count, and a text; writes the levels to a file.

    Nothing if the mean is above a limit, as mmdet's metrics where nothing is found.
    """

    default_prefix = 'toy'

    def __init__(self, file: str | None = None, limit: float = 255) -> None:
        super().__init__()
        self.file = file
        self.limit = limit

    def process(self, data_batch: Any, data_samples: Any) -> None:
        """Collect the levels."""
        self.results.extend(data_samples)

    def compute_metrics(self, results: list[float]) -> dict[str, Any]:
        """Two numbers and a text."""
        if self.file:
            Path(self.file).write_text(str(sorted(results)))
        if np.mean(results) > self.limit:
            return {}
        return {'level': float(np.mean(results)), 'count': len(results), 'text': 'some'}


class PackLevel:
    """Keeps the mean level of the photo."""

    def __call__(self, results: dict[str, Any]) -> dict[str, Any]:
        """The mean of all pixels."""
        return {'levels': torch.tensor(float(results['img'].mean()))}


@pytest.fixture
def toy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Config of a test on black photos whose left half is the object, and two grey backgrounds."""
    monkeypatch.setattr(DefaultScope, '_instance_dict', DefaultScope._instance_dict.copy())
    kinds = (Levels, MeanLevel, PackLevel, BaseDataset)
    for registry, kind in zip((MODELS, METRICS, TRANSFORMS, DATASETS), kinds, strict=True):
        registry.register_module(name=f'Toy{kind.__name__}', module=kind, force=True)
    half = np.zeros((320, 320), np.uint8)
    half[:, :160] = 255
    store = MaskStore(tmp_path / 'masks', 'u2net')
    for index in range(PHOTOS):
        path = tmp_path / f'photos/{index}.png'
        path.parent.mkdir(exist_ok=True)
        Image.new('RGB', (32, 32)).save(path)
        store.put(f'{index}.png', read_image(path), half, constant=False)
    (tmp_path / 'bank').mkdir()
    for level in (100, 200):
        Image.new('RGB', (40, 40), (level,) * 3).save(tmp_path / f'bank/{level}.png')
    files = [{'img_path': f'{index}.png'} for index in range(PHOTOS)]
    return {
        'model': {'type': 'ToyLevels'},
        'work_dir': str(tmp_path / 'work_dir'),
        'default_scope': 'mmengine',
        'test_dataloader': {
            'batch_size': 2,
            'num_workers': 0,
            'sampler': {'type': 'DefaultSampler', 'shuffle': False},
            'collate_fn': {'type': 'default_collate'},
            'dataset': {
                'type': 'ToyBaseDataset',
                'data_root': str(tmp_path / 'photos'),
                'data_prefix': {'img_path': ''},
                'ann_file': _annotations(tmp_path, files),
                'pipeline': [{'type': 'LoadImageFromFile'}, {'type': 'ToyPackLevel'}],
            },
        },
        'test_evaluator': {'type': 'ToyMeanLevel', 'file': str(tmp_path / 'levels.txt')},
        'test_cfg': {
            'type': 'BackgroundTestLoop',
            'bank': str(tmp_path / 'bank'),
            'mask_dir': str(tmp_path / 'masks'),
            'img_root': str(tmp_path / 'photos'),
            'on_missing': 'error',
        },
        'randomness': {'seed': 3},
    }


def _annotations(folder: Path, files: list[dict[str, str]]) -> str:
    import json

    path = folder / 'files.json'
    path.write_text(json.dumps({'metainfo': {}, 'data_list': files}))
    return str(path)


def run(config: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """The metrics of a test."""
    config = Config({**config, **changes})
    return Runner.from_cfg(config).test()


def test_photos_as_they_are_and_replaced(toy: dict[str, Any], tmp_path: Path) -> None:
    """Black photos, and half of each behind which 100 or 200 stands: 50 to 100 on average."""
    metrics = run(toy)
    assert metrics['toy/level'] == 0
    assert metrics['toy/count'] == metrics['replaced/toy/count'] == PHOTOS
    assert metrics['replaced_std/toy/count'] == 0
    assert 50 <= metrics['replaced/toy/level'] <= 100
    assert metrics['replaced_std/toy/level'] > 0  # six draws of two backgrounds, five times
    assert metrics['toy/text'] == 'some'
    assert 'replaced/toy/text' not in metrics
    # What a metric writes is of the photos as they are.
    assert (tmp_path / 'levels.txt').read_text() == str([0.0] * PHOTOS)


@pytest.mark.parametrize('workers', [0, 2])
def test_seed_decides(toy: dict[str, Any], workers: int) -> None:
    """The same seed draws the same backgrounds, whatever was drawn before; another one others."""
    toy['test_dataloader']['num_workers'] = workers
    first = run(toy)
    np.random.seed(8)  # noqa: NPY002  # the generator that mmengine seeds
    assert run(toy) == first
    assert run(toy, randomness={'seed': 4})['replaced/toy/level'] != first['replaced/toy/level']


def test_repeats_differ_and_one_has_no_deviation(toy: dict[str, Any]) -> None:
    """One repeat is the first of several."""
    one = run(toy, test_cfg={**toy['test_cfg'], 'repeats': 1})
    five = run(toy)
    assert one['replaced_std/toy/level'] == 0
    assert one['replaced/toy/level'] != five['replaced/toy/level']


def test_summary() -> None:
    """Mean and sample standard deviation, from the definition; texts are left out."""
    values = [1.0, 4.0, 2.5]
    summary = summarise_repeats([{'m/a': value, 'b': 'text'} for value in values])
    assert summary == {
        'replaced/m/a': pytest.approx(statistics.mean(values)),
        'replaced_std/m/a': pytest.approx(statistics.stdev(values)),
    }


@pytest.mark.parametrize('lacking', [0, 1])
def test_summary_where_a_repeat_gives_nothing(
    monkeypatch: pytest.MonkeyPatch, lacking: int
) -> None:
    """Whichever it is: no mean is known, and a line says which repeat, and of what."""
    lines: list[str] = []
    monkeypatch.setattr(background_test, 'print_log', lambda line, *_: lines.append(line))
    repeats: list[dict[str, Any]] = [{'coco/bbox_mAP': 0.1, 'n': 3}, {'coco/bbox_mAP': 0.1, 'n': 3}]
    repeats[lacking] = {'n': 3}
    summary = summarise_repeats(repeats)
    assert summary == {
        'replaced/coco/bbox_mAP': pytest.approx(np.nan, nan_ok=True),
        'replaced_std/coco/bbox_mAP': pytest.approx(np.nan, nan_ok=True),
        'replaced/n': 3,
        'replaced_std/n': 0,
    }
    (line,) = lines
    assert f'{lacking + 1} of 2, gave no coco/bbox_mAP: ' in line
    assert summarise_repeats([{}, {}]) == {}
    assert len(lines) == 1


def test_photos_as_they_are_are_kept(toy: dict[str, Any]) -> None:
    """Also where some repeats, or all, give no metric."""
    some = run(toy)['replaced/toy/level']
    found = run(toy, test_evaluator={**toy['test_evaluator'], 'limit': some})
    assert (found['toy/level'], found['toy/count']) == (0, PHOTOS)
    assert np.isnan(found['replaced/toy/level'])
    found = run(toy, test_evaluator={**toy['test_evaluator'], 'limit': 0})
    assert found == {'toy/level': 0, 'toy/count': PHOTOS, 'toy/text': 'some'}


def test_wrong_arguments(toy: dict[str, Any]) -> None:
    """Each error names the argument."""
    with pytest.raises(ArgumentError, match='`repeats` of BackgroundTestLoop must be at least 1'):
        run(toy, test_cfg={**toy['test_cfg'], 'repeats': 0})
    with pytest.raises(TypeError, match=r"unknown arguments \['colour'\]"):
        run(toy, test_cfg={**toy['test_cfg'], 'colour': 3})
    with pytest.raises(ArgumentError, match='must be a config, but got a DataLoader'):
        LOOPS.build(
            {'type': 'BackgroundTestLoop', 'bank': 'x'},
            default_args={'runner': None, 'dataloader': DataLoader([1]), 'evaluator': []},
        )


def test_missing_mask(toy: dict[str, Any], tmp_path: Path) -> None:
    """A photo without a mask is named."""
    (tmp_path / 'masks/u2net/3.png.png').unlink()
    with pytest.raises(FileNotFoundError, match=r'3\.png'):
        run(toy)


def test_replaced_dataset(toy: dict[str, Any]) -> None:
    """What the loop tests on, read off the config; None of other loops."""
    config = replaced_dataset(toy)
    assert config is not None
    assert config['type'] == 'RembgDataset'
    assert config['dataset'] == toy['test_dataloader']['dataset']
    assert config['bank'] == toy['test_cfg']['bank']
    assert 'repeats' not in config
    assert replaced_dataset({**toy, 'test_cfg': {}}) is None
    assert replaced_dataset({}) is None
