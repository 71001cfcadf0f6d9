"""Where a wrapper's pipeline goes, what it may hold, and what tools ask of the wrapper."""

from __future__ import annotations

import copy
import pickle
from pathlib import Path

import numpy as np
import pytest
from mmengine.dataset import BaseDataset, Compose, ConcatDataset, RepeatDataset
from mmengine.registry import DATASETS, DefaultScope
from torch.utils.data import Subset

from bgremoval_mm import RembgConcatDataset, RembgDataset, RemoveBackground
from bgremoval_mm.datasets.pipeline import RembgPipeline
from bgremoval_mm.datasets.unwrap import base_datasets
from bgremoval_mm.removal.errors import ArgumentError

LOADER = {'type': 'LoadImageFromFile'}
RESIZE = {'type': 'mmcv.Resize', 'scale': (6, 4)}
SMALL = [LOADER, RESIZE]


class Labelled(BaseDataset):
    """Photos of one folder, of class 0 or 1 in turn."""

    METAINFO = {'classes': ('a', 'b')}  # noqa: RUF012

    def load_data_list(self) -> list[dict]:
        """List the files."""
        paths = sorted(Path(self.data_root).rglob('*.*'))
        return [{'img_path': str(path), 'gt_label': i % 2} for i, path in enumerate(paths)]

    def filter_data(self) -> list[dict]:
        """Leave out class 1 in training, as mmdet's datasets leave out what has no boxes."""
        return [each for each in self.data_list if self.test_mode or each['gt_label'] == 0]

    def get_cat_ids(self, idx: int) -> list[int]:
        """Give the class of a photo."""
        return [self.get_data_info(idx)['gt_label']]


class Recording(Compose):
    """Writes down what it does, as mmpretrain's InspectCompose."""

    def __init__(self, transforms: list, names: list[str]) -> None:
        super().__init__(transforms)
        self.names = names

    def __call__(self, data: dict) -> dict:
        """Apply the transforms."""
        for transform in self.transforms:
            data = transform(data)
            self.names.append(type(transform).__name__)
        return data


def in_random_apply(transform: dict, times: int = 1) -> dict:
    """A transform that does something to some images only."""
    outer = {'type': 'RandomApply', 'transforms': [transform], 'prob': 0.5}
    return outer if times == 1 else in_random_apply(outer, times - 1)


@pytest.fixture
def leaf(model, image_tree: Path) -> dict:
    """Config of a dataset of six photos, three of them in training."""
    return {'type': Labelled, 'data_root': str(image_tree)}


def names_of(pipeline) -> list[str]:
    """The names of a pipeline's transforms."""
    return [type(each).__name__ for each in pipeline.transforms]


REMOVED_SMALL = ['LoadImageFromFile', 'RemoveBackground', 'Resize']

CONFIGS = {
    'RepeatDataset': lambda d: {'type': 'RepeatDataset', 'dataset': d, 'times': 2},
    'ClassBalancedDataset': lambda d: {
        'type': 'ClassBalancedDataset',
        'dataset': d,
        'oversample_thr': 0.1,
    },
    'ConcatDataset': lambda d: {'type': 'ConcatDataset', 'datasets': [d, d]},
    'KFoldDataset': lambda d: {'type': 'mmpretrain.KFoldDataset', 'dataset': d, 'num_splits': 3},
    'mmdet': lambda d: {'type': 'mmdet.MultiImageMixDataset', 'dataset': d, 'pipeline': []},
    'mmseg': lambda d: {'type': 'mmseg.MultiImageMixDataset', 'dataset': d, 'pipeline': []},
    'two': lambda d: {
        'type': 'RepeatDataset',
        'times': 1,
        'dataset': {'type': 'ConcatDataset', 'datasets': [d, d]},
    },
}


@pytest.mark.parametrize('as_config', [True, False])
@pytest.mark.parametrize('own', [True, False])
@pytest.mark.parametrize('kind', CONFIGS)
def test_pipeline_reaches_the_base_datasets(leaf, kind: str, own: bool, as_config: bool) -> None:
    """Through every wrapper, whether they have a pipeline or not, as config and as object."""
    if kind in ('mmdet', 'mmseg', 'KFoldDataset'):
        pytest.importorskip(kind if kind.startswith('mm') else 'mmpretrain')
    config = CONFIGS[kind]({**leaf, 'pipeline': [LOADER]} if own else leaf)
    given = copy.deepcopy(config)
    dataset = config if as_config else DATASETS.build(config)
    removed = RembgDataset(dataset, pipeline=SMALL, model='u2netp', device='cpu')
    bases = base_datasets(removed)
    assert [names_of(base.pipeline) for base in bases] == [REMOVED_SMALL] * len(bases)
    assert removed[0]['img'].shape == (4, 6, 3)
    assert config == given
    if not as_config:
        for base in base_datasets(dataset):
            assert names_of(base.pipeline) == (['LoadImageFromFile'] if own else [])
    both = RembgConcatDataset(dataset, pipeline=SMALL, model='u2netp', device='cpu')
    assert names_of(both.pipeline) == ['LoadImageFromFile', 'Resize']
    assert names_of(both.removed.pipeline) == REMOVED_SMALL
    assert len(both) == 2 * len(removed)


@pytest.mark.parametrize('as_config', [True, False])
@pytest.mark.parametrize('codebase', ['mmdet', 'mmseg'])
def test_pipeline_without_loader_is_for_mixed_images(leaf, codebase: str, as_config: bool) -> None:
    """A MultiImageMixDataset's own pipeline can be given at the wrapper's level, and set later."""
    pytest.importorskip(codebase)
    config = CONFIGS[codebase]({**leaf, 'pipeline': [LOADER]})
    dataset = config if as_config else DATASETS.build(config)
    removed = RembgDataset(dataset, pipeline=[RESIZE], model='u2netp', device='cpu')
    assert names_of(removed.pipeline) == ['LoadImageFromFile', 'RemoveBackground']
    assert [type(each).__name__ for each in removed.dataset.pipeline] == ['Resize']
    assert removed.dataset.pipeline_types == ['mmcv.Resize']
    assert removed[0]['img'].shape == (4, 6, 3)
    removed.pipeline = []
    assert removed.dataset.pipeline == []
    assert removed[0]['img'].shape != (4, 6, 3)
    removed.pipeline = SMALL
    assert names_of(removed.pipeline) == REMOVED_SMALL
    with pytest.raises(ArgumentError, match='must hold an image loader'):
        RembgDataset({**leaf, 'pipeline': [LOADER]}, pipeline=[RESIZE])


def test_pipeline_of_a_wrapper_of_ours_inside(leaf) -> None:
    """The outermost pipeline wins, and the background is removed once."""
    inner = {'type': 'RembgDataset', 'model': 'u2netp', 'fill': 9, 'dataset': leaf}
    inner['pipeline'] = [LOADER]
    removed = RembgDataset(inner, pipeline=SMALL)
    assert names_of(removed.pipeline) == REMOVED_SMALL
    assert removed.pipeline.transforms[1].fill == 9
    removed.pipeline = [LOADER]
    assert removed.pipeline.transforms[1].fill == 9


@pytest.mark.parametrize('nested', [False, True])
@pytest.mark.parametrize(
    ('there', 'given', 'differing'),
    [
        ({}, {}, None),
        ({'model': 'u2netp', 'fill': (1, 2, 3)}, {'model': 'u2netp', 'fill': [1, 2, 3]}, None),
        ({'model': 'u2netp', 'fill': 5}, {'fill': (5, 5, 5)}, None),
        ({'model': 'u2netp'}, {}, None),
        ({}, {'model': 'u2netp', 'on_missing': 'error'}, "model='u2netp'.*on_missing='error'"),
        ({'model': 'u2netp'}, {'mask_dir': 'masks'}, r"mask_dir='masks' \(there: None\)"),
        (
            {'mask_dir': 'm', 'img_root': 'a', 'model': 'u2netp'},
            {'mask_dir': 'm/', 'img_root': 'b', 'model': 'u2netp'},
            "img_root='b'",
        ),
        ({'mask_dir': 'm', 'img_root': 'a'}, {'mask_dir': './m'}, None),
        ({'model': 'u2netp', 'threshold': 0.5}, {'threshold': 0.4}, 'threshold=0.4'),
        ({'model': 'u2netp'}, {'image_dir': 'removed'}, 'must hold no RemoveBackground'),
    ],
)
def test_removal_in_the_pipeline(leaf, there, given, differing: str | None, nested: bool) -> None:
    """Arguments that a RemoveBackground in the pipeline differs from are an error, by name."""
    removal = {'type': 'RemoveBackground', **there}
    pipeline = [LOADER, in_random_apply(removal) if nested else removal]
    if differing is None:
        removed = RembgDataset(leaf, pipeline=pipeline, **given)
        expected = ['LoadImageFromFile', 'RandomApply' if nested else 'RemoveBackground']
        assert names_of(removed.pipeline) == expected
        removed.pipeline = [LOADER]
        assert removed.pipeline.transforms[1].model == there.get('model', 'u2net')
    else:
        with pytest.raises(ArgumentError, match=differing):
            RembgDataset(leaf, pipeline=pipeline, **given)
        plain = DATASETS.build({**leaf, 'pipeline': pipeline})
        with pytest.raises(ArgumentError, match=differing):
            RembgDataset(plain, **given)


@pytest.mark.parametrize('removal', [[], [{'type': 'RemoveBackground', 'model': 'u2netp'}]])
@pytest.mark.parametrize('loader', [LOADER, in_random_apply(LOADER), in_random_apply(LOADER, 2)])
def test_image_is_not_loaded_again(leaf, removal: list, loader: dict) -> None:
    """A loader behind the removal would bring the background back, inside RandomApply as well."""
    pipeline = [LOADER, *removal, loader]
    if loader is LOADER and not removal:
        names = names_of(RembgDataset(leaf, pipeline=pipeline, model='u2netp').pipeline)
        assert names == ['LoadImageFromFile', 'LoadImageFromFile', 'RemoveBackground']
        return
    with pytest.raises(ArgumentError, match=f'behind the removal.*got {loader["type"]} there'):
        RembgDataset(leaf, pipeline=pipeline, model='u2netp')


def test_another_image_may_be_loaded(leaf) -> None:
    """A loader for another key leaves the image as it is."""
    other = {'type': 'KeyMapper', 'mapping': {'img_path': 'img_path'}, 'remapping': {'img': 'two'},
             'transforms': [LOADER]}  # fmt: skip
    removed = RembgDataset(leaf, pipeline=[LOADER, other], model='u2netp', device='cpu')
    assert (removed[0]['two'] != removed[0]['img']).any()


def test_new_pipeline_with_another_removal(leaf) -> None:
    """A hook's pipeline is held to the arguments too, and a refused one changes nothing."""
    removed = RembgDataset({**leaf, 'pipeline': [LOADER]}, model='u2netp', device='cpu')
    with pytest.raises(ArgumentError, match=r"model='u2netp'.*there: 'u2net'"):
        removed.pipeline = [LOADER, {'type': 'RemoveBackground'}]
    assert names_of(removed.pipeline) == ['LoadImageFromFile', 'RemoveBackground']
    assert removed.pipeline.transforms[1].model == 'u2netp'


def test_removed_images_in_the_pipeline(leaf, image_tree: Path, tmp_path: Path) -> None:
    """A dataset that loads removed images is removed already: equal or no arguments only."""
    from bgremoval_mm.removal import remove_tree

    folder = tmp_path / 'removed'
    remove_tree(image_tree, folder, 'u2netp', output='rgb', device='cpu', progress=False)
    first = RembgDataset({**leaf, 'pipeline': [LOADER]}, image_dir=str(folder))
    for given in ({}, {'image_dir': f'{folder}/'}):
        again = RembgDataset(first, **given)
        assert names_of(again.pipeline) == ['LoadImageFromRemoved']
        again.pipeline = [LOADER]
        assert names_of(again.pipeline) == ['LoadImageFromRemoved']
    with pytest.raises(
        ArgumentError, match=r'LoadImageFromRemoved of its own.*fill=7 \(there: None'
    ):
        RembgDataset(first, fill=7)
    with pytest.raises(ArgumentError, match="image_dir='elsewhere'"):
        RembgDataset(first, image_dir='elsewhere')


def test_originals_of_a_concat_keep_their_background(leaf) -> None:
    """A pipeline that removes it is none for the originals, at the start or later."""
    pipeline = [LOADER, {'type': 'RemoveBackground', 'model': 'u2netp'}]
    with pytest.raises(ArgumentError, match='RembgConcatDataset must hold no RemoveBackground'):
        RembgConcatDataset(leaf, pipeline=pipeline, model='u2netp')
    both = RembgConcatDataset(leaf, pipeline=[LOADER], model='u2netp', device='cpu')
    with pytest.raises(ArgumentError, match='RembgConcatDataset must hold no RemoveBackground'):
        both.pipeline = both.removed.pipeline
    with pytest.raises(ArgumentError, match='RembgConcatDataset must hold no RemoveBackground'):
        both.pipeline = pipeline
    assert names_of(both.pipeline) == ['LoadImageFromFile']


def test_empty_pipeline_gives_annotations_only(leaf) -> None:
    """As tools set it that load images themselves; a pipeline that comes later removes."""
    removed = RembgDataset(leaf, pipeline=[], model='u2netp', device='cpu')
    assert set(removed[0]) == {'img_path', 'gt_label', 'sample_idx'}
    assert len(removed) == 3
    removed.pipeline = SMALL
    assert names_of(removed.pipeline) == REMOVED_SMALL
    removed.pipeline = []
    assert set(removed[0]) == {'img_path', 'gt_label', 'sample_idx'}
    both = RembgConcatDataset(leaf, model='u2netp', device='cpu')
    assert 'img' not in both[5]
    both.pipeline = SMALL
    assert names_of(both.removed.pipeline) == REMOVED_SMALL


def test_class_of_the_pipeline_is_kept(leaf) -> None:
    """A tool's own Compose goes on doing what it does, and the removal is put into a copy."""
    from mmcv.transforms import Compose as McvCompose

    removed = RembgDataset({**leaf, 'pipeline': [LOADER]}, model='u2netp', device='cpu')
    before = removed[0]['img']
    seen: list[str] = []
    given = Recording([LOADER], seen)
    removed.pipeline = given
    assert isinstance(removed.pipeline, Recording)
    np.testing.assert_array_equal(removed[0]['img'], before)
    assert seen == ['LoadImageFromFile', 'RemoveBackground']
    assert names_of(given) == ['LoadImageFromFile']
    removed.pipeline = Recording(removed.pipeline.transforms, seen)  # the removal is in it
    np.testing.assert_array_equal(removed[0]['img'], before)
    assert seen[2:] == seen[:2]
    removed.pipeline = McvCompose([LOADER])
    assert isinstance(removed.pipeline, McvCompose)
    np.testing.assert_array_equal(removed[0]['img'], before)
    removed.pipeline = Compose([LOADER])
    assert isinstance(removed.pipeline, RembgPipeline)
    plain = DATASETS.build(leaf)
    plain.pipeline = given
    both = RembgConcatDataset(plain, model='u2netp', device='cpu')
    assert type(both.pipeline) is type(both.removed.pipeline) is Recording


def test_test_mode_before_and_after_loading(leaf) -> None:
    """Set before full_init it decides what is filtered, as on the dataset itself."""
    config = {**leaf, 'pipeline': [LOADER]}
    for test_mode, count in ((True, 6), (False, 3)):
        removed = RembgDataset(config, model='u2netp', lazy_init=True)
        removed.test_mode = test_mode
        assert removed.test_mode is removed.dataset.test_mode is test_mode
        assert len(removed) == count
        removed.test_mode = not test_mode
        assert removed.dataset.test_mode is not test_mode
        assert len(removed) == count
    assert len(RembgDataset(config, model='u2netp', test_mode=True)) == 6
    assert len(RembgConcatDataset(config, model='u2netp', test_mode=True)) == 12
    repeat = {'type': 'RepeatDataset', 'times': 2, 'dataset': config}
    assert len(RembgDataset(repeat, model='u2netp', test_mode=True)) == 12
    plain = DATASETS.build({**config, 'lazy_init': True})
    assert len(RembgDataset(plain, model='u2netp', test_mode=True)) == 6
    assert not plain.test_mode
    both = RembgConcatDataset(config, model='u2netp', lazy_init=True)
    both.test_mode = True
    assert both.test_mode
    assert len(both) == 12


def test_lazy_init_inside_wrappers(leaf) -> None:
    """Nothing is loaded early, in wrappers with the argument (Repeat) and without (KFold)."""
    pytest.importorskip('mmpretrain')
    for kind in ('RepeatDataset', 'KFoldDataset', 'ConcatDataset', 'two'):
        config = CONFIGS[kind]({**leaf, 'pipeline': [LOADER]})
        removed = RembgDataset(config, model='u2netp', lazy_init=True)
        assert not any(base._fully_initialized for base in base_datasets(removed))
        assert removed.metainfo['classes'] == ('a', 'b')
        assert len(removed) == len(DATASETS.build(config))


def test_subsets(leaf) -> None:
    """Parts of it are removed too, the dataset that was given stays whole, wrappers refuse."""
    plain = DATASETS.build({**leaf, 'pipeline': SMALL})
    removed = RembgDataset(plain, model='u2netp', device='cpu')
    part = removed.get_subset([2, 0])
    assert isinstance(part, RembgDataset)
    assert [each['img_path'] for each in part] == [removed[i]['img_path'] for i in (2, 0)]
    np.testing.assert_array_equal(part[0]['img'], removed[2]['img'])
    part.pipeline = [LOADER]
    assert names_of(part.pipeline) == ['LoadImageFromFile', 'RemoveBackground']
    assert names_of(removed.pipeline) == REMOVED_SMALL
    removed.get_subset_([1])
    assert (len(removed), len(part), len(plain)) == (1, 2, 3)
    with pytest.raises(NotImplementedError, match='ConcatDataset'):
        RembgDataset(ConcatDataset([plain, plain]), model='u2netp').get_subset_([0])
    with pytest.raises(NotImplementedError, match='ConcatDataset'):
        RembgConcatDataset(plain, model='u2netp').get_subset_([0])


def test_kfold_around_it(leaf) -> None:
    """mmpretrain's KFoldDataset takes subsets of it; both folds are removed, together all of it."""
    pytest.importorskip('mmpretrain.datasets')
    config = {'type': 'RembgDataset', 'model': 'u2netp', 'dataset': leaf, 'pipeline': SMALL}
    config = {'type': 'mmpretrain.KFoldDataset', 'dataset': config, 'num_splits': 3, 'seed': 1}
    train, val = (DATASETS.build({**config, 'test_mode': mode}) for mode in (False, True))
    paths = [fold.get_data_info(i)['img_path'] for fold in (train, val) for i in range(len(fold))]
    assert (len(train), len(val), len(set(paths))) == (2, 1, 3)
    for fold in (train, val):
        assert names_of(fold.dataset.pipeline) == REMOVED_SMALL


def test_what_tools_ask_is_the_datasets_answer(leaf, image_tree: Path) -> None:
    """Public attributes and methods are read and set there; unknown ones are an AttributeError."""
    config = {**leaf, 'pipeline': SMALL, 'serialize_data': False, 'ann_file': 'a.txt'}
    removed = RembgDataset(config, model='u2netp', device='cpu')
    inner = removed.dataset
    for name in ('ann_file', 'data_prefix', 'data_root', 'serialize_data', 'filter_cfg'):
        assert getattr(removed, name) == getattr(inner, name)
    assert removed.METAINFO is Labelled.METAINFO
    assert removed._metainfo is inner._metainfo
    assert removed.prepare_data(1)['img'].shape == (4, 6, 3)
    assert removed.filter_data() == inner.data_list
    removed.max_refetch = 0
    assert inner.max_refetch == 0
    removed.flag = [1]
    assert removed.flag == [1]
    assert not hasattr(inner, 'flag')
    with pytest.raises(AttributeError, match='unheard_of'):
        removed.unheard_of  # noqa: B018
    with pytest.raises(AttributeError, match='_private'):
        removed._private  # noqa: B018
    for twin in (copy.copy(removed), copy.deepcopy(removed), pickle.loads(pickle.dumps(removed))):
        np.testing.assert_array_equal(twin[0]['img'], removed[0]['img'])
        assert twin.data_root == str(image_tree)


def test_what_its_wrapper_lacks_is_lacking(leaf) -> None:
    """hasattr tells what the wrapped object has: samplers go by that."""
    plain = DATASETS.build({**leaf, 'pipeline': [LOADER]})
    repeated = RembgDataset(RepeatDataset(plain, 2), model='u2netp')
    assert not hasattr(repeated, 'get_cat_ids')
    assert not hasattr(repeated, 'prepare_data')
    assert hasattr(repeated, 'get_data_info')
    assert not hasattr(RembgDataset(Subset(plain, [0]), model='u2netp'), 'get_data_info')
    assert hasattr(RembgDataset(plain, model='u2netp'), 'get_cat_ids')


def test_sources_are_told_apart(leaf) -> None:
    """Samplers that draw from sources get their sizes, of lazily built ones too."""
    samplers = pytest.importorskip('mmdet.datasets.samplers')
    config = {**leaf, 'pipeline': SMALL}
    both = RembgConcatDataset(config, model='u2netp', lazy_init=True)
    assert isinstance(both, ConcatDataset)
    assert both.cumulative_sizes == [3, 6]
    inside = RembgDataset({'type': 'ConcatDataset', 'datasets': [config] * 2}, model='u2netp')
    assert inside.cumulative_sizes == [3, 6]
    for dataset in (both, inside):
        sampler = samplers.MultiSourceSampler(dataset, batch_size=2, source_ratio=[1, 1], seed=0)
        batch = next(iter(sampler))
        assert batch is not None
        drawn = [index for index, _ in zip(iter(sampler), range(4), strict=False)]
        assert [index >= 3 for index in drawn] == [False, True, False, True]
    assert both.prepare_data(4)['img'].shape == (4, 6, 3)
    assert both.data_root == inside.datasets[0].data_root
    assert not hasattr(both, 'data_list')
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(both))[3]['img'], both[3]['img'])


@pytest.fixture
def no_scope(monkeypatch: pytest.MonkeyPatch) -> None:
    """No default scope, as in tools that do not start a Runner."""
    monkeypatch.setattr(DefaultScope, '_instance_dict', type(DefaultScope._instance_dict)())


@pytest.mark.usefixtures('no_scope')
@pytest.mark.parametrize('prefix', ['', 'mmpretrain.'])
@pytest.mark.parametrize('wrapper', [None, 'RepeatDataset', 'KFoldDataset'])
def test_type_without_default_scope(leaf, image_tree, prefix: str, wrapper: str | None) -> None:
    """The codebase that has the class is found, also when a wrapper stands between."""
    pytest.importorskip('mmpretrain.datasets')
    config = {'type': f'{prefix}CustomDataset', 'data_root': str(image_tree)}
    if wrapper is not None:
        config = {'type': wrapper, 'dataset': config}
        config |= {'times': 1} if wrapper == 'RepeatDataset' else {'num_splits': 2}
    if wrapper == 'KFoldDataset':
        config['type'] = f'{prefix}KFoldDataset'
    pipeline = [LOADER, {'type': 'PackInputs'}]
    removed = DATASETS.build(
        {'type': 'RembgDataset', 'model': 'u2netp', 'dataset': config, 'pipeline': pipeline}
    )
    assert removed[0]['inputs'].ndim == 3
    assert DefaultScope.get_current_instance() is None


@pytest.mark.usefixtures('no_scope')
def test_type_of_no_or_several_codebases(leaf, monkeypatch: pytest.MonkeyPatch) -> None:
    """An unknown class, and one that two codebases have, are errors that say what to write."""
    pytest.importorskip('mmpretrain.datasets')
    pytest.importorskip('mmdet.datasets')
    with pytest.raises(ArgumentError, match='of NoSuchThing no codebase has it'):
        RembgDataset({'type': 'NoSuchThing'})
    for scope in ('mmdet', 'mmpretrain'):
        monkeypatch.setitem(DATASETS.children[scope]._module_dict, 'Common', Labelled)
    with pytest.raises(
        ArgumentError, match=r"several codebases have it: mmdet, mmpretrain.*type='mmdet\.Common'"
    ):
        RembgDataset({'type': 'Common'})


def test_removal_is_put_in_once_for_shared_objects(leaf) -> None:
    """Built datasets inside a config are not changed, and one at two places is removed once."""
    plain = DATASETS.build({**leaf, 'pipeline': [LOADER]})
    config = {'type': 'ConcatDataset', 'datasets': [plain, plain]}
    removed = RembgDataset(config, model='u2netp', device='cpu')
    for base in base_datasets(removed):
        assert names_of(base.pipeline) == ['LoadImageFromFile', 'RemoveBackground']
    assert names_of(plain.pipeline) == ['LoadImageFromFile']
    assert isinstance(removed.pipeline.transforms[1], RemoveBackground)
