"""tools/browse_dataset.py on a pair of configs."""

from __future__ import annotations

import runpy
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from mmengine.registry import DefaultScope
from PIL import Image

from bgremoval_mm.removal import MaskStore, read_image

CONFIG = """
default_scope = 'mmpretrain'
model = dict(type='ImageClassifier')
data_preprocessor = dict(mean=[128.] * 3, std=[64.] * 3, to_rgb=True, num_classes=2)
pipeline = [
    dict(type='LoadImageFromFile'), dict(type='RandomFlip', prob=0.5), dict(type='PackInputs')]
dataset = dict(
    type='CustomDataset', data_root='photos', data_prefix='train', pipeline=pipeline)
train_dataloader = dict(batch_size=4, num_workers=0, dataset=dataset)
"""
REMBG = """
_base_ = ['toy.py']
train_dataloader = dict(dataset=dict(
    _delete_=True, type='RembgDataset', dataset=_base_.dataset, model='u2netp', mask_dir='masks',
    on_missing='error'))
"""
RED, GREEN = (250, 60, 60), (60, 250, 60)

Tool = Callable[..., int]


@pytest.fixture
def browse(repository: Path, monkeypatch: pytest.MonkeyPatch) -> Tool:
    """`main` of the tool."""
    pytest.importorskip('mmpretrain')
    monkeypatch.setattr(DefaultScope, '_instance_dict', DefaultScope._instance_dict.copy())
    main = runpy.run_path(str(repository / 'tools/browse_dataset.py'))['main']
    return lambda *arguments: main(list(arguments))


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A pair of configs, four red and four green photos, and masks that keep the middle."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / 'toy.py').write_text(CONFIG)
    (tmp_path / 'toy-rembg.py').write_text(REMBG)
    store = MaskStore('masks', 'u2netp')
    mask = np.zeros((32, 32), np.uint8)
    mask[8:24, 8:24] = 255
    for name, colour in (('green', GREEN), ('red', RED)):
        folder = tmp_path / 'photos' / 'train' / name
        folder.mkdir(parents=True)
        for index in range(4):
            path = folder / f'{index}.png'
            Image.new('RGB', (32, 32), colour).save(path)
            store.put(f'train/{name}/{index}.png', read_image(path), mask, constant=False)
    return tmp_path


def shares(path: str | Path) -> tuple[float, float]:
    """Red and green pixels of a sheet, in pictures of 1.7 inches at 150 dpi."""
    with Image.open(path) as image:
        pixels = np.asarray(image.convert('RGB'))
    return tuple(
        float((pixels == colour).all(axis=2).sum()) / (1.7 * 150) ** 2 for colour in (RED, GREEN)
    )


def test_both_arms_side_by_side(
    browse: Tool, project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of each class four whole pictures and four quarters, whichever config is given."""
    assert browse('toy.py', '--out', 'new/first.png') == 0
    assert 'Look at new/first.png' in capsys.readouterr().out
    # The frames take a line of each picture.
    assert shares('new/first.png') == (pytest.approx(5, rel=0.04), pytest.approx(5, rel=0.04))
    assert browse('toy-rembg.py', '--out', 'second.png') == 0
    first, second = (np.asarray(Image.open(path)) for path in ('new/first.png', 'second.png'))
    title = 130  # names the config; it ends at 0.85 inches
    np.testing.assert_array_equal(first[title:], second[title:])


def test_config_without_a_pair_is_shown_alone(
    browse: Tool, project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The first four samples of one config: whole pictures of the first class."""
    (project / 'toy-rembg.py').unlink()
    assert browse('toy.py', '--start=0', '--number=4') == 0
    assert 'no other config of a pair beside it; it is shown alone' in capsys.readouterr().out
    assert shares('dataset.png') == (0, pytest.approx(4, rel=0.04))


def test_options_reach_both_arms(browse: Tool, project: Path) -> None:
    """Another root of photos for both, another store for the removal, given with the original."""
    (project / 'photos').rename(project / 'moved')
    (project / 'masks').rename(project / 'store')
    options = ['train_dataloader.dataset.data_root=moved']
    options += ['train_dataloader.dataset.mask_dir=store']
    assert browse('toy.py', '--cfg-options', *options) == 0
    assert shares('dataset.png') == (pytest.approx(5, rel=0.04), pytest.approx(5, rel=0.04))


def remove_masks(project: Path) -> None:
    """No masks."""
    (project / 'masks').rename(project / 'elsewhere')


def remove_photos(project: Path) -> None:
    """No data root."""
    (project / 'photos').rename(project / 'elsewhere')


def damage_photo(project: Path) -> None:
    """A file that is no photo."""
    (project / 'photos' / 'train' / 'red' / '0.png').write_bytes(b'no photo')


def add_photo(project: Path) -> None:
    """A photo more in one of the arms."""
    text = REMBG.replace('_base_.dataset', "{**_base_.dataset, 'data_prefix': 'train/red'}")
    (project / 'toy-rembg.py').write_text(text.replace("'train/red'", "'', 'with_label': False"))
    Image.new('RGB', (9, 9)).save(project / 'photos' / 'more.png')


@pytest.mark.parametrize(
    ('change', 'arguments', 'message'),
    [
        (remove_masks, [], 'Make it: python tools/remove_background.py photos masks --model u2net'),
        (remove_photos, [], 'photos/train'),
        (damage_photo, ['--number=8'], 'red/0.png'),
        (add_photo, [], 'the same photos, but have different numbers: original: 8, background'),
        (None, ['--subset=val'], 'the config has no val_dataloader; it has train'),
        (None, ['--start=8'], '`start` must be from 0 to 7, but got 8'),
        (None, ['--cfg-options', 'train_dataloader.dataset.colour=1'], 'cannot be built'),
        (None, ['--cfg-options', 'pipeline.7.type=X'], '--cfg-options do not fit the config'),
    ],
)
def test_errors_are_one_line(
    change: Callable[[Path], None] | None,
    arguments: list[str],
    message: str,
    browse: Tool,
    project: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """What is wrong is said in one line, with exit status 1, and nothing is drawn."""
    if change is not None:
        change(project)
    assert browse('toy.py', *arguments) == 1
    error = capsys.readouterr().err
    assert message in error
    lines = error.strip().splitlines()
    assert lines[-1].startswith('error: ')
    assert 'Traceback' not in error
    assert not (project / 'dataset.png').exists()


def test_wrong_config_and_arguments(
    browse: Tool, project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A missing config is named; a sheet that is no PNG and a negative seed are refused."""
    assert browse('none.py') == 1
    assert capsys.readouterr().err == 'error: config: there is no file none.py\n'
    for argument in ('--out=sheet.jpg', '--seed=-1'):
        with pytest.raises(SystemExit):
            browse('toy.py', argument)
        assert argument.split('=')[0] in capsys.readouterr().err


@pytest.mark.real
@pytest.mark.slow
def test_real_config_and_photos(
    browse: Tool,
    repository: Path,
    u2netp: str,
    photos: list[Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """VGG-11 on Clothing10, two photos, masks made on the spot."""
    monkeypatch.chdir(repository)
    dataset = 'train_dataloader.dataset'
    out = tmp_path / 'sheet.png'
    options = ['on_missing=compute', f'mask_dir={tmp_path}', f'model={u2netp}']
    config = 'configs/classification/vgg/vgg11_1xb32_clothing10.py'
    options = [f'{dataset}.{option}' for option in options]
    assert browse(config, '--number=2', f'--out={out}', '--cfg-options', *options) == 0
    with Image.open(out) as image:
        assert image.width > 1000
    assert len(list(tmp_path.glob('u2netp/train/*/*.png'))) == 2


def test_photos_are_not_replaced(
    browse: Tool, project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A sheet goes neither over a photo nor among photos, nor by default over another picture."""
    photo = Path('photos/train/red/3.png')
    before = photo.read_bytes()
    for out in (photo, photo.with_name('sheet.png')):
        assert browse('toy.py', '--number', '1', '--out', str(out)) == 1
        assert 'would lie in the photo folder' in capsys.readouterr().err
    assert photo.read_bytes() == before
    assert not photo.with_name('sheet.png').exists()
    Path('dataset.png').write_bytes(before)
    assert browse('toy.py', '--number', '1') == 1
    assert 'dataset.png is not a sheet of ours' in capsys.readouterr().err
    assert browse('toy.py', '--number', '1', '--out', 'dataset.png') == 0
    assert browse('toy.py', '--number', '1') == 0
