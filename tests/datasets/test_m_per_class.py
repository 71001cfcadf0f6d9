"""MPerClassBatchSampler: what is in a batch, in which process and in which epoch."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
import torch
from mmengine.dataset import BaseDataset, ConcatDataset, DefaultSampler
from mmengine.registry import DATASETS
from mmengine.runner import Runner

from bgremoval_mm.datasets import m_per_class
from bgremoval_mm.datasets.m_per_class import MPerClassBatchSampler
from bgremoval_mm.removal.errors import ArgumentError

SIZES = (9, 4, 12, 5, 2, 7)  # photos per class; hats are few
NAMES = ('dress', 'skirt', 'shirt', 'shoes', 'hat', 'pants')


@DATASETS.register_module()
class PhotosOfSizes(BaseDataset):
    """As many photos of each class as `sizes` say."""

    METAINFO = {'classes': NAMES}  # noqa: RUF012

    def __init__(self, sizes: tuple[int, ...] = SIZES) -> None:
        self.sizes = sizes
        super().__init__()

    def load_data_list(self) -> list[dict[str, Any]]:
        """One entry a photo."""
        return [{'gt_label': c} for c, size in enumerate(self.sizes) for _ in range(size)]

    def get_cat_ids(self, idx: int) -> list[int]:
        """Class of a photo."""
        return [self.get_data_info(idx)['gt_label']]


def batches(rank: int = 0, epoch: int = 0, seed: int = 7, **options: Any) -> list[list[int]]:
    """The batches of one process in one epoch."""
    sampler = DefaultSampler(PhotosOfSizes(), seed=seed)
    sampler.rank = rank
    sampler.set_epoch(epoch)
    return list(MPerClassBatchSampler(sampler, **{'batch_size': 12, 'm': 4} | options))


LABELS = [c for c, size in enumerate(SIZES) for _ in range(size)]


def test_composition() -> None:
    """100 batches of 3 classes with 4 photos each, all classes in their turn."""
    drawn = batches()
    assert len(drawn) == 100
    seen = Counter()
    for batch in drawn:
        counts = Counter(LABELS[index] for index in batch)
        assert list(counts.values()) == [4, 4, 4]
        for label in counts:
            photos = [index for index in batch if LABELS[index] == label]
            assert len(set(photos)) == min(4, SIZES[label]) or label == 4
        seen.update(counts.keys())
    assert set(seen) == set(range(6))
    assert min(seen.values()) > 25  # 50 on average
    assert {index for batch in drawn for index in batch} == set(range(len(LABELS)))


def test_one_per_class() -> None:
    """With m = 1 every photo of a batch is of another class."""
    for batch in batches(m=1, batch_size=6, iterations=5):
        assert sorted(LABELS[index] for index in batch) == list(range(6))


def test_processes_and_epochs_differ_and_repeat() -> None:
    """Seed, epoch and process decide, and nothing else does."""
    kinds = [batches(**kind) for kind in ({}, {'rank': 1}, {'epoch': 1}, {'seed': 8})]
    assert all(kinds[i] != kinds[j] for i in range(4) for j in range(i))
    torch.manual_seed(3)
    assert batches(rank=1) == kinds[1]


def test_runner_builds_it() -> None:
    """The runner gives batch size, seed and dataset; the seed hook finds the epoch's switch."""
    config = dict(
        batch_size=8,
        num_workers=0,
        sampler=dict(type='DefaultSampler', shuffle=True),
        batch_sampler=dict(type='MPerClassBatchSampler', m=2, iterations=3),
        collate_fn=dict(type='pseudo_collate'),
        dataset=dict(type='PhotosOfSizes'),
    )
    loader = Runner.build_dataloader(config, seed=5)
    assert [len(batch['gt_label']) for batch in loader] == [8] * 3
    assert not hasattr(loader.sampler, 'set_epoch')  # so that mmengine's hook takes the next one
    assert loader.batch_sampler.sampler.seed == 5
    first = list(loader.batch_sampler)
    loader.batch_sampler.sampler.set_epoch(1)
    assert list(loader.batch_sampler) != first


def test_small_classes_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """A class with too few photos is repeated and named in the log, or refused."""
    logged: list[str] = []
    monkeypatch.setattr(m_per_class, 'print_log', lambda text, _: logged.append(text))
    batches()
    assert 'classes with fewer than 4 photos: hat (2); they are repeated' in logged[0]
    with pytest.raises(ArgumentError, match=r'^there are .* fewer than 4 photos: hat \(2\)\. '):
        batches(small_classes='error')
    assert batches(m=2, small_classes='error')


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        ({'m': 5}, r'^`m` must divide the batch size, but got 5 and the batch size 12$'),
        ({'m': 0}, r'^`m` must be a whole number from 1, but got 0$'),
        ({'m': 1}, r'needs 12 classes, but the dataset has 6$'),
        ({'small_classes': 'drop'}, r"^`small_classes` must be one of 'repeat', 'error'"),
    ],
)
def test_wrong_arguments(options: dict[str, Any], message: str) -> None:
    """What cannot be sampled is an error."""
    with pytest.raises(ArgumentError, match=message):
        batches(**options)


def test_by_another_key() -> None:
    """Photos are grouped by a key of the samples, whatever their class is."""
    dataset = PhotosOfSizes()
    dataset.full_init()
    rows = [{**dataset.get_data_info(index), 'item_id': f'i{index // 3}'} for index in range(39)]
    dataset.get_data_info = rows.__getitem__  # type: ignore[method-assign]
    sampler = DefaultSampler(dataset, seed=0)
    drawn = MPerClassBatchSampler(sampler, batch_size=12, m=3, by='item_id')
    for batch in drawn:
        items = [index // 3 for index in batch]
        assert len(set(items)) == 4
        assert items == sorted(items, key=items.index)
    with pytest.raises(ArgumentError, match=r'`by` must be a key of the samples .*item_id.*, but'):
        MPerClassBatchSampler(sampler, batch_size=12, m=3, by='item')


def test_dataset_of_several() -> None:
    """mmengine's ConcatDataset does not give classes itself: those of its samples are taken."""
    both = ConcatDataset([PhotosOfSizes(), PhotosOfSizes()])
    drawn = list(MPerClassBatchSampler(DefaultSampler(both, seed=0), batch_size=12, m=4))
    for batch in drawn:
        assert sorted(Counter((LABELS * 2)[index] for index in batch).values()) == [4, 4, 4]
        assert len(set(batch)) == 12
    assert max(max(batch) for batch in drawn) >= len(LABELS)


def test_least(monkeypatch: pytest.MonkeyPatch) -> None:
    """Classes with fewer photos are left out, which the log says; the others may be repeated."""
    said: list[str] = []
    monkeypatch.setattr(m_per_class, 'print_log', lambda text, *_: said.append(text))
    seen = {LABELS[index] for batch in batches(least=5) for index in batch}
    assert seen == {0, 2, 3, 5}
    assert said == [
        'MPerClassBatchSampler: 2 of 6 classes have fewer than 5 photos and are left out'
    ]
    with pytest.raises(ArgumentError, match='needs 3 classes, but the dataset has 2'):
        batches(least=9)
    with pytest.raises(ArgumentError, match='`least` must be a whole number from 1, but got 0'):
        batches(least=0)


@pytest.mark.parametrize(('world', 'expected'), [(1, 4), (2, 2), (3, 2)])
def test_epoch_of_all_photos(world: int, expected: int) -> None:
    """Without a number of batches, all processes together draw as many photos as there are."""
    sampler = DefaultSampler(PhotosOfSizes(), seed=0)
    sampler.world_size = world
    drawn = MPerClassBatchSampler(sampler, batch_size=12, m=4, iterations=None)
    assert len(drawn) == len(list(drawn)) == expected
    assert 12 * world * (expected - 1) < len(LABELS) <= 12 * world * expected
