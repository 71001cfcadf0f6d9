"""AttentionScoreHook in real tests of small networks."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.hooks import Hook
from mmengine.registry import HOOKS, MODELS, DefaultScope
from mmengine.runner import Runner

from bgremoval_mm.engine.attention import AttentionMeter, noise_seed, summarise
from bgremoval_mm.engine.hooks.attention_score import AttentionScoreHook
from bgremoval_mm.removal import MaskStore, read_image
from bgremoval_mm.removal.errors import ArgumentError

LOAD, PACK = dict(type='LoadImageFromFile'), dict(type='PackInputs')
NAMES = ('score', 'std', 'undefined', 'photos')


class LeftHalf(torch.nn.Module):
    """A backbone that sees the left half only, each pixel of it alike."""

    def forward(self, images: torch.Tensor) -> tuple[torch.Tensor]:
        """Means of the channels."""
        return (images[..., : images.shape[-1] // 2].mean(dim=(2, 3)),)


class Recorder(Hook):
    """Keeps the metrics that a hook of mmengine's own logging would see."""

    priority = 'VERY_HIGH'
    seen: ClassVar[list[dict[str, float]]] = []

    def after_test_epoch(self, _runner: Runner, metrics: dict[str, float] | None = None) -> None:
        """Copy them."""
        self.seen.append(dict(metrics or {}))


@pytest.fixture(autouse=True)
def toys(monkeypatch: pytest.MonkeyPatch) -> None:
    """Register the toys, for this test only."""
    pytest.importorskip('mmpretrain.models')
    monkeypatch.setattr(DefaultScope, '_instance_dict', DefaultScope._instance_dict.copy())
    monkeypatch.setitem(MODELS.module_dict, 'LeftHalf', LeftHalf)
    monkeypatch.setitem(HOOKS.module_dict, 'Recorder', Recorder)
    Recorder.seen = []


Test = Callable[..., tuple[dict[str, float], Runner]]


@pytest.fixture
def run_test(masked_photos: Path, monkeypatch: pytest.MonkeyPatch) -> Test:
    """A function that tests a network with the hook; the metrics and the Runner."""
    monkeypatch.chdir(masked_photos)

    def run(
        hook: dict[str, Any] | None = None,
        model: dict[str, Any] | None = None,
        hooks: tuple[dict[str, Any], ...] = (),
        pipeline: tuple[dict[str, Any], ...] = (),
        **changes: Any,
    ) -> tuple[dict[str, float], Runner]:
        dataset = dict(
            type='CustomDataset',
            data_root='photos',
            data_prefix='test',
            pipeline=[LOAD, *pipeline, PACK],
        )
        hook = dict(mask_dir='masks') if hook is None else hook
        head = dict(type='LinearClsHead', in_channels=3, num_classes=2)
        config = dict(
            default_scope='mmpretrain',
            model=dict(type='ImageClassifier', backbone=dict(type='LeftHalf'), head=head),
            data_preprocessor=dict(mean=[127.0] * 3, std=[64.0] * 3, to_rgb=True),
            test_dataloader=dict(
                batch_size=3,
                num_workers=0,
                dataset=dataset,
                sampler=dict(type='DefaultSampler', shuffle=False),
            ),
            test_cfg={},
            test_evaluator=dict(type='Accuracy', topk=(1,)),
            custom_hooks=[*hooks, dict(type='AttentionScoreHook', **hook)],
            work_dir='work_dir',
            experiment_name=f'attention{time.time_ns()}',
            randomness=dict(seed=1),
        )
        if model is not None:
            config['model'] = model
        runner = Runner.from_cfg(Config({**config, **changes}))
        metrics = runner.test()
        for handler in runner.logger.handlers:
            handler.close()
        return metrics, runner

    return run


def masks() -> np.ndarray:
    """The masks of the eight photos, (8, H, W) in [0, 1]."""
    store = MaskStore('masks', 'u2net')
    names = [f'test/{"shoe" if number % 2 else "hat"}/{number}.png' for number in range(8)]
    found = [store.get(name) for name in sorted(names)]
    return np.stack([each.full_size() for each in found if each is not None]) / 255


def by_hand(masks: np.ndarray) -> np.ndarray:
    """Scores of a network that attends to the left half evenly."""
    share = masks.mean(axis=(1, 2))
    left = masks[..., : masks.shape[2] // 2].mean(axis=(1, 2))
    return (left - share) / (1 - share)


def logged(runner: Runner) -> dict[str, float]:
    """What LoggerHook has written as the result of the test."""
    return json.loads(Path(runner.log_dir, f'{runner.timestamp}.json').read_text())


def test_metrics_of_a_test(run_test: Test) -> None:
    """They are returned with the others, equal the definition, and reach the log."""
    metrics, runner = run_test(hooks=(dict(type='Recorder'),))
    scores = by_hand(masks())
    assert metrics['attention/score'] == pytest.approx(scores.mean(), abs=1e-6)
    assert metrics['attention/std'] == pytest.approx(scores.std(ddof=1), abs=1e-6)
    assert (metrics['attention/undefined'], metrics['attention/photos']) == (0, 8)
    assert 'accuracy/top1' in metrics
    assert Recorder.seen == [metrics]
    for name in NAMES:
        key = f'attention/{name}'
        assert logged(runner)[key] == pytest.approx(metrics[key])
    assert 'attention/score' in Path(runner.logger._log_file).read_text()


def test_difference_to_a_baseline(run_test: Test) -> None:
    """DiffMetricsHook compares the score as it does other metrics."""
    hooks = (dict(type='DiffMetricsHook', baseline={'attention/score': 0.25}),)
    metrics, runner = run_test(hooks=hooks)
    report = json.loads(Path('work_dir/diff_metrics.json').read_text())
    assert '"attention/score"' in json.dumps(report)
    found = logged(runner)['diff/attention/score']
    assert found == pytest.approx(metrics['attention/score'] - 0.25)


def test_some_photos(run_test: Test) -> None:
    """Three of eight, evenly spaced: the first, the last and the one between."""
    metrics, _ = run_test(dict(mask_dir='masks', photos=3))
    scores = by_hand(masks())[[0, 4, 7]]
    assert metrics['attention/photos'] == 3
    assert metrics['attention/score'] == pytest.approx(scores.mean(), abs=1e-6)


def test_undefined_scores_are_counted(run_test: Test) -> None:
    """A photo that is all foreground has no score, and is left out of the mean."""
    photo = Path('photos/test/hat/0.png')
    full = np.full((32, 48), 255, np.uint8)
    MaskStore('masks', 'u2net').put('test/hat/0.png', read_image(photo), full, constant=False)
    metrics, _ = run_test()
    assert (metrics['attention/undefined'], metrics['attention/photos']) == (1, 8)
    assert metrics['attention/score'] == pytest.approx(by_hand(masks()[1:]).mean(), abs=1e-6)


def test_cropped_and_padded_input(run_test: Test) -> None:
    """The mask is cropped with the photo, and padded as background."""
    pipeline = (dict(type='CenterCrop', crop_size=(30, 32)),)
    preprocessor = dict(mean=[127.0] * 3, std=[64.0] * 3, pad_size_divisor=16)
    metrics, _ = run_test(pipeline=pipeline, data_preprocessor=preprocessor)
    padded = np.pad(masks()[..., 9:39], ((0, 0), (0, 0), (0, 2)))
    assert metrics['attention/score'] == pytest.approx(by_hand(padded).mean(), abs=1e-6)


EMBEDDING = dict(
    type='ImageClassifier',
    backbone=dict(type='MobileNetV2', widen_factor=0.1, out_indices=(2,)),
    neck=dict(type='GlobalAveragePooling'),
    head=dict(
        type='EmbeddingHead', in_channels=8, num_classes=2, loss=dict(type='TripletMarginLoss')
    ),
)


def test_embeddings(run_test: Test) -> None:
    """A network with embeddings, on removed backgrounds with the store of its own dataset."""
    base = dict(type='CustomDataset', data_root='photos', data_prefix='test', pipeline=[LOAD, PACK])
    loader = dict(
        batch_size=3,
        num_workers=0,
        dataset=dict(type='RembgDataset', dataset=base, mask_dir='masks', on_missing='error'),
        sampler=dict(type='DefaultSampler', shuffle=False),
    )
    changes = dict(test_dataloader=loader, test_evaluator=dict(type='RetrievalMetric'))
    first, runner = run_test(dict(samples=3), EMBEDDING, **changes)
    again, _ = run_test(dict(samples=3, at_once=2), EMBEDDING, **changes)
    other, _ = run_test(dict(samples=3, seed=5), EMBEDDING, **changes)
    assert -1 < first['attention/score'] <= 1
    assert again['attention/score'] == pytest.approx(first['attention/score'], abs=1e-5)
    assert other['attention/score'] != first['attention/score']
    assert 'retrieval/MAP@R' in first
    assert all(parameter.grad is None for parameter in runner.model.parameters())


def test_masks_of_the_training_config(run_test: Test) -> None:
    """As in a -bgaug config: tested on originals, and the store is that of the augmentation."""
    base = dict(type='CustomDataset', data_root='photos', data_prefix='test', pipeline=[LOAD, PACK])
    training = dict(
        batch_size=3,
        dataset=dict(type='RembgDataset', dataset=base, bank='bank', mask_dir='masks'),
        sampler=dict(type='DefaultSampler', shuffle=True),
    )
    metrics, _ = run_test(
        {},
        train_dataloader=training,
        train_cfg=dict(by_epoch=True, max_epochs=1),
        optim_wrapper=dict(optimizer=dict(type='SGD', lr=0.1)),
    )
    assert metrics['attention/score'] == pytest.approx(by_hand(masks()).mean(), abs=1e-6)


def test_two_processes(run_test: Test, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each measures every second photo; together they give what one process gives."""
    alone, _ = run_test()
    module = 'bgremoval_mm.engine.hooks.attention_score'
    monkeypatch.setattr(f'{module}.get_world_size', lambda: 2)
    parts: list[Any] = []
    for rank in (0, 1):
        monkeypatch.setattr(f'{module}.get_rank', lambda rank=rank: rank)
        monkeypatch.setattr(f'{module}.all_gather_object', lambda mine: parts.append(mine) or [])
        run_test()
    assert [[index for index, _ in part] for part in parts] == [[0, 2, 4, 6], [1, 3, 5, 7]]
    monkeypatch.setattr(f'{module}.all_gather_object', lambda _mine: parts)
    assert run_test()[0] == alone


def test_missing_masks_stop_the_test_before_it_begins(run_test: Test) -> None:
    """A test of hours does not end in an error."""
    MaskStore('masks', 'u2net').path('test/hat/2.png').unlink()
    with pytest.raises(FileNotFoundError, match=r'no mask .*2\.png'):
        run_test(hooks=(dict(type='Recorder'),))
    assert Recorder.seen == []
    shutil.rmtree('masks')
    with pytest.raises(ArgumentError, match='`mask_dir` must be given: neither the test pipeline'):
        run_test({})


def test_missing_masks_are_computed(run_test: Test, tiny_model: Any) -> None:
    """On demand, and stored."""
    tiny_model('u2net')
    shutil.rmtree('masks')
    metrics, _ = run_test(dict(mask_dir='masks', on_missing='compute', photos=2))
    assert metrics['attention/photos'] == 2
    assert len(list(Path('masks').rglob('*.png'))) == 2


def test_other_models(run_test: Test, monkeypatch: pytest.MonkeyPatch) -> None:
    """A model without classes or embeddings, or with several, is refused before the test."""
    headless = dict(type='ImageClassifier', backbone=dict(type='LeftHalf'))
    with pytest.raises(ArgumentError, match='ImageClassifier without a head'):
        run_test(model=headless)
    twice = lambda head, feats: (head.fc(feats[-1]),) * 2  # noqa: E731
    monkeypatch.setattr('mmpretrain.models.heads.LinearClsHead.forward', twice)
    with pytest.raises(ArgumentError, match='one vector for each image, but LinearClsHead gives'):
        run_test(hooks=(dict(type='Recorder'),))
    assert Recorder.seen == []


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        ({'photos': 0}, '`photos` must be None or a whole number above 0, but got 0'),
        ({'samples': 0}, '`samples` must be a whole number above 0'),
        ({'noise': -1}, '`noise` must be'),
    ],
)
def test_arguments_out_of_range(options: dict[str, Any], message: str) -> None:
    """They are checked when the hook is built."""
    with pytest.raises(ArgumentError, match=message):
        AttentionScoreHook(**options)


def test_unknown_options_and_seeds(run_test: Test) -> None:
    """What masks need is checked before the test, by what takes it."""
    with pytest.raises(TypeError, match='colour'):
        run_test(dict(mask_dir='masks', colour=1))
    with pytest.raises(ArgumentError, match='`on_missing` must be one of compute, error'):
        run_test(dict(mask_dir='masks', on_missing='skip'))
    with pytest.raises(ArgumentError, match='`seed` must be a whole number, 0 or more, but got -1'):
        run_test(dict(mask_dir='masks', seed=-1))


def test_summary() -> None:
    """Mean and sample standard deviation of what is defined."""
    nan = float('nan')
    assert summarise([0.1, nan, 0.5]) == {
        'score': pytest.approx(0.3),
        'std': pytest.approx(0.2 * 2**0.5),
        'undefined': 1,
        'photos': 3,
    }
    one, none = summarise([0.5]), summarise([nan])
    assert (one['score'], none['undefined']) == (0.5, 1)
    assert np.isnan([one['std'], none['score'], none['std'], summarise([])['score']]).all()


def test_each_photo_has_noise_of_its_own() -> None:
    """No two photos or seeds share it."""
    assert len({noise_seed(seed, index) for seed in range(10) for index in range(100)}) == 1000


def test_preprocessors_that_give_something_else() -> None:
    """Such as two views of each photo."""
    meter = AttentionMeter.__new__(AttentionMeter)
    views = lambda data, _training: {'inputs': [data['inputs']] * 2}  # noqa: E731
    meter.target = SimpleNamespace(model=SimpleNamespace(data_preprocessor=views))
    with pytest.raises(ArgumentError, match=r'one image for each photo, .* gives list'):
        meter._preprocess({}, torch.zeros((3, 4, 4)))
