"""Pairs of configs, seeds, pixels and labels of tools/browse_dataset.py."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.structures import BaseDataElement, InstanceData, PixelData

from bgremoval_mm.visualization.browse import (
    choose,
    denormalise,
    find_other_config,
    label_text,
    options_of_pair,
    seeded,
)


def test_twins_find_each_other(tmp_path: Path) -> None:
    """In both directions, wherever `-rembg` stands; not a config of another name."""
    names = ('a.py', 'a-rembg.py', 'b_data-64x64.py', 'b_data-rembg-64x64.py', 'alone-rembg.py')
    for name in (*names, 'lonely.py', 'lonely2-rembg.py', 'a-rembg.txt'):
        (tmp_path / name).touch()
    for first, second in (names[0:2], names[2:4]):
        assert find_other_config(tmp_path / first) == tmp_path / second
        assert find_other_config(tmp_path / second) == tmp_path / first
    assert find_other_config(tmp_path / 'alone-rembg.py') is None
    assert find_other_config(tmp_path / 'lonely.py') is None


def test_options_reach_what_corresponds() -> None:
    """Photos one level deeper in the wrapper, the removal in the wrapper only, the rest in both."""
    photos = {'train_dataloader.dataset.data_root': 'photos'}
    inner = {'train_dataloader.dataset.dataset.data_root': 'photos'}
    removal = {'val_dataloader.dataset.mask_dir': 'masks'}
    common = {'train_dataloader.dataset.pipeline.1.scale': 64, 'data_preprocessor.to_rgb': False}
    given = {**photos, **removal, **common}
    assert options_of_pair(given, False, True) == (
        {**photos, **common},
        {**inner, **removal, **common},
    )
    given = {**inner, **removal, **common}
    assert options_of_pair(given, True, False) == (given, {**photos, **common})


@pytest.mark.parametrize('name', [
    *('mask_dir', 'img_root', 'image_dir', 'bank', 'condition', 'exclude'),
    *('model', 'fill', 'prob', 'scale', 'flip_prob'),
])  # fmt: skip
def test_options_of_the_removal(name: str) -> None:
    """Whatever RembgDataset takes is for it, but for what every dataset takes."""
    removal = {f'train_dataloader.dataset.{name}': 'x'}
    assert options_of_pair(removal, False, True) == ({}, removal)


@pytest.mark.parametrize('name', ['dataset', 'removal', 'test_mode', 'lazy_init', 'indices'])
def test_options_of_the_dataset_inside(name: str) -> None:
    """They go one level deeper, also where RembgDataset would take them."""
    given = {f'train_dataloader.dataset.{name}': 'x'}
    inner = {f'train_dataloader.dataset.dataset.{name}': 'x'}
    assert options_of_pair(given, False, True) == (given, inner)


@pytest.mark.parametrize('wrapped', [True, False])
def test_options_of_equal_arms_are_the_same(wrapped: bool) -> None:
    """Two configs of one kind get what was given."""
    given = {'train_dataloader.dataset.mask_dir': 'masks', 'a.b': 1}
    assert options_of_pair(given, wrapped, wrapped) == (given, given)


def draw() -> tuple[float, float, float]:
    """A number of each of the three generators."""
    return random.random(), np.random.random_sample(), float(torch.rand(1))  # noqa: NPY002


def test_seeded_repeats_and_leaves_no_trace() -> None:
    """One seed gives the same numbers, another gives others; outside, the numbers go on."""
    with seeded(7):
        undisturbed = [draw(), draw()]
    with seeded(7):
        first = draw()
        with seeded(0, 1):
            inner = draw()
        second = draw()
    assert [first, second] == undisturbed
    with seeded(0, 1):
        assert draw() == inner
    with seeded(0, 2):
        other = draw()
    assert not set(other) & set(inner)


def test_seeded_restores_after_an_error() -> None:
    """A transform that fails changes no random numbers of what comes after it."""
    with seeded(3):
        expected = draw()
    with seeded(3):
        with pytest.raises(OSError, match='gone'), seeded(4):
            raise OSError('gone')  # noqa: EM101
        assert draw() == expected


def test_choice_of_samples() -> None:
    """At random without repetition, or consecutive up to the end; all if there are fewer."""
    drawn = choose(100, 10, None, 0)
    assert len(set(drawn)) == 10
    assert set(drawn) <= set(range(100))
    assert drawn == choose(100, 10, None, 0) != choose(100, 10, None, 1)
    assert sorted(choose(3, 10, None, 0)) == [0, 1, 2]
    assert choose(10, 3, 4, 0) == [4, 5, 6]
    assert choose(10, 3, 8, 0) == [8, 9]


def test_choice_that_is_no_sample() -> None:
    """A start past the end, a negative one, and a number below 1."""
    for start in (10, -1):
        with pytest.raises(ValueError, match=f'`start` must be from 0 to 9, but got {start}'):
            choose(10, 3, start, 0)
    with pytest.raises(ValueError, match='`number` must be at least 1, but got 0'):
        choose(10, 0, None, 0)


@pytest.mark.parametrize('rgb', [True, False])
def test_denormalise_undoes_the_normalisation(rgb: bool) -> None:
    """(x - mean) / std, in either channel order, gives x back as R, G, B; H x W x 3."""
    pixels = np.random.default_rng(0).integers(0, 256, (4, 5, 3), np.uint8)
    mean, std = torch.tensor([123.7, 116.3, 103.5]), torch.tensor([58.4, 57.1, 57.4])
    channels = torch.from_numpy(pixels.copy()).permute(2, 0, 1).float()
    channels = channels if rgb else channels.flip(0)
    mean, std = mean.view(3, 1, 1), std.view(3, 1, 1)
    back = denormalise((channels - mean) / std, mean, std, rgb)
    assert back.dtype == np.uint8
    np.testing.assert_array_equal(back, pixels)


def test_denormalise_rounds_clips_and_spreads_grey() -> None:
    """Without mean the levels are taken as they are; one channel becomes three equal ones."""
    image = torch.tensor([[[-3.0, 0.4, 254.6, 300.0]]])
    assert denormalise(image).tolist() == [[[0] * 3, [0] * 3, [255] * 3, [255] * 3]]
    assert denormalise(torch.full((3, 1, 1), 7, dtype=torch.uint8)).tolist() == [[[7] * 3]]


def test_denormalise_names_the_shape() -> None:
    """Anything but one image of 3 or 1 channels is refused."""
    with pytest.raises(ValueError, match=r'\(3, H, W\) or \(1, H, W\), but got \(2, 4, 4\)'):
        denormalise(torch.zeros(2, 4, 4))


CLASSES = ('dress', 'hat', 'shoes', 'skirt', 'pants')


def test_labels_of_the_three_codebases() -> None:
    """One class; several; objects of repeated classes; label maps without what is ignored."""
    one = BaseDataElement(gt_label=torch.tensor([1]))
    assert label_text(one, CLASSES) == 'hat'
    assert label_text(one, None) == 'class 1'
    many = BaseDataElement(gt_label=torch.tensor([0, 1, 2, 3, 4]))
    assert label_text(many, CLASSES) == 'dress, hat, shoes and 2 more'
    objects = BaseDataElement(gt_instances=InstanceData(labels=torch.tensor([2, 0, 2])))
    assert label_text(objects, CLASSES) == '3 objects: shoes, dress'
    nothing = BaseDataElement(gt_instances=InstanceData(labels=torch.tensor([], dtype=torch.long)))
    assert label_text(nothing, CLASSES) == '0 objects'
    labels = PixelData(data=torch.tensor([[[0, 255], [3, 0]]]))
    assert label_text(BaseDataElement(gt_sem_seg=labels), CLASSES) == 'dress, skirt'


def test_mixed_labels_carry_their_shares() -> None:
    """After MixUp the shares, the larger first; a whole share is no mixture."""
    mixed = BaseDataElement(
        gt_label=torch.tensor([0]), gt_score=torch.tensor([0.3, 0.7, 0.0, 0.0, 0.0])
    )
    assert label_text(mixed, CLASSES) == '0.70 hat + 0.30 dress'
    whole = BaseDataElement(gt_label=torch.tensor([0]), gt_score=torch.eye(5)[0])
    assert label_text(whole, CLASSES) == 'dress'


def test_nothing_known_is_no_label() -> None:
    """No data sample, or one without annotation, as in a test pipeline."""
    assert label_text(None, CLASSES) == label_text(BaseDataElement(), CLASSES) == ''
    assert label_text(BaseDataElement(gt_instances=InstanceData()), CLASSES) == ''
