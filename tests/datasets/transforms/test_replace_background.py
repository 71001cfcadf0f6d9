"""ReplaceBackground: the definition, its random numbers, and its way into datasets and reports."""

from __future__ import annotations

import pickle
import random
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from mmcv.transforms import TransformBroadcaster
from mmengine.dataset import pseudo_collate
from mmengine.model import BaseModel
from mmengine.registry import DATASETS, TRANSFORMS, DefaultScope
from mmengine.runner import Runner
from PIL import Image
from torch.utils.data import DataLoader, Dataset

from bgremoval_mm import RembgConcatDataset, RembgDataset, RemoveBackground, ReplaceBackground
from bgremoval_mm.datasets.removal_settings import RemovalSettings
from bgremoval_mm.datasets.transforms.replace_background import BackgroundDraw, crop_background
from bgremoval_mm.engine.hooks.conditions import removals


@pytest.fixture
def bank(tmp_path: Path) -> str:
    """A folder of four photos of noise."""
    folder = tmp_path / 'bank'
    folder.mkdir()
    for index in range(4):
        noise = np.random.default_rng(index).integers(0, 256, (40, 64, 3), np.uint8)
        Image.fromarray(noise).save(folder / f'{index}.png')
    return str(folder)


def seed(number: int) -> None:
    """Seed the generator that mmengine seeds in each worker."""
    np.random.seed(number)  # noqa: NPY002


def sample(mask: int | np.ndarray = 128, dtype: type = np.uint8) -> dict[str, Any]:
    """A photo of 30 x 20 pixels that carries its mask."""
    image = np.random.default_rng(9).integers(0, 256, (20, 30, 3), np.uint8)
    mask = np.full((20, 30), mask, np.uint8) if isinstance(mask, int) else mask
    return {'img': image.astype(dtype), 'fg_mask': mask, 'gt_label': 3}


@pytest.mark.parametrize('dtype', [np.uint8, np.float32])
def test_definition(bank: str, dtype: type) -> None:
    """m * image + (1 - m) * background with the soft mask, and nothing else changes."""
    mask = np.random.default_rng(1).integers(0, 256, (20, 30), np.uint8)
    replace = ReplaceBackground(bank)
    before = sample(mask, dtype)
    seed(4)
    draw = replace.draw_background()
    seed(4)
    after = replace(sample(mask, dtype))
    background = crop_background(replace.bank.photo(draw.photo), (20, 30), draw)
    share = mask[..., None] / 255
    expected = share * before['img'] + (1 - share) * background
    if dtype == np.uint8:
        expected = np.rint(expected)
    np.testing.assert_allclose(after['img'], expected, atol=1e-4)
    assert after['img'].dtype == dtype
    assert after['gt_label'] == 3
    np.testing.assert_array_equal(after['fg_mask'], mask)


def test_extreme_masks(bank: str) -> None:
    """All foreground: nothing changes. None: only the background is left."""
    replace = ReplaceBackground(bank)
    np.testing.assert_array_equal(replace(sample(255))['img'], sample()['img'])
    seed(0)
    one = replace(sample(0))['img']
    seed(0)
    draw = replace.draw_background()
    np.testing.assert_array_equal(
        one, crop_background(replace.bank.photo(draw.photo), (20, 30), draw)
    )


def test_crop() -> None:
    """The piece has the image's shape and the share of area, lies where it was drawn, and flips."""
    photo = np.random.default_rng(0).integers(0, 256, (40, 64, 3), np.uint8)
    # The largest crop of shape 1:1 has 40 x 40 pixels; a quarter of its area 20 x 20.
    draw = BackgroundDraw(0, 0.25, left=0.5, top=0.999, flip=False)
    expected = photo[20:40, 22:42]
    np.testing.assert_array_equal(crop_background(photo, (20, 20), draw), expected)
    flipped = crop_background(photo, (20, 20), draw._replace(flip=True))
    np.testing.assert_array_equal(flipped, expected[:, ::-1])
    larger = crop_background(photo, (50, 50), draw)
    np.testing.assert_array_equal(larger, cv2.resize(expected, (50, 50)))
    for size in ((1, 90), (90, 1), (400, 300)):
        assert crop_background(photo, size, draw).shape == (*size, 3)


def test_numbers_that_are_drawn(bank: str) -> None:
    """All photos, both directions, positions everywhere, areas between the limits."""
    replace = ReplaceBackground(bank, scale=(0.3, 0.6), flip_prob=0.25)
    seed(0)
    draws = [replace.draw_background() for _ in range(2000)]
    counts = np.bincount([draw.photo for draw in draws])
    assert len(counts) == 4
    assert counts.min() > 400
    assert 0.3 <= min(draw.scale for draw in draws) < 0.31
    assert 0.59 < max(draw.scale for draw in draws) <= 0.6
    assert abs(np.mean([draw.flip for draw in draws]) - 0.25) < 0.03
    for name in ('left', 'top'):
        assert abs(np.mean([getattr(draw, name) for draw in draws]) - 0.5) < 0.03


def test_prob(bank: str) -> None:
    """Below 1 some images stay; 0 leaves all as they are."""
    half = ReplaceBackground(bank, prob=0.5)
    seed(0)
    kept = sum(np.array_equal(half(sample(0))['img'], sample()['img']) for _ in range(200))
    assert 70 < kept < 130
    never = ReplaceBackground(bank, prob=0)
    np.testing.assert_array_equal(never(sample(0))['img'], sample()['img'])


@pytest.mark.parametrize(
    ('arguments', 'named'),
    [
        ({'prob': 1.1}, '`prob`.*1.1'),
        ({'prob': -0.1}, '`prob`.*-0.1'),
        ({'flip_prob': 2}, '`flip_prob`.*2'),
        ({'scale': (0, 1)}, '`scale`'),
        ({'scale': (0.9, 0.5)}, '`scale`'),
        ({'scale': (0.5, 1.5)}, '`scale`'),
        ({'fill': 255}, '`fill` must not be given with `bank`'),
        ({'bank': None}, '`bank` must be a folder of photos, a list file'),
    ],
)
def test_arguments_out_of_range(bank: str, arguments: dict, named: str) -> None:
    """The error names the argument and what came."""
    with pytest.raises(ValueError, match=named):
        ReplaceBackground(**{'bank': bank, **arguments})


def test_missing_masks(model, bank: str, image_tree: Path, tmp_path: Path) -> None:
    """As with RemoveBackground, the error has the command that makes them."""
    replace = ReplaceBackground(
        bank,
        model=model,
        mask_dir=str(tmp_path / 'none'),
        img_root=str(image_tree),
        on_missing='error',
    )
    path = image_tree / 'dress' / '1.jpg'
    with pytest.raises(FileNotFoundError, match=r'there is no mask.*tools/remove_background\.py'):
        replace({'img': cv2.imread(str(path)), 'img_path': str(path)})


def test_pickled(bank: str) -> None:
    """Another process gives the same images for the same random numbers."""
    replace = ReplaceBackground(bank)
    other = pickle.loads(pickle.dumps(replace))
    images = []
    for each in (replace, other):
        seed(7)
        images.append(each(sample(0))['img'])
    np.testing.assert_array_equal(*images)


def test_images_share_random_numbers(bank: str) -> None:
    """mmcv's TransformBroadcaster can give two images the same background, at another size too."""
    share = TransformBroadcaster(
        transforms=[ReplaceBackground(bank)],
        mapping={'img': ['one', 'two'], 'fg_mask': ['m', 'm']},
        auto_remap=True,
        share_random_params=True,
    )
    both = {'one': sample()['img'], 'two': sample()['img'], 'm': sample(0)['fg_mask']}
    first = share(dict(both))
    np.testing.assert_array_equal(first['one'], first['two'])
    assert not np.array_equal(share(dict(both))['one'], first['one'])
    # mmcv's decorator keeps a list per class: that of RemoveBackground stays its own.
    assert RemoveBackground._methods_with_randomness == ['draw_removal']


def test_behind_the_geometry(bank: str, model, masked, image_tree: Path) -> None:
    """The mask of LoadForegroundMask has the image's crop and flip, and is the one that counts."""
    pytest.importorskip('mmpretrain')
    masks = {'model': model, 'mask_dir': masked(image_tree), 'img_root': str(image_tree)}
    crop = {'type': 'RandomResizedCrop', 'scale': 16}
    steps = [
        {'type': 'LoadImageFromFile'},
        {'type': 'LoadForegroundMask', **masks, 'transforms': [crop]},
    ]
    path = str(image_tree / 'dress' / '1.jpg')
    images = []
    with DefaultScope.overwrite_default_scope('mmpretrain'):
        for more in ([], [{'type': 'ReplaceBackground', 'bank': bank}]):
            seed(3)
            results: dict = {'img_path': path}
            for step in (TRANSFORMS.build(each) for each in steps + more):
                results = step(results)
            images.append(results)
    plain, replaced = images
    inside = plain['fg_mask'] == 255
    np.testing.assert_array_equal(replaced['fg_mask'], plain['fg_mask'])
    np.testing.assert_array_equal(replaced['img'][inside], plain['img'][inside])
    assert not np.array_equal(replaced['img'], plain['img'])


def wrapped(dataset: dict, **options: object) -> RembgDataset:
    """A RembgDataset built as a runner builds it, from a config."""
    config = {'type': 'RembgDataset', 'dataset': dataset, 'model': 'u2netp', 'device': 'cpu'}
    with DefaultScope.overwrite_default_scope(dataset['type'].split('.')[0]):
        return DATASETS.build({**config, **options})


@pytest.mark.parametrize('workers', [0, 2])
def test_any_dataset(bank: str, masked, any_dataset: dict, workers: int) -> None:
    """mmpretrain, mmdet and mmseg: other backgrounds, the same annotations, also in workers."""
    plain = DATASETS.build(any_dataset)
    replaced = wrapped(
        any_dataset, bank=bank, mask_dir=masked(Path(any_dataset['data_root'])), on_missing='error'
    )
    assert isinstance(replaced.pipeline.transforms[1], ReplaceBackground)
    loader = DataLoader(replaced, batch_size=1, num_workers=workers, collate_fn=pseudo_collate)
    count = 0
    for batch, original in zip(loader, (plain[i] for i in range(len(plain))), strict=True):
        count += 1
        assert batch['inputs'][0].shape == original['inputs'].shape
        assert not torch.equal(batch['inputs'][0], original['inputs'])
        ours, theirs = batch['data_samples'][0], original['data_samples']
        assert ours.img_path == theirs.img_path
        for name in ('gt_label', 'gt_sem_seg'):
            if name in theirs:
                left, right = getattr(ours, name), getattr(theirs, name)
                left, right = (getattr(each, 'data', each) for each in (left, right))
                assert torch.equal(left, right)
        if 'gt_instances' in theirs:
            assert torch.equal(ours.gt_instances.bboxes.tensor, theirs.gt_instances.bboxes.tensor)
    assert count == len(plain) > 2


def test_wrapper_arguments(bank: str, class_folders: dict) -> None:
    """Arguments of ReplaceBackground go with a bank only; what has no effect is an error."""
    dataset = wrapped(class_folders, bank=bank, scale=[0.5, 1], flip_prob=0)
    assert dataset.pipeline.transforms[1].scale == (0.5, 1.0)
    with pytest.raises(TypeError, match=r"unknown arguments \['scale'\]"):
        wrapped(class_folders, scale=[0.5, 1])
    with pytest.raises(ValueError, match='`bank` has no effect'):
        RembgDataset(class_folders, image_dir='x', bank=bank)
    with pytest.raises(ValueError, match='`fill` must not be given'):
        wrapped(class_folders, bank=bank, fill=255)
    step = {'type': 'ReplaceBackground', 'bank': bank, 'model': 'u2netp', 'device': 'cpu'}
    with_step = {**class_folders, 'pipeline': [*class_folders['pipeline'][:1], step]}
    assert wrapped(with_step, bank=f'{bank}/').pipeline.transforms[1].bank.paths == (bank,)
    other = Path(bank).parent / 'list.txt'
    other.write_text('bank/0.png\n')
    with pytest.raises(ValueError, match='differ from: bank='):
        wrapped(with_step, bank=str(other))


def test_one_bank_for_joined_datasets(bank: str, class_folders: dict) -> None:
    """Datasets inside share the decoded photos; RembgConcatDataset takes a bank as well."""
    joined = {'type': 'mmengine.ConcatDataset', 'datasets': [class_folders, class_folders]}
    first, second = wrapped(joined, bank=bank).dataset.datasets
    assert first.pipeline.transforms[1].bank is second.pipeline.transforms[1].bank
    with DefaultScope.overwrite_default_scope('mmpretrain'):
        both = RembgConcatDataset(class_folders, bank=bank, model='u2netp', device='cpu')
    assert [each.condition for each in RemovalSettings.of(both)] == ['removed', 'replaced']


def test_settings_of_a_dataset_and_of_its_config(bank: str, class_folders: dict) -> None:
    """A dataset whose backgrounds are replaced removes none; its bank is known, and reported."""
    config = {'type': 'RembgDataset', 'dataset': class_folders, 'bank': bank, 'model': 'u2netp'}
    dataset = wrapped(class_folders, bank=bank)
    (of_config,), (of_dataset,) = RemovalSettings.of(config), RemovalSettings.of(dataset)
    for each in (of_config, of_dataset):
        assert not each.removes
        assert (each.kind, each.condition, each.bank) == ('masks', 'replaced', (bank,))
        assert each.arguments['model'] == 'u2netp'
    step = {'type': 'ReplaceBackground', 'bank': {'paths': [bank]}}
    (of_step,) = RemovalSettings.of({**class_folders, 'pipeline': [step]})
    assert (of_step.condition, of_step.bank) == ('replaced', (bank,))
    (reported,) = removals(dataset)
    assert reported['bank'] == [bank]


class Replaced(Dataset):
    """Six photos without foreground, whose backgrounds are replaced."""

    metainfo = {'classes': ('a', 'b')}  # noqa: RUF012

    def __init__(self, bank: str) -> None:
        self.replace = ReplaceBackground(bank)

    def __len__(self) -> int:
        return 6

    def __getitem__(self, index: int) -> torch.Tensor:
        return torch.from_numpy(self.replace(sample(0))['img'].astype(np.float32))


def collate(samples: list[torch.Tensor]) -> dict[str, torch.Tensor]:
    """A batch."""
    return {'inputs': torch.stack(samples)}


class Network(BaseModel):
    """One number, and what it has seen."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.ones(1))
        self.seen: list[torch.Tensor] = []

    def forward(self, inputs: torch.Tensor, mode: str = 'tensor') -> dict[str, torch.Tensor]:
        """The loss, whatever is asked for."""
        self.seen.append(inputs.clone())
        return {'loss': (self.weight * inputs.mean() / 255).square()}


def test_epochs_differ_and_a_resumed_run_sees_the_same(
    bank: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With EpochSeedHook and two workers: three epochs at a stretch, or one and two more."""
    monkeypatch.setattr(DefaultScope, '_instance_dict', DefaultScope._instance_dict.copy())

    def train(name: str, epochs: int) -> Network:
        network = Network()
        Runner(
            model=network,
            work_dir=str(tmp_path / name),
            train_dataloader={
                'dataset': Replaced(bank),
                'batch_size': 3,
                'sampler': {'type': 'DefaultSampler', 'shuffle': True},
                'num_workers': 2,
                'collate_fn': {'type': collate},
            },
            train_cfg={'by_epoch': True, 'max_epochs': epochs},
            optim_wrapper={'optimizer': {'type': 'SGD', 'lr': 0.01}},
            default_hooks={'epoch_seed': {'type': 'EpochSeedHook'}},
            randomness={'seed': 3},
            resume=(tmp_path / name / 'last_checkpoint').exists(),
            experiment_name=f'{name}-{epochs}-{random.getrandbits(64)}',
        ).train()
        return network

    whole = torch.cat(train('whole', 3).seen)
    assert len(torch.unique(whole.flatten(1), dim=0)) == len(whole) == 18
    first, rest = train('parts', 1), train('parts', 3)
    assert torch.equal(torch.cat([*first.seen, *rest.seen]), whole)
