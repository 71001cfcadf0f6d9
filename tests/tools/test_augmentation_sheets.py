"""tools/augmentation_sheet.py and sample_sheet.py, and the augmentations that they show."""

from __future__ import annotations

import runpy
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.registry import DefaultScope
from mmengine.runner import Runner
from PIL import Image

from bgremoval_mm.experiments.papers.liang2023.experiments import AUGMENTATIONS, shown_augmentations
from bgremoval_mm.removal import remove_tree

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True)
def isolated_scope(monkeypatch: pytest.MonkeyPatch) -> None:
    """A Runner leaves its default scope behind."""
    pytest.importorskip('mmpretrain')
    pytest.importorskip('matplotlib')
    monkeypatch.setattr(DefaultScope, '_instance_dict', DefaultScope._instance_dict.copy())


@pytest.fixture
def photo() -> np.ndarray:
    """A colourful square before a grey wall, 64 pixels."""
    pixels = np.full((64, 64, 3), 150, np.uint8)
    pixels[16:48, 16:48] = np.random.default_rng(0).integers(0, 256, (32, 32, 3))
    return pixels


@pytest.fixture
def mask() -> np.ndarray:
    """The square's mask."""
    mask = np.zeros((64, 64), np.uint8)
    mask[16:48, 16:48] = 255
    return mask


def test_each_augmentation_changes_a_picture(photo: np.ndarray) -> None:
    """All eight, always applied, whatever the seed; the same seed gives the same picture."""
    from bgremoval_mm.visualization.augmentation_sheet import augment, read_augmentations

    augmentations = read_augmentations(shown_augmentations(ROOT / 'configs'))
    assert len(augmentations) == 8
    for title, transform in augmentations.items():
        for seed in range(3):
            changed = augment(photo, transform, seed)
            assert (changed != photo).any(), title
            assert (changed.dtype, changed.shape) == (photo.dtype, photo.shape)
            assert (changed == augment(photo, transform, seed)).all(), title


def test_both_variants_get_the_same_numbers(photo: np.ndarray, mask: np.ndarray) -> None:
    """Cutout's square is at the same place in the photo before and after removal."""
    from bgremoval_mm.removal import compose
    from bgremoval_mm.visualization.augmentation_sheet import augment, read_augmentations

    cutout = read_augmentations(shown_augmentations(ROOT / 'configs'))['Cutout']
    bright = np.maximum(photo, 1)
    first, second = augment(bright, cutout, 5), augment(compose(bright, mask), cutout, 5)
    hole = (first == 0).all(axis=2)
    assert hole.any()
    assert (second[hole] == 0).all()


def test_background_levels(photo: np.ndarray, mask: np.ndarray) -> None:
    """A transform that adds 7 to everything lifts the background to 7, one that does not to 0."""
    from bgremoval_mm.visualization.augmentation_sheet import background_levels

    levels = background_levels(
        [(photo, mask)],
        {
            'grey': {'type': 'RandomGrayscale', 'prob': 1.0, 'keep_channels': True},
            'inverted': {'type': 'Invert', 'prob': 1.0},
        },
    )
    assert levels == {'grey': 0.0, 'inverted': 255.0}


def run(tool: str, *arguments: str) -> int:
    """Run a tool in this process."""
    return runpy.run_path(str(ROOT / 'tools' / f'{tool}.py'))['main'](list(arguments))


def test_sheets(
    image_tree: Path,
    tiny_model: Callable,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Both sheets are drawn, the levels printed, and nothing else is left behind."""
    tiny_model('u2netp')
    out = tmp_path / 'sheets'
    common = ('--model', 'u2netp')
    assert run('augmentation_sheet', str(image_tree), '--out', str(out / 'a.png'), *common) == 0
    printed = capsys.readouterr().out
    assert 'mean level of the removed background (0 is black), 6 photos' in printed
    assert 'Equalize' in printed
    remove_tree(image_tree, tmp_path / 'masks', 'u2netp', device='cpu', progress=False)
    arguments = (str(image_tree), str(tmp_path / 'masks'), '--out', str(out / 's.jpg'))
    assert run('sample_sheet', *arguments, '--number', '4', *common) == 0
    assert sorted(path.name for path in out.iterdir()) == ['a.png', 's.jpg']
    for path in out.iterdir():
        with Image.open(path) as image:
            assert min(image.size) > 200


def test_sheet_errors(
    tmp_path: Path, tiny_model: Callable, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing to draw, or nowhere to draw it, is an error in one line."""
    tiny_model('u2netp')
    (tmp_path / 'empty').mkdir()
    assert run('augmentation_sheet', str(tmp_path / 'empty')) == 1
    assert 'there is no image in' in capsys.readouterr().err
    assert run('augmentation_sheet', str(tmp_path / 'none')) == 1
    assert 'there is no ' in capsys.readouterr().err
    assert run('sample_sheet', str(tmp_path), str(tmp_path / 'masks')) == 1
    assert 'there are no masks in' in capsys.readouterr().err
    with pytest.raises(SystemExit):
        run('sample_sheet', str(tmp_path), str(tmp_path), '--out', 'a.gif')
    assert '--out must end in .png or .jpg, but got a.gif' in capsys.readouterr().err


def test_a_damaged_photo_is_named(
    image_tree: Path, tiny_model: Callable, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of many photos, the error says which one cannot be read."""
    tiny_model('u2netp')
    remove_tree(image_tree, tmp_path / 'masks', 'u2netp', device='cpu', progress=False)
    first = min(path for path in image_tree.rglob('*') if path.is_file())
    first.write_bytes(first.read_bytes()[:40])
    common = ('--model', 'u2netp', '--out', str(tmp_path / 'a.png'))
    for arguments in (
        ('augmentation_sheet', str(image_tree)),
        ('sample_sheet', str(image_tree), str(tmp_path / 'masks')),
    ):
        assert run(*arguments, *common) == 1
        assert f'error: {first}: ' in capsys.readouterr().err


def test_names_below_samples(
    tiny_model: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys
) -> None:
    """Folders keep their dots; a photo of another size than its mask is named."""
    tiny_model('u2netp')
    for name in ('v1.0/a.png', 'b.png'):
        (tmp_path / 'in' / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new('RGB', (32, 24), (90, 80, 70)).save(tmp_path / 'in' / name)
    remove_tree(tmp_path / 'in', tmp_path / 'masks', 'u2netp', device='cpu', progress=False)
    drawn: list[str] = []
    monkeypatch.setattr('matplotlib.figure.Figure.text', lambda *args, **_: drawn.append(args[3]))
    arguments = ('sample_sheet', str(tmp_path / 'in'), str(tmp_path / 'masks'),
                 '--model', 'u2netp', '--out', str(tmp_path / 's.png'))  # fmt: skip
    assert run(*arguments) == 0
    assert {'v1.0', 'b.png'} <= set(drawn)
    Image.new('RGB', (24, 32)).save(tmp_path / 'in' / 'b.png')
    assert run(*arguments) == 1
    assert 'b.png has changed since its mask was made' in capsys.readouterr().err


def test_photos_are_not_replaced(
    image_tree: Path, tiny_model: Callable, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Neither sheet goes over a photo or a mask, or among the photos."""
    tiny_model('u2netp')
    masks = tmp_path / 'masks'
    remove_tree(image_tree, masks, 'u2netp', device='cpu', progress=False)
    mask = next(masks.rglob('*.png'))
    photo = tmp_path / 'alone.png'
    Image.new('RGB', (9, 9), 'red').save(photo)
    inner = next(path for path in image_tree.rglob('*') if path.suffix in ('.jpg', '.png'))
    before = {path: path.read_bytes() for path in (mask, photo, inner)}
    tree, common = str(image_tree), ('--model', 'u2netp')
    for words, out, message in (
        (('augmentation_sheet', str(photo)), photo, 'would replace the photo'),
        (('augmentation_sheet', tree), inner, 'would lie in the photo folder'),
        (('augmentation_sheet', tree), image_tree / 'new.png', 'would lie in the photo folder'),
        (('sample_sheet', tree, str(masks)), inner, 'would lie in the photo folder'),
        (('sample_sheet', tree, str(masks)), mask, 'is a mask of a mask store'),
    ):
        assert run(*words, '--out', str(out), *common) == 1
        assert message in capsys.readouterr().err
    assert {path: path.read_bytes() for path in before} == before
    assert not (image_tree / 'new.png').exists()


@pytest.mark.slow
@pytest.mark.parametrize('variant', ['original', 'rembg'])
@pytest.mark.parametrize(
    'experiment', AUGMENTATIONS, ids=lambda e: e.model.removeprefix('resnet50_')
)
def test_augmented_configs_train(
    experiment, variant: str, clothing10_root: Path, tiny_model: Callable, tmp_path: Path
) -> None:
    """Two steps of a thin network on four photos; the loss is a number."""
    tiny_model('u2net')
    masks = tmp_path / 'masks'
    config = Config.fromfile(ROOT / 'configs' / experiment.config('clothing10', variant))
    config.work_dir = str(tmp_path / 'run')
    config.visualizer.name = config.work_dir
    config.model.backbone.update(depth=18, base_channels=8, stem_channels=8)
    config.model.head.in_channels = 64
    config.train_dataloader.update(num_workers=0, persistent_workers=False, batch_size=2)
    config.train_dataloader.dataset.pipeline[1].scale = 64
    leaf = config.train_dataloader.dataset
    if variant == 'rembg':
        leaf.update(mask_dir=str(masks), on_missing='compute')
        leaf = leaf.dataset
    leaf.update(data_root=str(clothing10_root), indices=[0, 3, 6, 9])
    for part in ('val', 'test'):
        for what in ('dataloader', 'evaluator', 'cfg'):
            config[f'{part}_{what}'] = None
    config.custom_hooks = []
    config.default_hooks = {'logger': {'type': 'LoggerHook', 'interval': 1}, 'checkpoint': None}
    config.train_cfg = {'type': 'IterBasedTrainLoop', 'max_iters': 2}
    config.param_scheduler = None
    runner = Runner.from_cfg(config)
    runner.train()
    losses, _ = runner.message_hub.get_scalar('train/loss').data
    assert np.isfinite(losses).all()
    assert len(losses) == 2
    assert all(torch.isfinite(each).all() for each in runner.model.parameters())
