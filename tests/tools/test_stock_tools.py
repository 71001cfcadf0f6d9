"""Tools that mmpretrain and mmdet ship: they run on the removed arm as on the original."""

from __future__ import annotations

import runpy
import sys
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from mmengine.config import Config
from mmengine.registry import DefaultScope
from PIL import Image

from bgremoval_mm.removal import remove_tree

ARMS = ('mine', 'mine-rembg')
ARM = """_base_ = 'mine.py'
custom_imports = dict(imports=['bgremoval_mm'], allow_failed_imports=False)
rembg = dict(
    _delete_=True, type='RembgDataset', mask_dir='masks', model='u2netp', on_missing='error',
    img_root='photos')
train_dataloader = dict(dataset=dict(
    dataset=_base_.train_dataloader.dataset,
    pipeline=_base_.train_dataloader.dataset.pipeline, **rembg))
val_dataloader = dict(dataset=dict(
    dataset=_base_.val_dataloader.dataset,
    pipeline=_base_.val_dataloader.dataset.pipeline, **rembg))
test_dataloader = dict(dataset=dict(
    dataset=_base_.test_dataloader.dataset,
    pipeline=_base_.test_dataloader.dataset.pipeline, **rembg))
"""
CLASSIFICATION = """
_base_ = 'mmpretrain::resnet/resnet18_8xb32_in1k.py'
classes = ('dress', 'hat')
pipeline = [
    dict(type='LoadImageFromFile'), dict(type='Resize', scale=(64, 64)), dict(type='PackInputs')]
dataset = dict(
    _delete_=True, type='CustomDataset', data_root='photos', metainfo=dict(classes=classes),
    pipeline=pipeline)
train_dataloader = dict(
    batch_size=2, num_workers=0, persistent_workers=False, dataset=dataset)
val_dataloader = dict(
    batch_size=2, num_workers=0, persistent_workers=False, dataset=dataset)
test_dataloader = val_dataloader
model = dict(
    backbone=dict(base_channels=8, stem_channels=8),
    head=dict(num_classes=2, in_channels=64, topk=(1,)))
data_preprocessor = dict(num_classes=2)
val_evaluator = dict(topk=(1,))
test_evaluator = val_evaluator
train_cfg = dict(max_epochs=1, val_interval=1)
"""


@pytest.fixture
def stock(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Run a tool of a codebase in this process, which has no default scope at first."""
    monkeypatch.setenv('LOCAL_RANK', '0')
    monkeypatch.setenv('MPLBACKEND', 'agg')

    def run(codebase: str, name: str, *arguments: str) -> None:
        spec = find_spec(codebase)
        assert spec is not None
        assert spec.origin is not None
        monkeypatch.setattr(DefaultScope, '_instance_dict', type(DefaultScope._instance_dict)())
        monkeypatch.setattr(sys, 'argv', [name, *arguments])
        runpy.run_path(str(Path(spec.origin).parent / '.mim/tools' / name), run_name='__main__')

    return run


@pytest.fixture
def photos(tmp_path: Path, tiny_model: Callable, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Eight photos in two class folders, and their masks."""
    monkeypatch.chdir(tmp_path)
    tiny_model('u2netp')
    random = np.random.default_rng(0)
    for index in range(8):
        folder = tmp_path / 'photos' / ('dress', 'hat')[index % 2]
        folder.mkdir(parents=True, exist_ok=True)
        pixels = random.integers(0, 90, (64, 64, 3)).astype(np.uint8)
        pixels[16:48, 20:44] += 150
        Image.fromarray(pixels).save(folder / f'{index}.jpg')
    remove_tree(tmp_path / 'photos', 'masks', 'u2netp', device='cpu', progress=False)
    return tmp_path / 'photos'


@pytest.mark.slow
def test_classification(photos: Path, stock, monkeypatch: pytest.MonkeyPatch, capfd) -> None:
    """mmpretrain's tools that look at data, predictions and features, and that make folds."""
    pytest.importorskip('mmpretrain')
    manifold = pytest.importorskip('sklearn.manifold')

    class Embedding:
        """Stands in for TSNE, whose argument `n_iter` scikit-learn 1.7 has dropped."""

        def __init__(self, **_: object) -> None:
            pass

        def fit_transform(self, values: np.ndarray) -> np.ndarray:
            """Take two of the features."""
            return values[:, :2]

    monkeypatch.setattr(manifold, 'TSNE', Embedding)
    Path('mine.py').write_text(CLASSIFICATION)
    Path('mine-rembg.py').write_text(ARM)
    for arm in ARMS:
        config, checkpoint = f'{arm}.py', f'work_dirs/{arm}/epoch_1.pth'
        stock('mmpretrain', 'train.py', config, '--no-pin-memory')
        stock('mmpretrain', 'test.py', config, checkpoint, '--out', f'{arm}.pkl')
        stock('mmpretrain', 'test.py', config, checkpoint, '--tta')
        stock(
            'mmpretrain', 'analysis_tools/analyze_results.py', config, f'{arm}.pkl',
            '--out-dir', f'analysed-{arm}', '--topk', '8',
        )  # fmt: skip
        assert len(list(Path(f'analysed-{arm}').rglob('*.png'))) == 8
        stock('mmpretrain', 'misc/verify_dataset.py', config, '--out-path', f'{arm}.txt')
        assert 'There is no broken file found' in capfd.readouterr().out
        stock(
            'mmpretrain', 'visualization/vis_tsne.py', config, '--checkpoint', checkpoint,
            '--work-dir', f'tsne-{arm}', '--device', 'cpu',
        )  # fmt: skip
        (features,) = Path(f'tsne-{arm}').rglob('*.npy')
        assert np.load(features).shape == (8, 64)
        stock(
            'mmpretrain', 'kfold-cross-valid.py', config, '--num-splits', '2',
            '--work-dir', f'folds-{arm}', '--no-pin-memory',
        )  # fmt: skip
        assert len(list(Path(f'folds-{arm}').glob('fold?/epoch_1.pth'))) == 2
        # Any config with a `mmpretrain::` base makes browse_dataset.py stumble over its scope.
        flat = Config.fromfile(config)
        flat.pop('_scope_', None)
        flat.visualizer = {'type': 'UniversalVisualizer', 'vis_backends': None}
        flat.dump(f'flat-{arm}.py')
        stock(
            'mmpretrain', 'visualization/browse_dataset.py', f'flat-{arm}.py', '--not-show',
            '--output-dir', f'browsed-{arm}', '--mode', 'original',
        )  # fmt: skip
        assert len(list(Path(f'browsed-{arm}').glob('*.jpg'))) == 8


@pytest.mark.slow
def test_verify_finds_broken_files_in_both_arms(photos: Path, stock) -> None:
    """verify_dataset.py lists a file that is no image, under RembgDataset as without."""
    pytest.importorskip('mmpretrain')
    broken = photos / 'hat' / '1.jpg'
    broken.write_bytes(b'no image')
    Path('mine.py').write_text(CLASSIFICATION)
    Path('mine-rembg.py').write_text(ARM)
    for arm in ARMS:
        stock('mmpretrain', 'misc/verify_dataset.py', f'{arm}.py', '--out-path', f'{arm}.txt')
        assert Path(f'{arm}.txt').read_text().split() == ['photos/hat/1.jpg']


@pytest.mark.slow
def test_detection(photos: Path, stock, detection: str) -> None:
    """mmdet's analysis of good and bad predictions, which sets `test_mode` and `pipeline`."""
    pytest.importorskip('mmdet')
    from mmengine.fileio import dump

    images, annotations = [], []
    for index, path in enumerate(sorted(photos.rglob('*.jpg'))):
        name = path.relative_to(photos).as_posix()
        images.append({'id': index, 'file_name': name, 'width': 64, 'height': 64})
        box = {'bbox': [20, 16, 24, 32], 'area': 768, 'iscrowd': 0}
        annotations.append({'id': index + 1, 'image_id': index, 'category_id': 1, **box})
    categories = [{'id': 1, 'name': 'thing'}]
    dump({'images': images, 'annotations': annotations, 'categories': categories}, 'instances.json')
    Path('mine.py').write_text(detection.replace("img='images/'", "img='photos/'"))
    Path('mine-rembg.py').write_text(ARM)
    for arm in ARMS:
        config = f'{arm}.py'
        stock('mmdet', 'train.py', config)
        stock('mmdet', 'test.py', config, f'work_dirs/{arm}/epoch_1.pth', '--out', f'{arm}.pkl')
        stock(
            'mmdet', 'analysis_tools/analyze_results.py', config, f'{arm}.pkl', f'shown-{arm}',
            '--topk', '2',
        )  # fmt: skip
        assert len(list(Path(f'shown-{arm}').rglob('*.jpg'))) == 4
