"""RembgDataset(exclude=...): images that a list names are left out, and nothing else changes."""

from __future__ import annotations

import copy
import pickle
from pathlib import Path

import pytest
from mmengine.dataset import pseudo_collate
from mmengine.registry import DATASETS, DefaultScope
from torch.utils.data import DataLoader

from bgremoval_mm import RembgConcatDataset, RembgDataset
from bgremoval_mm.removal.errors import ArgumentError
from bgremoval_mm.removal.review.left_out import write_left_out


def wrapped(dataset: dict, **options: object) -> RembgDataset:
    """A RembgDataset that leaves the images as they are, built from a config."""
    config = {'type': 'RembgDataset', 'dataset': dataset, 'prob': 0.0, **options}
    with DefaultScope.overwrite_default_scope(dataset['type'].split('.')[0]):
        return DATASETS.build(config)


def below(dataset: object, root: str) -> list[str]:
    """Paths of a dataset's images below its folder."""
    return [
        Path(dataset.get_data_info(i)['img_path']).relative_to(root).as_posix()
        for i in range(len(dataset))
    ]


@pytest.mark.parametrize('lazy', [False, True])
def test_listed_images_are_left_out(any_dataset: dict, tmp_path: Path, lazy: bool) -> None:
    """Datasets of all three codebases: the others stay, in order, with their annotations."""
    root = any_dataset['data_root']
    plain = DATASETS.build(copy.deepcopy(any_dataset))
    paths = below(plain, root)
    write_left_out(tmp_path / 'list.txt', {paths[1], 'of/another/split.jpg'})
    kept = wrapped(any_dataset, exclude=str(tmp_path / 'list.txt'), lazy_init=lazy)
    assert len(kept) == len(paths) - 1
    assert below(kept, root) == paths[:1] + paths[2:]
    assert kept.get_data_info(1)['img_path'] == plain.get_data_info(2)['img_path']
    again = pickle.loads(pickle.dumps(kept))
    loader = DataLoader(again, batch_size=1, num_workers=2, collate_fn=pseudo_collate)
    seen = [
        Path(batch['data_samples'][0].img_path).relative_to(root).as_posix() for batch in loader
    ]
    assert seen == paths[:1] + paths[2:]


def test_given_dataset_is_not_changed(class_folders: dict, tmp_path: Path) -> None:
    """A dataset that is loaded already keeps its length, and wrappers outside see the new one."""
    plain = DATASETS.build(class_folders)
    paths = below(plain, class_folders['data_root'])
    write_left_out(tmp_path / 'list.txt', paths[:2])
    kept = RembgDataset(plain, exclude=str(tmp_path / 'list.txt'), prob=0.0)
    assert (len(plain), len(kept)) == (len(paths), len(paths) - 2)
    config = {'type': 'RembgDataset', 'dataset': class_folders, 'prob': 0.0}
    config |= {'exclude': str(tmp_path / 'list.txt')}
    repeated = DATASETS.build({'type': 'RepeatDataset', 'dataset': config, 'times': 3})
    assert len(repeated) == 3 * (len(paths) - 2)
    assert len(kept.get_subset([0])) == 1


def test_list_of_another_split(class_folders: dict, tmp_path: Path) -> None:
    """Nothing of it is there, so nothing is left out."""
    write_left_out(tmp_path / 'list.txt', ['nowhere.jpg'])
    kept = wrapped(class_folders, exclude=str(tmp_path / 'list.txt'))
    assert len(kept) == len(DATASETS.build(class_folders))


def test_what_cannot_be_excluded_from(class_folders: dict, tmp_path: Path) -> None:
    """Wrappers inside, all images, no folder, a list that is none."""
    file = tmp_path / 'list.txt'
    write_left_out(file, below(DATASETS.build(class_folders), class_folders['data_root']))
    with pytest.raises(ArgumentError, match=r'list.txt leaves out all 6 images of CustomDataset'):
        wrapped(class_folders, exclude=str(file))
    repeated = {'type': 'RepeatDataset', 'dataset': class_folders, 'times': 2}
    with pytest.raises(ArgumentError, match='but RepeatDataset wraps others: put the RembgDataset'):
        RembgDataset(DATASETS.build(repeated), exclude=str(file))
    with pytest.raises(ArgumentError, match='`exclude` is not for RembgConcatDataset'):
        RembgConcatDataset(class_folders, exclude=str(file))
    with pytest.raises(FileNotFoundError):
        wrapped(class_folders, exclude=str(tmp_path / 'gone.txt'))
    plain = DATASETS.build(class_folders)
    plain.data_root = ''
    with pytest.raises(ArgumentError, match='`img_root` must be given with `exclude`'):
        RembgDataset(plain, exclude=str(file))
