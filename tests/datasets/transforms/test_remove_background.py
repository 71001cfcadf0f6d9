"""RemoveBackground: the right pixels, in every scope, or an error that helps."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from mmcv.transforms import LoadImageFromFile
from mmengine.registry import TRANSFORMS, DefaultScope
from PIL import ExifTags, Image

from bgremoval_mm import RemoveBackground
from bgremoval_mm.datasets.transforms.remove_background import IMAGENET_MEAN
from bgremoval_mm.removal import BackgroundRemover, MaskStore, binarise, compose


def loaded(path: Path, **options: object) -> dict:
    """What mmcv's loader delivers for a file."""
    return LoadImageFromFile(**options)({'img_path': str(path)})


@pytest.fixture
def photo(image_tree: Path) -> Path:
    """One of the small images."""
    return image_tree / 'dress' / '1.jpg'


def reference(image: np.ndarray, fill=0, threshold=None) -> np.ndarray:
    """The definition: the engine's mask of the RGB image, composed on a BGR colour."""
    rgb = np.ascontiguousarray(image[..., ::-1]).astype(np.uint8)
    (mask,) = BackgroundRemover('u2netp', device='cpu')([rgb])
    if threshold is not None:
        mask = binarise(mask, threshold)
    return compose(image, mask, fill if np.ndim(fill) == 0 else tuple(fill)[::-1])


@pytest.mark.parametrize('to_float32', [False, True])
@pytest.mark.parametrize('options', [{}, {'fill': 255}, {'fill': (250, 20, 3)}, {'threshold': 0.4}])
def test_computed(model, photo: Path, to_float32: bool, options: dict) -> None:
    """Without a store the network runs; dtype and shape stay; the colour is RGB."""
    results = loaded(photo, to_float32=to_float32)
    before = results['img'].copy()
    source = results['img']
    out = RemoveBackground(model, device='cpu', **options)(results)
    np.testing.assert_array_equal(out['img'], reference(before, **options))
    assert out['img'].dtype == before.dtype
    assert out['img_shape'] == before.shape[:2]
    np.testing.assert_array_equal(source, before)


def test_fill_mean_is_the_preprocessors_mean(model, photo: Path) -> None:
    """'mean' becomes 0 after the usual normalisation, in BGR like the image."""
    results = loaded(photo, to_float32=True)
    expected = reference(results['img'], IMAGENET_MEAN)
    out = RemoveBackground(model, fill='mean', device='cpu')(results)
    np.testing.assert_allclose(out['img'], expected)
    assert np.ptp(out['img'][0, 0] - np.array(IMAGENET_MEAN[::-1])) < 40


def test_from_store_equals_computed(model, masked, photo: Path, image_tree: Path) -> None:
    """A PNG's stored mask gives the same pixels as running the network on it."""
    path = next(image_tree.rglob('*.png'))
    transform = RemoveBackground(
        model,
        mask_dir=masked(image_tree),
        img_root=str(image_tree),
        on_missing='error',
        device='cpu',
    )
    out = transform(loaded(path))['img']
    np.testing.assert_array_equal(out, reference(loaded(path)['img']))
    again = transform(loaded(path))['img']
    np.testing.assert_array_equal(out, again)


def test_missing_mask_is_made_and_stored(model, photo: Path, image_tree, tmp_path) -> None:
    """on_missing='compute' fills the store, once, with what the tool would have put there."""
    transform = RemoveBackground(
        model, mask_dir=str(tmp_path / 'new'), img_root=str(image_tree), device='cpu'
    )
    first = transform(loaded(photo))['img']
    store = MaskStore(tmp_path / 'new', model)
    assert list(store.manifest.read()) == ['dress/1.jpg']
    assert store.is_current(store.get('dress/1.jpg'), photo)
    np.testing.assert_array_equal(transform(loaded(photo))['img'], first)
    assert len(store.manifest.path.read_text().splitlines()) == 1


def test_stale_mask_is_made_again(model, masked, photo: Path, image_tree, picture) -> None:
    """A file that changed after its mask was made gets a new one."""
    mask_dir = masked(image_tree)
    transform = RemoveBackground(model, mask_dir=mask_dir, img_root=str(image_tree), device='cpu')
    old = MaskStore(mask_dir, model).get('dress/1.jpg')
    Image.fromarray(picture(33, 20, 5)[::-1]).save(photo)
    transform(loaded(photo))
    new = MaskStore(mask_dir, model).get('dress/1.jpg')
    assert (new.size, old.size) == ((33, 20), (21, 14))


@pytest.mark.parametrize('kind', ['missing', 'stale'])
def test_error_gives_the_command(model, masked, photo: Path, image_tree, tmp_path, kind) -> None:
    """on_missing='error' says what is wrong and the command that fixes it."""
    mask_dir = masked(image_tree) if kind == 'stale' else str(tmp_path / 'none')
    if kind == 'stale':
        Image.new('RGB', (8, 8)).save(photo)
    transform = RemoveBackground(
        model, mask_dir=mask_dir, img_root=str(image_tree), on_missing='error'
    )
    what = 'there is no mask' if kind == 'missing' else 'from other content'
    command = f'tools/remove_background.py {image_tree} {mask_dir} --model u2netp'
    with pytest.raises(FileNotFoundError, match=f'{what}.*{command}'):
        transform(loaded(photo))


def test_image_that_only_the_loader_reads(model, photo: Path, image_tree, tmp_path) -> None:
    """OpenCV loads a PAM file, the store does not take it: the loaded pixels serve."""
    photo.write_bytes(cv2.imencode('.pam', cv2.imread(str(photo)))[1].tobytes())
    transform = RemoveBackground(
        model, mask_dir=str(tmp_path / 'new'), img_root=str(image_tree), device='cpu'
    )
    results = loaded(photo)
    expected = reference(results['img'])
    np.testing.assert_array_equal(transform(results)['img'], expected)
    assert not (tmp_path / 'new').exists()


@pytest.mark.parametrize('orientation', range(1, 9))
@pytest.mark.parametrize('square', [False, True])
def test_exif_orientation(model, masked, tmp_path: Path, picture, orientation, square) -> None:
    """Mask and image agree where the loader turns the image; where it does not, it is an error."""
    root = tmp_path / 'exif'
    root.mkdir()
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    # A dark corner tells the eight orientations apart, for square images too.
    pixels = picture(24, 24 if square else 16)
    pixels[:6, :14] = 255
    Image.fromarray(pixels).save(root / 'a.jpg', exif=exif, quality=98)
    transform = RemoveBackground(
        model, mask_dir=masked(root), img_root=str(root), on_missing='error', device='cpu'
    )
    fresh = transform
    transform = pickle.loads(pickle.dumps(fresh))
    results = loaded(root / 'a.jpg')
    gap = transform(dict(results))['img'].astype(int) - reference(results['img'])
    assert np.abs(gap).mean() < 3  # The two JPEG decoders differ by a level or two.
    ignoring = loaded(root / 'a.jpg', color_type='color_ignore_orientation')
    transform = pickle.loads(pickle.dumps(fresh))
    if orientation == 1:
        transform(ignoring)
        return
    with pytest.raises(ValueError, match=rf'did not apply its EXIF orientation \({orientation}\)'):
        transform(ignoring)


def test_mask_must_fit(model, masked, photo: Path, image_tree) -> None:
    """A resize before the removal is found out."""
    transform = RemoveBackground(
        model, mask_dir=masked(image_tree), img_root=str(image_tree), device='cpu'
    )
    results = loaded(photo)
    results['img'] = results['img'][:-2]
    with pytest.raises(ValueError, match=r'21 x 14 pixels, but `img` has 21 x 12.*directly after'):
        transform(results)


def test_prob_removes_that_share(model, photo: Path) -> None:
    """With prob=0.3, and numpy's seeded generator, about 30 of 100 lose their background."""
    transform = RemoveBackground(model, prob=0.3, device='cpu')
    results = loaded(photo)

    def draw() -> list[bool]:
        np.random.seed(0)  # noqa: NPY002
        return [transform(dict(results))['img'] is not results['img'] for _ in range(100)]

    removed = draw()
    assert 20 <= sum(removed) <= 40
    assert draw() == removed


@pytest.mark.parametrize('scope', [None, 'mmengine', 'mmpretrain', 'mmdet', 'mmseg'])
@pytest.mark.parametrize('name', ['RemoveBackground', 'bgremoval_mm.RemoveBackground'])
def test_found_under_every_scope(scope: str | None, name: str) -> None:
    """The short name and the dotted one work whatever the default scope is."""
    if scope not in (None, 'mmengine'):
        pytest.importorskip(scope)
    config = {'type': name, 'model': 'u2netp', 'fill': (1, 2, 3)}
    if scope is None:
        assert isinstance(TRANSFORMS.build(config), RemoveBackground)
        return
    with DefaultScope.overwrite_default_scope(scope):
        assert isinstance(TRANSFORMS.build(config), RemoveBackground)


def test_repr_can_be_pasted_back() -> None:
    """The printed pipeline shows every argument."""
    transform = RemoveBackground('u2netp', fill=(1, 2, 3), threshold=0.5, prob=0.25)
    assert repr(eval(repr(transform))) == repr(transform)


def test_pickles(model, photo: Path) -> None:
    """A transform that was used goes into spawned workers."""
    transform = RemoveBackground(model, device='cpu')
    expected = transform(loaded(photo))['img']
    copy = pickle.loads(pickle.dumps(transform))
    np.testing.assert_array_equal(copy(loaded(photo))['img'], expected)


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        ({'model': 'u3'}, '`model` must be one of u2net, u2netp'),
        ({'fill': 'blue'}, "`fill` must be a level, an .R, G, B. triple or 'mean', but got 'blue'"),
        ({'fill': 256}, '`fill` must be a level from 0 to 255'),
        ({'threshold': 127}, r'`threshold` must be None or a share between 0 and 1, but got 127'),
        ({'prob': 1.5}, r'`prob` must be a number in \[0, 1\], but got 1.5'),
        ({'on_missing': 'skip'}, "`on_missing` must be one of compute, error, but got 'skip'"),
        ({'mask_dir': 'masks'}, '`img_root` must be given with `mask_dir`'),
        ({'backend': 'x'}, '`backend` must be one of auto'),
    ],
)
def test_wrong_arguments_are_named(arguments: dict, message: str) -> None:
    """Each error names the argument, what is allowed and what came, when it is built."""
    with pytest.raises(ValueError, match=message):
        RemoveBackground(**arguments)


@pytest.mark.parametrize(
    'image',
    [np.zeros((4, 4), np.uint8), np.zeros((4, 4, 4), np.uint8), np.zeros((4, 4, 3)), None],
    ids=['grey', 'four channels', 'float64', 'none'],
)
def test_wrong_images_are_described(image) -> None:
    """What the loader delivered stands in the error."""
    with pytest.raises(
        TypeError, match=r"needs results\['img'\] to be a uint8 or float32.*but got"
    ):
        RemoveBackground('u2netp')({'img': image})


def test_before_the_image_loader() -> None:
    """A transform at the wrong place is told where it belongs."""
    with pytest.raises(TypeError, match='but got none: it must stand behind the image loader'):
        RemoveBackground('u2netp')({'img_path': 'a.jpg'})


def test_path_outside_img_root(model, photo: Path, tmp_path: Path) -> None:
    """An image that the store cannot mirror is named, with the root that was given."""
    (tmp_path / 'elsewhere').mkdir()
    transform = RemoveBackground(model, mask_dir='masks', img_root=str(tmp_path / 'elsewhere'))
    with pytest.raises(ValueError, match=r'`img_root`.*dress/1\.jpg does not lie in'):
        transform(loaded(photo))


def test_no_path_with_a_store(model, tmp_path: Path, picture) -> None:
    """Arrays without a file, as inferencers load them, are computed, or refused."""
    store = {'mask_dir': str(tmp_path / 'm'), 'img_root': str(tmp_path), 'device': 'cpu'}
    image = picture()
    for results in ({'img': image}, {'img': image, 'img_path': None}):
        out = RemoveBackground(model, **store)(dict(results))['img']
        np.testing.assert_array_equal(out, reference(image))
        with pytest.raises(KeyError, match="take on_missing='compute'"):
            RemoveBackground(model, on_missing='error', **store)(dict(results))
    assert not (tmp_path / 'm').exists()


def test_linked_data_root(model, masked, image_tree: Path, tmp_path: Path) -> None:
    """`data/x` may be a link, in the config and on the command line."""
    (tmp_path / 'link').symlink_to(image_tree)
    transform = RemoveBackground(
        model,
        mask_dir=masked(image_tree),
        img_root=str(tmp_path / 'link'),
        on_missing='error',
    )
    relative = os.path.relpath(tmp_path / 'link' / 'dress' / '1.jpg')
    assert transform(loaded(Path(relative)))['img'].any()


def test_import_is_light(repository: Path) -> None:
    """Importing the package loads no runtime, no rembg and no codebase."""
    code = (
        'import sys, bgremoval_mm; '
        'heavy = {"onnxruntime", "onnx", "rembg", "mmpretrain", "mmdet", "mmseg", "pooch"}; '
        'print(sorted(heavy & set(sys.modules)))'
    )
    done = subprocess.run(
        [sys.executable, '-c', code], capture_output=True, text=True, check=True, cwd=repository
    )
    assert done.stdout.strip() == '[]'


def test_several_images_share_the_draw(model, photo: Path) -> None:
    """As mmcv's TransformBroadcaster has it: both lose their background, or neither does."""
    config = {
        'type': 'TransformBroadcaster',
        'mapping': {'img': ['first', 'second']},
        'auto_remap': True,
        'share_random_params': True,
        'transforms': [
            {'type': 'RemoveBackground', 'model': model, 'prob': 0.5, 'device': 'cpu'},
        ],
    }
    broadcaster = TRANSFORMS.build(config)
    image = loaded(photo)['img']
    removed = []
    for seed in range(20):
        np.random.seed(seed)  # noqa: NPY002
        results = broadcaster({'first': image, 'second': image})
        changed = [results[name] is not image for name in ('first', 'second')]
        assert changed[0] == changed[1]
        removed.append(changed[0])
        np.random.seed(seed)  # noqa: NPY002
        assert removed[-1] == (np.random.random_sample() < 0.5)  # noqa: NPY002
    assert 4 < sum(removed) < 16
