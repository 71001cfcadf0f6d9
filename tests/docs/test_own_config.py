"""docs/own_config.md: its configs, line by line, trained in pairs on a few small photos."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import get_args

import pytest
from mmengine.config import Config

from bgremoval_mm.datasets.transforms.change_background import Condition
from bgremoval_mm.datasets.transforms.remove_background import RemoveBackground
from bgremoval_mm.removal import BackgroundRemover, remove_tree

PAGE = 'own_config.md'

# What makes stock networks small enough for a test, and keeps them from fetching weights.
SMALL: dict[str, dict] = {
    'mmpretrain': {
        'model.backbone.base_channels': 8,
        'model.backbone.stem_channels': 8,
        'model.head.in_channels': 64,
        'train_cfg.max_epochs': 1,
    },
    'mmdet': {
        'model.backbone.init_cfg': None,
        'model.backbone.depth': 18,
        'model.backbone.base_channels': 8,
        'model.neck.in_channels': [8, 16, 32, 64],
        'model.neck.out_channels': 16,
        'model.rpn_head.in_channels': 16,
        'model.rpn_head.feat_channels': 16,
        'model.roi_head.bbox_roi_extractor.out_channels': 16,
        'model.roi_head.mask_roi_extractor.out_channels': 16,
        'model.roi_head.bbox_head.in_channels': 16,
        'model.roi_head.mask_head.in_channels': 16,
        'model.roi_head.mask_head.conv_out_channels': 16,
        'model.roi_head.bbox_head.fc_out_channels': 16,
        'model.test_cfg.rcnn.score_thr': 0.0,
        'train_dataloader.dataset.pipeline.2.scale': (64, 64),
        'test_dataloader.dataset.pipeline.1.scale': (64, 64),
        'val_dataloader.dataset.pipeline.1.scale': (64, 64),
        'train_cfg.max_epochs': 1,
    },
    'mmseg': {
        'model.pretrained': None,
        'model.data_preprocessor.size': (64, 64),
        'train_dataloader.dataset.pipeline.3.crop_size': (64, 64),
        'model.backbone.base_channels': 8,
        'model.decode_head.in_channels': 64,
        'model.auxiliary_head.in_channels': 32,
        'train_dataloader.dataset.pipeline.2.scale': (64, 64),
        'test_dataloader.dataset.pipeline.1.scale': (64, 64),
        'val_dataloader.dataset.pipeline.1.scale': (64, 64),
        'train_cfg.max_iters': 2,
        'train_cfg.val_interval': 2,
    },
}
METRIC = {'mmpretrain': 'accuracy/top1', 'mmdet': 'coco/segm_mAP', 'mmseg': 'mIoU'}


@pytest.fixture
def masks(photos: Path, tiny_model: Callable) -> Path:
    """Masks of all photos, made by a tiny model under the default's name."""
    tiny_model('u2net')
    folder = photos.parents[1] / 'data' / 'masks' / 'photos'
    remove_tree(photos, folder, model='u2net', progress=False)
    return folder


def shrink(mine: Config, codebase: str) -> None:
    """Rewrite ``mine.py`` with a small network, few steps and no worker processes."""
    mine.merge_from_dict(SMALL[codebase])
    for name in ('train', 'val', 'test'):
        loader = mine[f'{name}_dataloader']
        loader.update(batch_size=2, num_workers=0, persistent_workers=False)
    mine.randomness = {'seed': 0}
    mine.dump('mine.py')


def infer(codebase: str, config: str, checkpoint: str, photo: str) -> object:
    """Return what the codebase's inferencer finds in a photo."""
    if codebase == 'mmpretrain':
        from mmpretrain import ImageClassificationInferencer

        return ImageClassificationInferencer(config, pretrained=checkpoint, device='cpu')(photo)
    if codebase == 'mmdet':
        from mmdet.apis import DetInferencer

        inferencer = DetInferencer(config, checkpoint, device='cpu', show_progress=False)
        return inferencer(photo)['predictions']
    from mmseg.apis import MMSegInferencer

    return MMSegInferencer(config, checkpoint, device='cpu')(photo)['predictions'].shape


@pytest.mark.slow
@pytest.mark.parametrize('codebase', ['mmpretrain', 'mmdet', 'mmseg'])
def test_configs_of_the_page_train(
    codebase: str,
    masks: Path,
    titled_blocks: Callable[[str], dict[str, str]],
    run_tool: Callable[..., None],
) -> None:
    """``mine.py``, its variant and the transform as a step are trained, and compared with it."""
    pytest.importorskip(codebase)
    blocks = titled_blocks(PAGE)
    Path('mine.py').write_text(blocks[f'mine.py, {codebase}'])
    Path('mine-rembg.py').write_text(blocks['mine-rembg.py'])
    for name in ('step.py', 'infer.py'):
        Path(name).write_text(blocks[name])
    shrink(Config.fromfile('mine.py'), codebase)

    for name in ('mine', 'mine-rembg', 'step'):
        run_tool('train', f'{name}.py')
    for name in ('mine-rembg', 'step'):
        report = json.loads(Path(f'work_dirs/{name}/diff_metrics.json').read_text())
        assert METRIC[codebase] in report['last']
        assert report['last'][METRIC[codebase]]['original'] is not None

    # Tools and inferencers that read the test pipeline out of the config find it.
    (variant,) = Path('work_dirs/mine-rembg').glob('*_[12].pth')
    photo = str(next(masks.parents[1].joinpath('photos').rglob('*.jpg')))
    assert infer(codebase, 'mine-rembg.py', str(variant), photo)
    # A photo from elsewhere has no stored mask; the page's config for inferencers computes it.
    shutil.copy(photo, 'new.jpg')
    assert infer(codebase, 'infer.py', str(variant), 'new.jpg')
    if codebase != 'mmdet':  # whose config has no TTA
        (baseline,) = Path('work_dirs/mine').glob('*_[12].pth')
        run_tool('test', 'mine.py', str(baseline), '--tta')
        run_tool('test', 'mine-rembg.py', str(variant), '--tta', '--out', 'tta.json')
        assert METRIC[codebase] in json.loads(Path('tta.json').read_text())

    # The audit takes such configs as they are, with the codebase's own dataset and metric.
    (checkpoint,) = Path('work_dirs/mine').glob('*_[12].pth')
    audit = ('--mask-dir', 'data/masks/photos', '--img-root', 'data/photos', '--draws', '2')
    with pytest.raises(SystemExit) as end:
        run_tool('audit_background', 'mine.py', str(checkpoint), '--out', 'audit', *audit)
    assert end.value.code == 0
    content = json.loads(Path('audit/audit.json').read_text())
    assert list(content['outcomes']) == list(get_args(Condition))
    trained = json.loads(Path('work_dirs/mine-rembg/diff_metrics.json').read_text())['last']
    scores = {name: each[METRIC[codebase]]['mean'] for name, each in content['summary'].items()}
    assert scores['original'] == pytest.approx(trained[METRIC[codebase]]['original'], abs=1e-4)
    names = {'mmpretrain': {'dress', 'hat'}, 'mmdet': {'thing'}, 'mmseg': {'ground', 'thing'}}
    assert set(content['outcomes']['removed']['classes']) == names[codebase]


def test_both_ways_remove_the_same(
    masks: Path, titled_blocks: Callable[[str], dict[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The page's step takes the stored mask: without a network, the background becomes black."""
    from mmcv.transforms import LoadImageFromFile

    def forbidden(*_: object) -> None:
        pytest.fail('the network ran although the mask is stored')

    monkeypatch.setattr(BackgroundRemover, '__call__', forbidden)
    Path('mine.py').write_text(titled_blocks(PAGE)['mine.py, mmpretrain'])
    Path('step.py').write_text(titled_blocks(PAGE)['step.py'])
    for name in ('train', 'val', 'test'):
        dataset = Config.fromfile('step.py')[f'{name}_dataloader'].dataset
        settings = dict(dataset.pipeline[1])
        assert settings.pop('type') == 'RemoveBackground'
        path = next(Path(dataset.data_root, 'train').rglob('*.jpg'))
        loaded = LoadImageFromFile()({'img_path': str(path)})
        before = loaded['img'].copy()
        after = RemoveBackground(**settings)(loaded)['img']
        assert (after <= before).all()
        assert (after < before).any()


@pytest.mark.parametrize(
    'base',
    ['mmpretrain::resnet/resnet18_8xb32_in1k.py', 'mmdet::mask_rcnn/mask-rcnn_r50_fpn_1x_coco.py'],
)
def test_workers_that_epoch_seed_hook_can_seed(
    base: str, titled_blocks: Callable[[str], dict[str, str]], tmp_path: Path
) -> None:
    """The codebases keep workers from epoch to epoch; the page's lines do not."""
    pytest.importorskip(base.split(':')[0])
    mine = tmp_path / 'mine.py'
    mine.write_text(f"_base_ = '{base}'\n")
    # Where a config says nothing, as mmpretrain's, train.py keeps them.
    assert Config.fromfile(mine).train_dataloader.get('persistent_workers', True)
    lines = titled_blocks('classification.md')['resumable, to be added to mine.py']
    mine.write_text(f"_base_ = '{base}'\n{lines}")
    config = Config.fromfile(mine)
    assert config.custom_hooks == [{'type': 'EpochSeedHook'}]
    assert not config.train_dataloader.persistent_workers
