"""What Clothing10 and FashionStyle14 share: they behave as mmpretrain's datasets do."""

from __future__ import annotations

import logging
import pickle
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
import torch
from mmengine.dataset import ConcatDataset, pseudo_collate
from mmengine.registry import DATASETS, DefaultScope
from torch.utils.data import DataLoader

import bgremoval_mm
from bgremoval_mm import Clothing10, FashionStyle14, RembgDataset
from bgremoval_mm.datasets.base.checks import missing_files
from bgremoval_mm.datasets.base.classification import ClassificationDataset
from bgremoval_mm.utils.messages import first_few, what_is_at

PIPELINE = [{'type': 'LoadImageFromFile'}, {'type': 'PackInputs'}]


@pytest.fixture(params=['Clothing10', 'FashionStyle14'])
def config(request: pytest.FixtureRequest) -> dict:
    """Config of each of the two datasets, on its tiny copy, without a pipeline."""
    root = request.getfixturevalue(f'{request.param.lower()}_root')
    return {'type': request.param, 'data_root': str(root)}


def build(config: dict, **options: object) -> Clothing10 | FashionStyle14:
    """Builds as a runner of mmpretrain does."""
    with DefaultScope.overwrite_default_scope('mmpretrain'):
        return DATASETS.build({**config, **options})


def test_exported() -> None:
    """The two are public names of the package, and registered under them."""
    for name in ('Clothing10', 'FashionStyle14'):
        assert name in bgremoval_mm.__all__
        assert DATASETS.get(name) is getattr(bgremoval_mm, name)


def test_labels_in_all_forms(config: dict) -> None:
    """The label is the index of the image's folder among the sorted classes, in every form."""
    dataset = build(config)
    assert dataset.CLASSES == dataset.metainfo['classes'] == tuple(sorted(dataset.CLASSES))
    assert dataset.class_to_idx == {name: index for index, name in enumerate(dataset.CLASSES)}
    labels = dataset.get_gt_labels()
    assert labels.dtype == np.int64
    assert set(labels) == set(range(len(dataset.CLASSES)))
    for index in range(len(dataset)):
        info = dataset.get_data_info(index)
        path = Path(info['img_path'])
        assert path.is_file()
        expected = dataset.CLASSES.index(path.parent.name)
        assert info == {'img_path': str(path), 'gt_label': expected, 'sample_idx': index}
        assert dataset.get_cat_ids(index) == [expected] == [labels[index]]


@pytest.mark.parametrize(
    ('subset', 'given', 'expected'),
    [
        ('train', None, False),
        ('val', None, True),
        ('test', None, True),
        ('train', True, True),
        ('test', False, False),
    ],
)
def test_mode(config: dict, subset: str, given: bool | None, expected: bool) -> None:
    """Everything but the training subset is in test mode, unless it is said otherwise."""
    assert build(config, subset=subset, test_mode=given).test_mode is expected


def test_subsets_share_no_image(config: dict) -> None:
    """The three subsets hold images of every class, and no image twice."""
    paths = []
    for subset in ('train', 'val', 'test'):
        dataset = build(config, subset=subset)
        assert set(dataset.get_gt_labels()) == set(range(len(dataset.CLASSES)))
        paths += [dataset[index]['img_path'] for index in range(len(dataset))]
    assert len(set(paths)) == len(paths)


@pytest.mark.parametrize('subset', ['validation', 'Train', '', None])
def test_unknown_subset(config: dict, subset: str | None) -> None:
    """Another subset is refused with the list of the three, before anything is read."""
    expected = f"`subset` must be one of 'train', 'val', 'test', but got {subset!r}"
    with pytest.raises(ValueError, match=expected):
        build(config, subset=subset, lazy_init=True)


def test_other_classes(config: dict) -> None:
    """Classes cannot be renamed or left out by `metainfo`; other entries are kept."""
    assert build(config, metainfo={'owner': 'me'}).metainfo['owner'] == 'me'
    with pytest.raises(ValueError, match=r"`metainfo\['classes'\]` of .* must be left out or be"):
        build(config, metainfo={'classes': ('hat', 'coat')})


def test_unknown_argument(config: dict) -> None:
    """Arguments of mmengine's datasets that have no meaning here are refused."""
    with pytest.raises(TypeError, match='ann_file'):
        build(config, ann_file='train.txt')


def test_home_folder(config: dict, monkeypatch: pytest.MonkeyPatch) -> None:
    """A tilde in `data_root` is the user's home folder."""
    root = Path(config['data_root'])
    monkeypatch.setenv('HOME', str(root.parent))
    dataset = build(config, data_root=f'~/{root.name}')
    assert dataset.data_root == str(root)
    assert Path(dataset[0]['img_path']).is_file()


def test_indices(config: dict) -> None:
    """`indices` takes the first samples, or those of a list."""
    whole = build(config)
    assert [build(config, indices=3)[i]['img_path'] for i in range(3)] == [
        whole[i]['img_path'] for i in range(3)
    ]
    some = build(config, indices=[4, 1])
    assert len(some) == 2
    assert [some[i]['img_path'] for i in range(2)] == [whole[i]['img_path'] for i in (4, 1)]


def test_every(config: dict) -> None:
    """`every=3` is a third of the samples, the same as by a list of indices."""
    some = build(config, every=3)
    same = build(config, indices=range(0, len(build(config)), 3))
    assert [some[i] for i in range(len(some))] == [same[i] for i in range(len(same))]
    with pytest.raises(ValueError, match='`every` must be a whole number from 1, but got 0'):
        build(config, every=0)


def test_lazy_init(config: dict) -> None:
    """With `lazy_init` nothing is read before it is needed; classes are known at once."""
    lazy = build({**config, 'data_root': '/not/there'}, lazy_init=True)
    assert len(lazy.CLASSES) == len(lazy.metainfo['classes'])
    assert 'not loaded yet' in repr(lazy)
    with pytest.raises(FileNotFoundError, match='/not/there does not exist'):
        len(lazy)
    lazy = build(config, lazy_init=True)
    assert not lazy._fully_initialized
    assert len(lazy) == len(build(config)) > 0
    assert f'{len(lazy)} images' in repr(lazy)


@pytest.mark.parametrize('serialize_data', [True, False])
def test_pickled(config: dict, serialize_data: bool) -> None:
    """A copy that went through pickle gives the same samples."""
    pytest.importorskip('mmpretrain')
    dataset = build(config, pipeline=PIPELINE, serialize_data=serialize_data)
    twin = pickle.loads(pickle.dumps(dataset))
    assert len(twin) == len(dataset)
    assert torch.equal(twin[-1]['inputs'], dataset[-1]['inputs'])
    assert twin.metainfo == dataset.metainfo


def test_two_workers(config: dict) -> None:
    """Two workers load what this process loads, decoded by mmpretrain's pipeline."""
    pytest.importorskip('mmpretrain')
    dataset = build(config, subset='val', pipeline=PIPELINE)
    loader = DataLoader(dataset, batch_size=4, num_workers=2, collate_fn=pseudo_collate)
    samples = [sample for batch in loader for sample in batch['data_samples']]
    assert [sample.img_path for sample in samples] == [
        dataset.get_data_info(index)['img_path'] for index in range(len(dataset))
    ]
    assert [int(sample.gt_label) for sample in samples] == dataset.get_gt_labels().tolist()


def test_mmengines_wrappers(config: dict) -> None:
    """RepeatDataset, ClassBalancedDataset and ConcatDataset take the dataset as it is."""
    length = len(build(config))
    repeated = build({'type': 'RepeatDataset', 'times': 2, 'dataset': config})
    assert len(repeated) == 2 * length
    balanced = build({'type': 'ClassBalancedDataset', 'oversample_thr': 1e-3, 'dataset': config})
    assert len(balanced) == length
    # Parts of one dataset are joined by their meta information, which must be equal.
    parts = [{**config, 'subset': subset} for subset in ('train', 'val')]
    joined = build({'type': 'ConcatDataset', 'datasets': parts})
    assert isinstance(joined, ConcatDataset)
    assert len(joined) == length + len(build(config, subset='val'))


@pytest.mark.parametrize('wrapper', ['RembgDataset', 'RembgConcatDataset'])
@pytest.mark.parametrize('lazy_init', [False, True])
def test_backgrounds_are_removed(
    model: str, masked, config: dict, wrapper: str, lazy_init: bool
) -> None:
    """The wrappers bring the pipeline, and find the masks of all names below `data_root`."""
    pytest.importorskip('mmpretrain')
    masks = masked(Path(config['data_root']))
    # Every loaded file has a mask under its own name, so that none has to be computed.
    removed = build(
        {'type': wrapper, 'dataset': {**config, 'subset': 'train'}},
        model=model,
        mask_dir=masks,
        on_missing='error',
        pipeline=PIPELINE,
        lazy_init=lazy_init,
    )
    plain = build(config, pipeline=PIPELINE)
    length = len(plain)
    assert len(removed) == (length if wrapper == 'RembgDataset' else 2 * length)
    assert removed.metainfo == plain.metainfo
    assert removed.get_gt_labels()[-length:].tolist() == plain.get_gt_labels().tolist()
    for index in range(length):
        ours, theirs = removed[len(removed) - length + index], plain[index]
        assert ours['data_samples'].img_path == theirs['data_samples'].img_path
        assert not torch.equal(ours['inputs'], theirs['inputs'])


def test_instance_in_a_wrapper(model: str, config: dict) -> None:
    """A dataset object is wrapped as its config is."""
    pytest.importorskip('mmpretrain')
    plain = build(config, pipeline=PIPELINE)
    removed = RembgDataset(plain, model=model, device='cpu')
    assert len(removed) == len(plain)
    assert not torch.equal(removed[0]['inputs'], plain[0]['inputs'])


def test_metainfo_in_a_checkpoint(config: dict, tmp_path: Path) -> None:
    """What mmengine stores of a dataset is loaded by torch's safe loader."""
    metainfo = build(config).metainfo
    torch.save({'meta': {'dataset_meta': metainfo}}, tmp_path / 'epoch_1.pth')
    loaded = torch.load(tmp_path / 'epoch_1.pth', weights_only=True)
    assert loaded['meta']['dataset_meta'] == metainfo


def test_one_log_line(config: dict, caplog: pytest.LogCaptureFixture) -> None:
    """Loading writes one line: how many images of each class there are."""
    from mmengine.logging import MMLogger

    logger = MMLogger.get_current_instance()
    logger.addHandler(caplog.handler)
    try:
        with caplog.at_level(logging.INFO):
            dataset = build(config, subset='test')
    finally:
        logger.removeHandler(caplog.handler)
    (line,) = caplog.messages
    counts = np.bincount(dataset.get_gt_labels())
    expected = f'{config["type"]} test: {counts.sum()} images ('
    expected += ', '.join(f'{n} {c}' for n, c in zip(dataset.CLASSES, counts, strict=True)) + ')'
    assert line.startswith(expected)


def test_what_is_at(tmp_path: Path) -> None:
    """Errors about a folder say what is there instead."""
    assert what_is_at(tmp_path) == f'{tmp_path} is empty'
    assert what_is_at(tmp_path / 'a') == f'{tmp_path / "a"} does not exist'
    deep = tmp_path / 'a' / 'b'
    assert what_is_at(deep) == f'{deep} does not exist (nor anything below {tmp_path})'
    (tmp_path / 'file').write_text('')
    (tmp_path / 'folder').mkdir()
    assert what_is_at(tmp_path / 'file') == f'{tmp_path / "file"} is a file'
    assert what_is_at(tmp_path) == f'{tmp_path} holds file, folder/'


def test_first_few() -> None:
    """Long lists are cut; bytes that are no UTF-8 are escaped."""
    assert first_few(['a', 'b']) == 'a, b'
    assert first_few(list('abcdefg')) == 'a, b, c, d, e and 2 more'
    assert first_few(['no\udce9l.jpg']) == 'no\\udce9l.jpg'


class Products(ClassificationDataset):
    """Photos of products, with the product's id, as a user writes such a class."""

    METAINFO: ClassVar[dict] = {'classes': ('hat', 'shoes')}

    def find_images(self) -> list[dict]:
        """One dict per image."""
        return [
            {'img_path': 'a/1.jpg', 'gt_label': 'shoes', 'product_id': 7, 'item_id': 'x'},
            {'img_path': 'b/2.jpg', 'gt_label': 'hat', 'product_id': 8, 'item_id': 'y'},
        ]


class Pairs(Products):
    """The same without ids, in the form of earlier releases."""

    def find_images(self) -> list[tuple[str, str]]:
        """One pair per image."""
        return [('a/1.jpg', 'shoes'), ('b/2.jpg', 'hat')]


def test_samples_have_what_the_dataset_knows() -> None:
    """Ids reach the sample; of a pair there are path and label; what was given is not changed."""
    dataset = Products('root')
    first = dataset.get_data_info(0)
    assert first == {
        'img_path': 'root/a/1.jpg',
        'gt_label': 1,
        'product_id': 7,
        'item_id': 'x',
        'sample_idx': 0,
    }
    pairs = Pairs('root')
    assert pairs.get_data_info(0) == {'img_path': 'root/a/1.jpg', 'gt_label': 1, 'sample_idx': 0}
    assert pairs.get_gt_labels().tolist() == dataset.get_gt_labels().tolist() == [1, 0]


def test_files_of_the_current_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A bare name has no folder before it."""
    (tmp_path / 'a.jpg').touch()
    monkeypatch.chdir(tmp_path)
    assert missing_files(['a.jpg', 'b.jpg', 'c/d.jpg']) == ['b.jpg', 'c/d.jpg']
