"""Where masks come from: true reasons for those that cannot serve, and one precision for all."""

from __future__ import annotations

import pickle
import shutil
from collections.abc import Iterator
from dataclasses import replace
from itertools import chain, repeat
from pathlib import Path

import numpy as np
import pytest
from mmcv.transforms import LoadImageFromFile
from mmengine.dataset import pseudo_collate
from PIL import ExifTags, Image
from torch.utils.data import DataLoader, Dataset

from bgremoval_mm import RemoveBackground
from bgremoval_mm.datasets.transforms.mask_source import MaskSource, mask_problem
from bgremoval_mm.removal import BackgroundRemover, MaskStore, read_image
from bgremoval_mm.removal.errors import ArgumentError, BgremovalError


@pytest.fixture
def filled(image_tree: Path, tmp_path: Path):
    """A function that fills a store with masks of which it only says that they are of a precision.

    Returns the options of a RemoveBackground that reads them.
    """

    def fill(precision: str) -> dict:
        store = MaskStore(tmp_path / 'masks', 'u2netp', precision)
        for path in image_tree.rglob('*.*g'):
            name = path.relative_to(image_tree).as_posix()
            store.put(name, read_image(path), np.full((8, 8), 255, np.uint8), constant=False)
        return {
            'model': 'u2netp',
            'mask_dir': str(tmp_path / 'masks'),
            'img_root': str(image_tree),
            'device': 'cpu',
        }

    return fill


def contents(folder: str) -> dict[str, bytes]:
    """Every file below a folder."""
    return {str(path): path.read_bytes() for path in Path(folder).rglob('*') if path.is_file()}


def loaded(path: Path, **options: object) -> dict:
    """What mmcv's loader delivers for a file."""
    return LoadImageFromFile(**options)({'img_path': str(path)})


@pytest.mark.parametrize('on_missing', ['compute', 'error'])
@pytest.mark.parametrize(
    ('stored', 'asked'), [('bf16', 'fp32'), ('int8', 'fp32'), ('fp32', 'bf16')]
)
def test_another_precision(filled, image_tree, stored: str, asked: str, on_missing: str) -> None:
    """Masks of another precision are never overwritten; the line that takes them is told."""
    options = filled(stored)
    before = contents(options['mask_dir'])
    transform = RemoveBackground(precision=asked, on_missing=on_missing, **options)
    command = f'{image_tree} {options["mask_dir"]} --model u2netp'
    command += '' if asked == 'fp32' else f' --precision {asked}'
    expected = (
        rf'another precision \({stored}, not {asked}\) .*dress/1\.jpg.*'
        rf"write precision='{stored}' in the config; .*remove_background.py {command}$"
    )
    for kind in (ArgumentError, ValueError, FileNotFoundError):
        with pytest.raises(kind, match=expected):
            transform(loaded(image_tree / 'dress' / '1.jpg'))
    assert contents(options['mask_dir']) == before
    transform = RemoveBackground(precision=stored, on_missing=on_missing, **options)
    image = loaded(image_tree / 'dress' / '1.jpg')
    assert (transform(dict(image))['img'] == image['img']).all()


def test_every_reason_is_told(filled, image_tree: Path) -> None:
    """No mask, other weights, precision, settings or content: each is named."""
    options = filled('bf16')
    path = image_tree / 'dress' / '1.jpg'
    store = MaskStore(options['mask_dir'], 'u2netp', 'bf16')
    stored = store.get('dress/1.jpg')
    assert mask_problem(store, stored, path) is None
    assert mask_problem(store, None, path) == 'there is no mask'
    other = replace(stored, model_hash='0')
    assert mask_problem(store, other, path) == (
        'the mask was made by other weights than those of u2netp'
    )
    odd = replace(stored, params={**stored.params, 'size': 3})
    assert 'was made with other settings' in str(mask_problem(store, odd, path))
    fp32 = MaskStore(options['mask_dir'], 'u2netp')
    assert mask_problem(fp32, stored, path) == (
        'the mask was made in another precision (bf16, not fp32)'
    )
    Image.new('RGB', (8, 8)).save(path)
    assert mask_problem(store, stored, path) == (
        'the mask was made from other content than the file has now'
    )


def test_missing_mask_is_one_of_our_errors(image_tree: Path, tmp_path: Path, model) -> None:
    """A caller can tell it from a fault, and odd names are made printable."""
    path = image_tree / 'dress' / 'a\n1.jpg'
    (image_tree / 'dress' / '1.jpg').rename(path)
    source = MaskSource(model, str(tmp_path / 'my masks'), str(image_tree), 'error')
    with pytest.raises(BgremovalError, match=r"dress/a\\n1\.jpg.*'.*/my masks' --model u2netp"):
        source.find(str(path))


def test_calibration_stands_in_the_command(tmp_path: Path) -> None:
    """So that the command can be run as it is told."""
    source = MaskSource('u2netp', 'masks', 'photos', precision='int8', calibration='some photos')
    assert source.command() == (
        'python tools/remove_background.py photos masks --model u2netp --precision int8 '
        "--calibration 'some photos'"
    )


@pytest.mark.parametrize('on_missing', ['compute', 'error'])
def test_photos_from_elsewhere(
    filled, image_tree: Path, tmp_path: Path, model: str, on_missing: str
) -> None:
    """An inferencer's photo is refused with the way out, which then works."""
    new = tmp_path / 'new.jpg'
    shutil.copy(image_tree / 'dress' / '1.jpg', new)
    step = RemoveBackground(on_missing=on_missing, **filled('fp32'))
    expected = (
        r'new\.jpg does not lie in .*\. For photos from elsewhere, as an inferencer gets them, '
        r'leave `mask_dir` and `img_root` out: their masks are computed$'
    )
    with pytest.raises(ArgumentError, match=expected):
        step(loaded(new))
    assert RemoveBackground(model, device='cpu')(loaded(new))['img'].any()


class Photos(Dataset):
    """The photos of a tree, through a transform."""

    def __init__(self, root: Path, transform: RemoveBackground) -> None:
        self.paths = sorted(root.rglob('*.*g'))
        self.transform = transform

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> dict:
        return self.transform(loaded(self.paths[index]))


@pytest.fixture
def undecided(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """`auto` is bf16 at first and fp32 ever after; masks show what they were computed in."""
    answers = chain(['bf16'], repeat('fp32'))
    monkeypatch.setattr(
        'bgremoval_mm.removal.options.engine.choose_precision', lambda *_: next(answers)
    )
    levels = {'bf16': 200, 'fp32': 100}

    def compute(self: BackgroundRemover, images: list) -> list:
        return [(np.full((8, 8), levels[self.precision], np.uint8), False) for _ in images]

    monkeypatch.setattr(BackgroundRemover, 'low_resolution', compute)


@pytest.mark.parametrize('workers', [0, 2])
def test_auto_is_decided_once(undecided, image_tree, tmp_path, workers: int) -> None:
    """The process that builds the transform decides for its copies and for forked workers."""
    transform = RemoveBackground(
        'u2netp', mask_dir=str(tmp_path / 'm'), img_root=str(image_tree), precision='auto'
    )
    assert "precision='auto'" in repr(transform)
    for each in (transform, pickle.loads(pickle.dumps(transform))):
        assert each.masks.precision == 'bf16'
    loader = DataLoader(
        Photos(image_tree, transform),
        num_workers=workers,
        collate_fn=pseudo_collate,
        multiprocessing_context='fork' if workers else None,
    )
    assert len(list(loader)) == 6
    store = MaskStore(tmp_path / 'm', 'u2netp', 'bf16')
    for path in image_tree.rglob('*.*g'):
        stored = store.get(path.relative_to(image_tree).as_posix())
        assert mask_problem(store, stored, path) is None
        assert (stored.mask == 200).all()


@pytest.mark.parametrize(
    'options',
    [
        {'color_type': 'color_ignore_orientation'},
        {'imdecode_backend': 'pillow', 'color_type': 'color_ignore_orientation'},
        {'color_type': 'unchanged'},
    ],
)
@pytest.mark.parametrize('orientation', [3, 6])
def test_loaders_that_do_not_turn(filled, image_tree, options: dict, orientation: int) -> None:
    """The error says what came, which loaders turn images and which do not."""
    path = image_tree / 'dress' / '1.jpg'
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    pixels = np.asarray(Image.open(path)).copy()
    pixels[:5, :9] = 255
    Image.fromarray(pixels).save(path, exif=exif, quality=98)
    transform = RemoveBackground(**filled('fp32'))
    for turning in ({}, {'imdecode_backend': 'pillow'}):
        assert transform(loaded(path, **turning))['img'].any()
    transform = RemoveBackground(**filled('fp32'))
    size = '21 x 14' if orientation == 3 else '14 x 21'
    expected = (
        rf'upright image \({size} pixels\), but `img` came as .* \(21 x 14\): .*apply its EXIF '
        rf"orientation \({orientation}\)\. .*imdecode_backend='cv2', or 'pillow' .*\.jpg files"
    )
    with pytest.raises(ArgumentError, match=expected):
        transform(loaded(path, **options))


@pytest.mark.parametrize('orientation', [3, 6])
def test_turned_photo_that_is_no_file(filled, image_tree, orientation: int) -> None:
    """Out of an archive or from a server, whose photos cannot be looked at: the size must do."""
    path = image_tree / 'dress' / '1.jpg'
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    Image.open(path).copy().save(path, exif=exif)
    options = filled('fp32')
    results = loaded(path)
    expected = RemoveBackground(**options)(dict(results))['img']
    path.unlink()
    np.testing.assert_array_equal(RemoveBackground(**options)(results)['img'], expected)


def test_mask_that_an_earlier_version_turned(filled, image_tree, tmp_path) -> None:
    """An orientation that the file's EXIF block does not have is not blamed on the loader."""
    options = filled('fp32')
    path = image_tree / 'dress' / '1.jpg'
    source = read_image(path)
    turned = replace(source, size=source.size[::-1], orientation=6)
    mask = np.full((8, 8), 255, np.uint8)
    MaskStore(options['mask_dir'], 'u2netp').put('dress/1.jpg', turned, mask, constant=False)
    with pytest.raises(ArgumentError, match=r'orientation 6, which its EXIF .* --overwrite$'):
        RemoveBackground(**options)(loaded(path))


def test_loader_that_turns_by_more_than_exif(filled, image_tree) -> None:
    """Where the loader turned what the mask did not, XMP is named as the likely cause."""
    transform = RemoveBackground(**filled('fp32'))
    results = loaded(image_tree / 'dress' / '1.jpg')
    results['img'] = np.rot90(results['img']).copy()
    with pytest.raises(ArgumentError, match=r'`img` has 14 x 21: .* EXIF orientation only .*XMP'):
        transform(results)
