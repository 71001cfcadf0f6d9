"""The wrappers around real datasets of mmpretrain, mmdet and mmsegmentation."""

from __future__ import annotations

import copy
import pickle
import re
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.dataset import BaseDataset, Compose, pseudo_collate
from mmengine.logging import MMLogger
from mmengine.registry import DATASETS, DefaultScope
from PIL import Image
from torch.utils.data import DataLoader

from bgremoval_mm import RembgConcatDataset, RembgDataset, RemoveBackground
from bgremoval_mm.datasets.pipeline import RembgPipeline
from bgremoval_mm.datasets.transforms.change_background import ChangeBackground
from bgremoval_mm.engine.hooks.conditions import removals


def pixels(sample: dict) -> np.ndarray:
    """A packed sample's image as H x W x 3."""
    return sample['inputs'].numpy().transpose(1, 2, 0)


def described(annotation: object) -> list[str]:
    """An annotation's printed lines, without the addresses of its objects.

    Sorted: fields are printed in the order of a set, which another process may change.
    """
    return sorted(re.sub(r' at 0x\w+', '', str(annotation)).splitlines())


def wrapped(dataset: dict, **options: object) -> RembgDataset:
    """A RembgDataset built as a runner builds it, from a config."""
    config = {'type': 'RembgDataset', 'dataset': dataset, 'model': 'u2netp', 'device': 'cpu'}
    with DefaultScope.overwrite_default_scope(dataset['type'].split('.')[0]):
        return DATASETS.build({**config, **options})


@pytest.mark.parametrize('workers', [0, 2])
def test_removes_from_any_data_set(model, masked, any_dataset: dict, workers: int) -> None:
    """Images lose their background, annotations stay, in this process and in two workers."""
    plain = DATASETS.build(any_dataset)
    mask_dir = masked(Path(any_dataset['data_root']))
    removed = wrapped(any_dataset, mask_dir=mask_dir, on_missing='error')
    transform = RemoveBackground(
        model, mask_dir=mask_dir, img_root=any_dataset['data_root'], on_missing='error'
    )
    loader = DataLoader(removed, batch_size=1, num_workers=workers, collate_fn=pseudo_collate)
    assert len(loader) == len(removed) == len(plain) > 2
    for batch, original in zip(loader, (plain[i] for i in range(len(plain))), strict=True):
        path = original['data_samples'].img_path
        expected = transform({'img': pixels(original), 'img_path': path})['img']
        np.testing.assert_array_equal(batch['inputs'][0].numpy().transpose(1, 2, 0), expected)
        assert not np.array_equal(expected, pixels(original))
        ours, theirs = batch['data_samples'][0], original['data_samples']
        assert ours.img_path == path
        for field in ('gt_label', 'gt_instances', 'gt_sem_seg'):
            assert described(ours.get(field)) == described(theirs.get(field))


def test_masks_are_made_by_two_workers(model, class_folders: dict, tmp_path: Path) -> None:
    """Workers that find no masks make and store them, at the same time."""
    removed = wrapped(class_folders, mask_dir=str(tmp_path / 'made'))
    loader = DataLoader(removed, batch_size=1, num_workers=2, collate_fn=pseudo_collate)
    first = [batch['inputs'][0] for batch in loader]
    assert len(list((tmp_path / 'made').rglob('*.png'))) == 6
    strict = wrapped(class_folders, mask_dir=str(tmp_path / 'made'), on_missing='error')
    assert all(torch.equal(a, strict[i]['inputs']) for i, a in enumerate(first))


@pytest.mark.real
def test_real_masks_in_forked_workers(u2netp: str, photos: list[Path], tmp_path: Path) -> None:
    """Two forked workers run the real network, after this process has run it too."""
    pytest.importorskip('mmpretrain')
    for index, path in enumerate(photos[:4]):
        folder = tmp_path / 'real' / str(index % 2)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / path.name).symlink_to(path.resolve())
    config = {
        'type': 'mmpretrain.CustomDataset',
        'data_root': str(tmp_path / 'real'),
        'pipeline': [
            {'type': 'LoadImageFromFile'},
            {'type': 'mmpretrain.PackInputs'},
        ],
    }
    removed = wrapped(config)
    here = [removed[i]['inputs'] for i in range(4)]
    loader = DataLoader(
        removed,
        batch_size=1,
        num_workers=2,
        collate_fn=pseudo_collate,
        multiprocessing_context='fork',
    )
    for batch, expected in zip(loader, here, strict=True):
        gap = (batch['inputs'][0].int() - expected.int()).abs().max()
        assert gap <= 1
        assert (expected == 0).float().mean() > 0.1


def test_instance_is_not_changed(model, class_folders: dict) -> None:
    """A dataset object can be given; it keeps its own pipeline."""
    plain = DATASETS.build(class_folders)
    before = pixels(plain[0])
    removed = RembgDataset(plain, model='u2netp', device='cpu')
    assert not np.array_equal(pixels(removed[0]), before)
    np.testing.assert_array_equal(pixels(plain[0]), before)
    assert removed.metainfo == plain.metainfo


def test_pipeline_at_the_wrappers_level(model, any_dataset: dict) -> None:
    """A config may carry the pipeline where tools look for it."""
    config = copy.deepcopy(any_dataset)
    pipeline = config.pop('pipeline')
    removed = wrapped(config, pipeline=pipeline)
    kinds = [type(t).__name__ for t in removed.pipeline.transforms]
    assert kinds[:2] == ['LoadImageFromFile', 'RemoveBackground']
    np.testing.assert_array_equal(pixels(removed[0]), pixels(wrapped(any_dataset)[0]))


def test_new_pipeline_keeps_the_removal(model, any_dataset: dict) -> None:
    """Hooks that switch pipelines set it from outside; the background stays removed."""
    removed = wrapped(any_dataset)
    before = pixels(removed[0])
    removed.pipeline = Compose(any_dataset['pipeline'])
    np.testing.assert_array_equal(pixels(removed[0]), before)
    removed.pipeline = any_dataset['pipeline']
    np.testing.assert_array_equal(pixels(removed[0]), before)
    removed.pipeline = removed.pipeline
    count = sum(isinstance(t, RemoveBackground) for t in removed.pipeline.transforms)
    assert count == 1


def test_stock_switch_hook_keeps_the_removal(model, class_folders: dict) -> None:
    """mmpretrain's SwitchRecipeHook replaces the pipeline of the wrapper itself."""
    from mmpretrain.engine import SwitchRecipeHook

    removed = wrapped(class_folders)
    before = pixels(removed[0])
    runner = type('Runner', (), {})()
    loader = type('Loader', (), {'dataset': removed, '_iterator': None})()
    runner.train_loop = type('Loop', (), {'dataloader': loader, 'dataloader_iterator': None})()
    SwitchRecipeHook._switch_train_pipeline(runner, Compose(class_folders['pipeline']))
    np.testing.assert_array_equal(pixels(removed[0]), before)


def test_sampler_interface(model, any_dataset: dict) -> None:
    """What samplers, loops and other wrappers call is the wrapped dataset's answer."""
    plain, removed = DATASETS.build(any_dataset), wrapped(any_dataset)
    assert removed.metainfo == plain.metainfo
    assert removed.get_data_info(1) == plain.get_data_info(1)
    if hasattr(plain, 'get_cat_ids'):
        try:
            expected = plain.get_cat_ids(1)
        except NotImplementedError:
            expected = None
        if expected is not None:
            assert removed.get_cat_ids(1) == expected
    removed.metainfo['classes'] = 'changed'
    assert removed.metainfo == plain.metainfo


def test_gt_labels(model, class_folders: dict) -> None:
    """mmpretrain's margin hook gets all labels at once."""
    np.testing.assert_array_equal(wrapped(class_folders).get_gt_labels(), [0, 0, 0, 1, 1, 1])


def test_lazy_init(model, any_dataset: dict, monkeypatch) -> None:
    """`lazy_init` reads no annotation before it is needed; inferencers rely on it."""
    removed = wrapped(any_dataset, lazy_init=True)
    assert not removed.dataset._fully_initialized
    assert removed.metainfo is not None
    assert len(removed) == len(DATASETS.build(any_dataset))
    assert removed.dataset._fully_initialized


def test_test_mode(model, any_dataset: dict) -> None:
    """Test sets are removed as well, and say that they are test sets."""
    removed = wrapped({**any_dataset, 'test_mode': True})
    assert removed.test_mode
    assert not np.array_equal(
        pixels(removed[0]), pixels(DATASETS.build({**any_dataset, 'test_mode': True})[0])
    )


@pytest.mark.parametrize('wrapper', ['ConcatDataset', 'RepeatDataset', 'ClassBalancedDataset'])
@pytest.mark.parametrize('inside', [True, False])
def test_with_mmengines_wrappers(model, class_folders: dict, wrapper: str, inside: bool) -> None:
    """Our wrapper takes mmengine's wrappers inside, and works inside them."""
    options = {
        'ConcatDataset': lambda d: {'datasets': [d, d]},
        'RepeatDataset': lambda d: {'dataset': d, 'times': 2},
        'ClassBalancedDataset': lambda d: {'dataset': d, 'oversample_thr': 1.0},
    }[wrapper]
    removed = wrapped(class_folders)
    expected = {removed[i]['data_samples'].img_path: pixels(removed[i]) for i in range(6)}
    if inside:
        both = wrapped({'type': f'mmengine.{wrapper}', **options(class_folders)})
    else:
        ours = {'type': 'RembgDataset', 'dataset': class_folders, 'model': 'u2netp'}
        both = DATASETS.build({'type': wrapper, **options(ours)})
    assert len(both) >= 6
    for index in range(len(both)):
        sample = both[index]
        np.testing.assert_array_equal(pixels(sample), expected[sample['data_samples'].img_path])


def test_mmdet_mix_dataset(model, coco: dict) -> None:
    """mmdet's mosaic wrapper takes ours as its dataset."""
    coco['pipeline'] = coco['pipeline'][:2]
    coco['pipeline'][1]['with_mask'] = False
    mixed = DATASETS.build({
        'type': 'mmdet.MultiImageMixDataset',
        'dataset': {'type': 'RembgDataset', 'dataset': coco, 'model': 'u2netp'},
        'pipeline': [
            {'type': 'mmdet.Mosaic', 'img_scale': (64, 64), 'pad_val': 0},
            {'type': 'mmdet.PackDetInputs'},
        ],
    })  # fmt: skip
    assert mixed[0]['inputs'].shape[0] == 3


def test_unreadable_image_is_logged_and_counted(model, class_folders, image_tree, caplog) -> None:
    """A loader that ignores broken files makes the dataset take another: never silently."""
    broken = image_tree / 'dress' / '1.jpg'
    broken.write_bytes(b'')
    class_folders['pipeline'][0]['ignore_empty'] = True
    removed = wrapped(class_folders)
    logger = MMLogger.get_current_instance()
    logger.addHandler(caplog.handler)
    try:
        sample = removed[0]
    finally:
        logger.removeHandler(caplog.handler)
    assert sample['data_samples'].img_path != str(broken)
    assert removed.pipeline.unreadable >= 1
    assert f'{broken} cannot be read; the dataset puts another sample' in caplog.text


def test_loader_error_names_the_file(model, class_folders: dict, image_tree: Path) -> None:
    """Without ignore_empty the error stops the run and names the file."""
    broken = image_tree / 'dress' / '1.jpg'
    broken.write_bytes(b'')
    with pytest.raises(Exception) as raised:  # noqa: PT011
        wrapped(class_folders)[0]
    assert any(str(broken) in note for note in raised.value.__notes__)


def test_img_root_from_data_root_or_error(model, class_folders: dict, tmp_path: Path) -> None:
    """Without data_root the store's place in the tree cannot be guessed."""
    prefix = class_folders.pop('data_root')
    class_folders['data_prefix'] = prefix
    with pytest.raises(
        ValueError, match=r'`img_root` must be given.*CustomDataset has no `data_ro'
    ):
        wrapped(class_folders, mask_dir=str(tmp_path / 'm'))
    removed = wrapped(class_folders, mask_dir=str(tmp_path / 'm'), img_root=prefix)
    assert removed[0]['inputs'].shape[0] == 3


def test_pipeline_without_loader(class_folders: dict) -> None:
    """There is no place for the removal, says the error, and what there is."""
    class_folders['pipeline'] = class_folders['pipeline'][1:]
    with pytest.raises(ValueError, match=r"must hold an image loader.*\['PackInputs'\]"):
        wrapped(class_folders)


@pytest.mark.parametrize('dataset', [3, 'data', torch.utils.data.TensorDataset(torch.ones(1))])
def test_wrong_dataset(dataset) -> None:
    """Only configs and datasets of mmengine can be wrapped."""
    with pytest.raises(TypeError, match=r'must be a config or a dataset|TensorDataset has no pipe'):
        RembgDataset(dataset)


def test_unknown_argument(class_folders: dict) -> None:
    """A misspelt argument is named together with those there are."""
    with pytest.raises(TypeError, match=r"unknown arguments \['filll'\].*fill, "):
        RembgDataset(class_folders, filll=0)


@pytest.mark.parametrize('condition', ['blurred', 'background_only'])
def test_backgrounds_that_are_not_removed(model, masked, any_dataset: dict, condition: str) -> None:
    """The wrapper does what ChangeBackground does, and says so where its settings are asked for."""
    plain = DATASETS.build(any_dataset)
    root = any_dataset['data_root']
    mask_dir = masked(Path(root))
    changed = wrapped(any_dataset, mask_dir=mask_dir, on_missing='error', condition=condition)
    transform = ChangeBackground(
        condition, model=model, mask_dir=mask_dir, img_root=root, on_missing='error'
    )
    removed = wrapped(any_dataset, mask_dir=mask_dir, on_missing='error')
    for index in range(len(plain)):
        path = plain[index]['data_samples'].img_path
        expected = transform({'img': pixels(plain[index]), 'img_path': path})['img']
        np.testing.assert_array_equal(pixels(changed[index]), expected)
        assert not np.array_equal(expected, pixels(plain[index]))
        assert not np.array_equal(expected, pixels(removed[index]))
    (told,) = removals(changed) or ()
    assert told['condition'] == condition
    assert all('condition' not in each for each in removals(removed) or ())


def test_wrong_condition(class_folders: dict) -> None:
    """Other conditions are refused with those there are; a bank has one of its own."""
    allowed = 'one of removed, blurred, background_only, but got '
    with pytest.raises(ValueError, match=f"`condition` must be {allowed}'replaced'"):
        RembgDataset(class_folders, condition='replaced')
    with pytest.raises(ValueError, match="`bank` must not be given with `condition`='blurred'"):
        RembgDataset(class_folders, condition='blurred', bank='nowhere')


@pytest.mark.parametrize('condition', ['blurred', 'background_only'])
def test_colour_without_effect(class_folders: dict, condition: str) -> None:
    """Is refused: only what is removed has a colour in its place."""
    expected = f"`fill` must be given with `condition`='removed' only, but got {condition!r}"
    with pytest.raises(ValueError, match=expected):
        RembgDataset(class_folders, condition=condition, fill=255)


def test_pickles_for_spawned_workers(model, any_dataset: dict) -> None:
    """A wrapper that was used can be sent to another process."""
    removed = wrapped(any_dataset)
    expected = pixels(removed[0])
    np.testing.assert_array_equal(pixels(pickle.loads(pickle.dumps(removed))[0]), expected)


@pytest.mark.parametrize('as_config', [True, False])
def test_concat_is_originals_then_twins(model, any_dataset: dict, as_config: bool) -> None:
    """Sample i and sample i + n are one photograph, with and without its background."""
    plain = DATASETS.build(any_dataset)
    removed = wrapped(any_dataset)
    dataset = any_dataset if as_config else DATASETS.build(any_dataset)
    both = RembgConcatDataset(dataset, model='u2netp', device='cpu')
    count = len(plain)
    assert len(both) == 2 * count
    for index in range(count):
        np.testing.assert_array_equal(pixels(both[index]), pixels(plain[index]))
        np.testing.assert_array_equal(pixels(both[index + count]), pixels(removed[index]))
        assert both.get_data_info(index) == both.get_data_info(index + count)
    np.testing.assert_array_equal(pixels(both[-1]), pixels(removed[count - 1]))
    with pytest.raises(IndexError, match=f'from 0 to {2 * count - 1}, but got {2 * count}'):
        both[2 * count]
    assert both.metainfo == plain.metainfo


def test_concat_lazily_and_with_a_new_pipeline(model, class_folders: dict) -> None:
    """Both halves start lazily and take a new pipeline."""
    both = RembgConcatDataset(class_folders, model='u2netp', device='cpu', lazy_init=True)
    assert len(both) == 12
    assert both.get_gt_labels().tolist() == [0, 0, 0, 1, 1, 1] * 2
    assert both.get_cat_ids(11) == [1]
    before = [pixels(both[i]) for i in (0, 6)]
    both.pipeline = class_folders['pipeline']
    for index, expected in zip((0, 6), before, strict=True):
        np.testing.assert_array_equal(pixels(both[index]), expected)


def test_plain_mmengine_data_set(model, image_tree: Path, tmp_path: Path) -> None:
    """Outside the three codebases: mmengine's BaseDataset with an annotation file."""
    import json

    paths = sorted(p.relative_to(image_tree).as_posix() for p in image_tree.rglob('*.jpg'))
    annotation = {
        'metainfo': {'classes': ['a']},
        'data_list': [{'img_path': p, 'label': 0} for p in paths],
    }
    (tmp_path / 'ann.json').write_text(json.dumps(annotation))
    removed = RembgDataset(
        {
            'type': BaseDataset,
            'ann_file': str(tmp_path / 'ann.json'),
            'data_root': str(image_tree),
            'data_prefix': {'img_path': ''},
            'pipeline': [{'type': 'LoadImageFromFile'}],
        },
        mask_dir=str(tmp_path / 'm'),
        model='u2netp',
    )
    assert isinstance(removed.pipeline, RembgPipeline)
    sample = removed[0]
    assert sample['img'].dtype == np.uint8
    with Image.open(sample['img_path']) as image:
        assert not np.array_equal(sample['img'][..., ::-1], np.asarray(image))
    assert (tmp_path / 'm/u2netp' / (paths[0] + '.png')).is_file()


@pytest.mark.skipif(sys.platform == 'win32', reason='fork')
def test_spawned_workers(model, class_folders: dict, tmp_path: Path) -> None:
    """DataLoader workers that are spawned, not forked, compute the same."""
    from bgremoval_mm.removal import get_model

    # A spawned process does not see the patched catalogue: it is given the ModelSpec.
    removed = RembgDataset(class_folders, model=get_model('u2netp'), device='cpu')
    loader = DataLoader(
        removed,
        batch_size=1,
        num_workers=1,
        collate_fn=pseudo_collate,
        multiprocessing_context='spawn',
    )
    for index, batch in enumerate(loader):
        assert torch.equal(batch['inputs'][0], removed[index]['inputs'])
