"""docs/own_dataset.md: its dataset class and config, line by line."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from mmengine.config import Config

from bgremoval_mm.removal import remove_tree


@pytest.mark.slow
def test_dataset_class_of_the_page_trains(
    photos: Path,
    tiny_model: Callable,
    titled_blocks: Callable[[str], dict[str, str]],
    run_tool: Callable[..., None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A class that knows nothing of removal gets removed photos, and the network is trained."""
    mmpretrain = pytest.importorskip('mmpretrain')
    from mmpretrain.registry import DATASETS

    tiny_model('u2net')
    remove_tree(photos, 'data/masks/photos', model='u2net', progress=False)
    blocks = titled_blocks('own_dataset.md')
    Path('mydata.py').write_text(blocks['mydata.py'])
    Path('table.py').write_text(blocks['table.py'])
    monkeypatch.syspath_prepend(str(Path.cwd()))
    try:
        config = Config.fromfile('table.py')
        config.merge_from_dict(
            {
                'model.backbone.base_channels': 8,
                'model.backbone.stem_channels': 8,
                'model.head.in_channels': 64,
                'train_cfg.max_epochs': 1,
                'train_dataloader.batch_size': 4,
                'train_dataloader.num_workers': 0,
                'train_dataloader.persistent_workers': False,
                'train_dataloader.dataset.on_missing': 'error',
            }
        )
        config.dump('small.py')
        run_tool('train', 'small.py')
        assert Path('work_dirs/small/epoch_1.pth').is_file()

        dataset = mmpretrain.datasets.build_dataset(config.train_dataloader.dataset)
        assert len(dataset) == 8
        assert dataset.get_cat_ids(1) == [1]
    finally:
        DATASETS.module_dict.pop('PhotoTable', None)
        sys.modules.pop('mydata', None)
