"""LoadForegroundMask: the mask in the sample keeps up with the image, in each codebase."""

from __future__ import annotations

import pickle
import random
from pathlib import Path

import numpy as np
import pytest
from mmcv.transforms import BaseTransform, LoadImageFromFile
from mmengine.dataset import Compose
from mmengine.registry import TRANSFORMS, DefaultScope
from PIL import Image

from bgremoval_mm import LoadForegroundMask, RemoveBackground
from bgremoval_mm.datasets.pipeline import RembgPipeline
from bgremoval_mm.removal import MaskStore, compose, read_image
from bgremoval_mm.removal.errors import ArgumentError

HEIGHT, WIDTH = 32, 48
FLIP = {'type': 'RandomFlip', 'prob': 0.5, 'direction': 'horizontal'}


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    """A photo whose red channel is its mask, so that one shows where the other should be."""
    values = np.random.default_rng(0).integers(0, 256, (HEIGHT // 4, WIDTH // 4), np.uint8)
    mask = np.kron(values, np.ones((4, 4), np.uint8))
    path = tmp_path / 'photos' / 'a.png'
    path.parent.mkdir()
    Image.fromarray(np.dstack([mask, mask // 2, 255 - mask])).save(path)
    store = MaskStore(tmp_path / 'masks', 'u2netp')
    store.put('a.png', read_image(path), mask, constant=False)
    return path


def options(photo: Path) -> dict:
    """What finds the mask of the photo."""
    root = photo.parent
    return {
        'model': 'u2netp',
        'mask_dir': str(root.parent / 'masks'),
        'img_root': str(root),
        'on_missing': 'error',
    }


def loaded(photo: Path, **more: object) -> dict:
    """What mmcv's loader delivers."""
    return LoadImageFromFile()({'img_path': str(photo), **more})


def test_mask_has_the_size_of_the_image(photo: Path) -> None:
    """It is the stored one, in levels from 0 to 255, and the image stays as it is."""
    results = LoadForegroundMask(**options(photo))(loaded(photo))
    assert results['fg_mask'].dtype == np.uint8
    np.testing.assert_array_equal(results['fg_mask'], results['img'][..., 2])
    np.testing.assert_array_equal(results['img'], loaded(photo)['img'])


def test_mask_is_computed_without_a_store(model, image_tree: Path) -> None:
    """As RemoveBackground computes it."""
    results = loaded(image_tree / 'dress' / '1.jpg')
    image = results['img']
    mask = LoadForegroundMask(model, device='cpu')(results)['fg_mask']
    out = RemoveBackground(model, device='cpu')({'img': image})['img']
    np.testing.assert_array_equal(out, compose(image, mask, 0))


GEOMETRY = {
    'mmcv': [
        {'type': 'mmcv.Resize', 'scale': (60, 44)},
        {'type': 'mmcv.CenterCrop', 'crop_size': (30, 20)},
        {'type': 'mmcv.Pad', 'size': (40, 40), 'pad_val': 0},
        {**FLIP, 'type': 'mmcv.RandomFlip'},
    ],
    'mmpretrain': [
        {'type': 'RandomResizedCrop', 'scale': 24, 'backend': 'pillow', 'interpolation': 'bicubic'},
        {'type': 'RandomCrop', 'crop_size': 20, 'padding': 2},
        FLIP,
    ],
    'mmdet': [
        {'type': 'Resize', 'scale': (60, 44), 'keep_ratio': True},
        FLIP,
        {'type': 'RandomCrop', 'crop_size': (20, 30)},
        {'type': 'Pad', 'size_divisor': 16},
    ],
    'mmseg': [
        {'type': 'Resize', 'scale': (60, 44)},
        {'type': 'RandomCrop', 'crop_size': (20, 30)},
        {'type': 'RandomRotate', 'prob': 0.5, 'degree': 20},
        FLIP,
    ],
}


@pytest.mark.parametrize('codebase', GEOMETRY)
def test_transforms_move_image_and_mask_alike(codebase: str, photo: Path) -> None:
    """After resizing, cropping and flipping at random the mask still is the red channel."""
    pytest.importorskip(codebase)
    with DefaultScope.overwrite_default_scope(codebase if codebase != 'mmcv' else 'mmengine'):
        step = LoadForegroundMask(**options(photo), transforms=GEOMETRY[codebase])
    seen = set()
    for seed in range(12):
        np.random.seed(seed)  # noqa: NPY002
        results = step(loaded(photo))
        np.testing.assert_array_equal(results['fg_mask'], results['img'][..., 2])
        assert results['img_shape'][:2] == results['img'].shape[:2] != (HEIGHT, WIDTH)
        seen.add(results['img'].tobytes())
    assert len(seen) > (1 if codebase == 'mmcv' else 4)


def test_random_numbers_are_those_without_a_mask(photo: Path) -> None:
    """The image gets the crop and the flip that it would get from the same seed alone."""
    pytest.importorskip('mmpretrain')
    with DefaultScope.overwrite_default_scope('mmpretrain'):
        step = LoadForegroundMask(**options(photo), transforms=GEOMETRY['mmpretrain'])
        alone = Compose(GEOMETRY['mmpretrain'])
    for seed in range(4):
        np.random.seed(seed)  # noqa: NPY002
        expected = alone(loaded(photo))['img']
        np.random.seed(seed)  # noqa: NPY002
        np.testing.assert_array_equal(step(loaded(photo))['img'], expected)


def test_boxes_are_moved_once(photo: Path) -> None:
    """mmdet's annotations follow the image, and not the mask a second time."""
    pytest.importorskip('mmdet')
    from mmdet.structures.bbox import HorizontalBoxes

    with DefaultScope.overwrite_default_scope('mmdet'):
        step = LoadForegroundMask(**options(photo), transforms=[{**FLIP, 'prob': 1.0}])
    boxes = HorizontalBoxes(np.array([[2, 3, 10, 20]], np.float32))
    results = step(loaded(photo, gt_bboxes=boxes))
    assert results['gt_bboxes'].tensor.tolist() == [[WIDTH - 10, 3, WIDTH - 2, 20]]


def test_transforms_of_mmseg_need_not_be_given(photo: Path) -> None:
    """They go through `seg_fields`, in which the mask stands; the dataset's own list stays."""
    pytest.importorskip('mmseg')
    with DefaultScope.overwrite_default_scope('mmseg'):
        pipeline = Compose(
            [
                {'type': 'LoadForegroundMask', **options(photo)},
                {'type': 'RandomCrop', 'crop_size': (20, 30)},
                FLIP,
                {'type': 'Resize', 'scale': (60, 40)},
            ]
        )
    for seed in range(6):
        np.random.seed(seed)  # noqa: NPY002
        fields: list[str] = []
        results = pipeline(loaded(photo, seg_fields=fields))
        assert (fields, results['seg_fields']) == ([], ['fg_mask'])
        # A map takes the nearest pixel, the image does not: they differ where two blocks meet.
        gap = np.abs(results['fg_mask'].astype(int) - results['img'][..., 2])
        assert gap.shape == (40, 60)
        assert np.median(gap) <= 2


def test_removal_takes_the_mask_of_the_sample(photo: Path) -> None:
    """So it can stand behind the geometry; what was changed without the mask is an error."""
    with DefaultScope.overwrite_default_scope('mmengine'):
        load = LoadForegroundMask(**options(photo), transforms=GEOMETRY['mmcv'])
        crop = TRANSFORMS.build({'type': 'mmcv.CenterCrop', 'crop_size': 8})
    removal = RemoveBackground(**options(photo), fill=(0, 255, 0))
    results = load(loaded(photo))
    expected = compose(results['img'], results['fg_mask'], (0, 255, 0))
    np.testing.assert_array_equal(removal(dict(results))['img'], expected)
    with pytest.raises(ArgumentError, match='must have the size of the image, 8 x 8 pixels'):
        removal(crop(results))


def flip(scope: str, prob: float) -> dict:
    """A horizontal flip of a codebase."""
    return {'type': f'{scope}.RandomFlip', 'prob': prob, 'direction': 'horizontal'}


REMOVAL_STEPS = ['LoadForegroundMask', 'RemoveBackground', 'ReplaceBackground', 'ChangeBackground']


@pytest.mark.parametrize('prob', [0.0, 1.0])
@pytest.mark.parametrize('scope', ['mmcv', 'mmdet', 'mmseg'])
@pytest.mark.parametrize('name', REMOVAL_STEPS)
def test_stored_mask_behind_a_flip(name: str, scope: str, prob: float, photo: Path) -> None:
    """It would be that of the unmirrored image: an error at the first sample, flipped or not."""
    pytest.importorskip(scope)
    more = {
        'ReplaceBackground': {'bank': str(photo.parent)},
        'ChangeBackground': {'condition': 'blurred'},
    }.get(name, {})
    with DefaultScope.overwrite_default_scope('mmengine'):
        pipeline = Compose([flip(scope, prob), {'type': name, **options(photo), **more}])
    with pytest.raises(ArgumentError, match=r'a\.png .* directly after the image loader$'):
        pipeline(loaded(photo))


@pytest.mark.parametrize('prob', [0.0, 1.0])
@pytest.mark.parametrize('scope', ['mmcv', 'mmdet'])
@pytest.mark.parametrize('stored', [True, False])
def test_flip_between_mask_and_removal(
    scope: str, prob: float, stored: bool, photo: Path, request: pytest.FixtureRequest
) -> None:
    """The mask stays behind, wherever it came from; inside `transforms` it is carried along."""
    pytest.importorskip(scope)
    source = options(photo) if stored else {'model': request.getfixturevalue('model')}
    load = {'type': 'LoadForegroundMask', **source}
    removal = {'type': 'RemoveBackground', **source}
    with DefaultScope.overwrite_default_scope('mmengine'):
        apart = Compose([load, flip(scope, prob), removal])
        inside = Compose([{**load, 'transforms': [flip(scope, prob)]}, removal])
        behind = Compose([load, removal, flip(scope, prob)])
        twice = Compose([{**load, 'transforms': [flip(scope, 1.0)]}, flip(scope, 0.0), removal])
    for wrong in (apart, twice):
        with pytest.raises(ArgumentError, match=r'one of its `transforms`, .* the image loader$'):
            wrong(loaded(photo))
    np.testing.assert_array_equal(inside(loaded(photo))['img'], behind(loaded(photo))['img'])


def test_mmdet_turns_between_mask_and_removal(photo: Path) -> None:
    """They keep the size and write no `flip`; one that changes nothing is let through."""
    pytest.importorskip('mmdet')
    turn = {'type': 'mmdet.Rotate', 'prob': 1.0, 'level': 10}
    same = {'type': 'mmdet.Resize', 'scale': (WIDTH, HEIGHT)}
    removal = {'type': 'RemoveBackground', **options(photo)}
    load = {**removal, 'type': 'LoadForegroundMask'}
    with DefaultScope.overwrite_default_scope('mmengine'):
        wrong = [Compose([turn, removal]), Compose([load, turn, removal])]
        right = [Compose([same, removal]), Compose([load, same, removal])]
    for pipeline in wrong:
        with pytest.raises(ArgumentError, match=r'directly after the image loader$'):
            pipeline(loaded(photo))
    for pipeline in right:
        assert pipeline(loaded(photo)) is not None


def test_mmseg_flips_the_mask_in_its_fields(photo: Path) -> None:
    """A flip behind LoadForegroundMask is right there: the mask is one of the sample's maps."""
    pytest.importorskip('mmseg')
    load = {'type': 'LoadForegroundMask', **options(photo)}
    removal = {'type': 'RemoveBackground', **options(photo)}
    with DefaultScope.overwrite_default_scope('mmseg'):
        pipeline = Compose([load, flip('mmseg', 1.0), removal])
        expected = Compose([removal, flip('mmseg', 1.0)])
    results = pipeline(loaded(photo, seg_fields=[]))
    np.testing.assert_array_equal(results['img'], expected(loaded(photo, seg_fields=[]))['img'])


@pytest.mark.parametrize('name', ['LoadForegroundMask', 'RemoveBackground'])
def test_mask_computed_of_a_flipped_image(name: str, photo: Path, model: str) -> None:
    """Without a store it is the flipped image's own, so it may stand behind the flip."""
    with DefaultScope.overwrite_default_scope('mmengine'):
        pipeline = Compose(
            [
                flip('mmcv', 1.0),
                {'type': name, 'model': model},
                {'type': 'RemoveBackground', 'model': model},
            ]
        )
    results = pipeline(loaded(photo))
    assert results['flip']
    assert results['img'].shape == (HEIGHT, WIDTH, 3)


def test_flips_of_test_time_augmentation(photo: Path) -> None:
    """They stand behind the removal, whose stored mask is found once."""
    flips = [flip('mmcv', 1.0), flip('mmcv', 0.0)]
    with DefaultScope.overwrite_default_scope('mmengine'):
        pipeline = Compose(
            [
                {'type': 'RemoveBackground', **options(photo)},
                {'type': 'mmcv.TestTimeAug', 'transforms': [flips]},
            ]
        )
        images = pipeline(loaded(photo))['img']
    np.testing.assert_array_equal(images[0], images[1][:, ::-1])


GREY = (128, 127, 126)
PADDED = {
    'mmpretrain.Shear': {'magnitude': 0.3, 'prob': 1.0},
    'mmpretrain.Translate': {'magnitude': 0.3, 'prob': 1.0},
    'mmpretrain.Rotate': {'angle': 30.0, 'prob': 1.0},
    'mmpretrain.RandomCrop': {'crop_size': 44, 'padding': 8},
    'mmcv.CenterCrop': {
        'crop_size': 60,
        'auto_pad': True,
        'pad_cfg': {'type': 'Pad', 'pad_val': {'img': GREY, 'seg': 255}},
    },
    'mmcv.Pad': {'size': (60, 60), 'pad_val': {'img': GREY, 'seg': 255}},
    'mmdet.Pad': {'size': (60, 60), 'pad_val': {'img': GREY}},
    'mmdet.Expand': {'mean': GREY, 'prob': 1.0},
    'mmdet.Rotate': {'prob': 1.0, 'img_border_value': GREY},
    'mmdet.ShearX': {'prob': 1.0, 'img_border_value': GREY},
    'mmdet.TranslateY': {'prob': 1.0, 'img_border_value': GREY},
}
BLACK = {
    'pad_val': 0,
    'mean': (0, 0, 0),
    'img_border_value': 0,
    'pad_cfg': {'type': 'Pad', 'pad_val': 0},
}


@pytest.mark.parametrize('name', PADDED)
def test_padding_is_background(name: str, photo: Path) -> None:
    """Whatever colour the image gets: the mask is that of the transform that pads with 0."""
    pytest.importorskip(name.split('.')[0])
    settings = PADDED[name]
    if name.startswith('mmpretrain'):
        settings = {**settings, 'pad_val': GREY}
    black = {key: BLACK.get(key, value) for key, value in settings.items()}
    with DefaultScope.overwrite_default_scope('mmengine'):
        step = LoadForegroundMask(**options(photo), transforms=[{'type': name, **settings}])
        grey = TRANSFORMS.build({'type': name, **settings})
        alone = TRANSFORMS.build({'type': name, **black})
    for seed in range(4):
        results = []
        for transform in (step, grey, alone):
            np.random.seed(seed)  # noqa: NPY002
            random.seed(seed)
            results.append(transform(loaded(photo)))
        found, coloured, expected = results
        np.testing.assert_array_equal(found['img'], coloured['img'])
        np.testing.assert_array_equal(found['fg_mask'], expected['img'][..., 2])
        assert found['fg_mask'].min() == 0


def test_geometric_policies_carry_the_mask(photo: Path) -> None:
    """RandAugment of geometry alone moves image and mask by the same policies, at any sample."""
    pytest.importorskip('mmpretrain')
    policies = [
        {'type': 'Rotate', 'magnitude_range': (0, 30)},
        {'type': 'Shear', 'magnitude_range': (0, 0.3), 'direction': 'vertical'},
        {'type': 'Translate', 'magnitude_range': (0, 0.45)},
    ]
    augment = {'type': 'RandAugment', 'num_policies': 2, 'magnitude_level': 7}
    with DefaultScope.overwrite_default_scope('mmpretrain'):
        step = LoadForegroundMask(
            **options(photo),
            transforms=[{**augment, 'policies': policies, 'hparams': {'pad_val': (0, 0, 0)}}],
        )
    for seed in range(30):
        np.random.seed(seed)  # noqa: NPY002
        results = step(loaded(photo))
        np.testing.assert_array_equal(results['fg_mask'], results['img'][..., 2])


COLOURS = [
    {'type': 'mmpretrain.Invert'},
    {'type': 'mmpretrain.Solarize', 'thr': 128},
    {'type': 'mmpretrain.SolarizeAdd', 'magnitude': 10},
    {'type': 'mmpretrain.Posterize', 'bits': 4},
    {'type': 'mmpretrain.Brightness', 'magnitude': 0.5},
    {'type': 'mmpretrain.Contrast', 'magnitude': 0.5},
    {'type': 'mmpretrain.AutoContrast'},
    {'type': 'mmpretrain.Equalize'},
    {'type': 'mmpretrain.ColorTransform', 'magnitude': 0.5},
    {'type': 'mmpretrain.Sharpness', 'magnitude': 0.5},
    {'type': 'mmpretrain.ColorJitter'},
    {'type': 'mmpretrain.Lighting', 'eigval': [1.0] * 3, 'eigvec': [[1.0] * 3] * 3},
    {'type': 'mmpretrain.GaussianBlur', 'radius': 2},
    {'type': 'mmdet.PhotoMetricDistortion'},
    {'type': 'mmdet.YOLOXHSVRandomAug'},
    {'type': 'mmdet.Color'},
    {'type': 'mmseg.PhotoMetricDistortion'},
    {'type': 'mmseg.AdjustGamma'},
    {'type': 'mmcv.Normalize', 'mean': [0.0] * 3, 'std': [1.0] * 3},
    {'type': 'mmcv.RandomGrayscale'},
]
INSIDE = [
    {'type': 'mmcv.RandomApply', 'transforms': [COLOURS[0]]},
    {'type': 'mmcv.RandomChoice', 'transforms': [[flip('mmcv', 0.5)], [COLOURS[0]]]},
    {'type': 'mmcv.KeyMapper', 'transforms': [COLOURS[0]]},
    {'type': 'mmpretrain.AutoAugment', 'policies': 'imagenet'},
    {
        'type': 'mmpretrain.RandAugment',
        'policies': 'timm_increasing',
        'num_policies': 2,
        'magnitude_level': 7,
    },
    {'type': 'mmdet.RandAugment'},
]


@pytest.mark.parametrize('transform', COLOURS + INSIDE, ids=lambda each: each['type'])
def test_transforms_of_colour(transform: dict) -> None:
    """They would change the levels of the mask: refused by name, alone and inside others."""
    pytest.importorskip('mmpretrain')
    scope, name = transform['type'].split('.')
    name = r'\w+' if transform in INSIDE else name
    pytest.importorskip(scope)
    expected = rf'must be geometric.* got {name}, .*: put it behind LoadForegroundMask$'
    with (
        DefaultScope.overwrite_default_scope('mmengine' if scope == 'mmcv' else scope),
        pytest.raises(ArgumentError, match=expected),
    ):
        LoadForegroundMask(transforms=[transform])


def test_cutout_draws_unseen() -> None:
    """mmpretrain's draws within mmcv, so that no sample could give the mask the same hole."""
    pytest.importorskip('mmpretrain')
    cutout = {'type': 'mmpretrain.Cutout', 'shape': 9}
    with (
        DefaultScope.overwrite_default_scope('mmengine'),
        pytest.raises(ArgumentError, match=r'got Cutout, which draws .* put it behind RemoveB'),
    ):
        LoadForegroundMask(transforms=[{'type': 'mmcv.RandomApply', 'transforms': [cutout]}])


class Unseen(BaseTransform):
    """Crops at random without saying so to mmcv."""

    def transform(self, results: dict) -> dict:
        """Crop."""
        left = np.random.randint(8)  # noqa: NPY002
        return {**results, 'img': results['img'][:, left : left + 8]}


class UnseenNormal(BaseTransform):
    """Shifts by one normal number; numpy draws two at a time, and keeps the other one."""

    def transform(self, results: dict) -> dict:
        """Shift to the right, or to the left."""
        shift = round(10 * np.random.normal())  # noqa: NPY002
        return {**results, 'img': np.roll(results['img'], shift, axis=1)}


class ImageOnly(BaseTransform):
    """Crops what comes from a file only."""

    def transform(self, results: dict) -> dict:
        """Crop."""
        image = results['img']
        return {**results, 'img': image[:8] if 'img_path' in results else image}


@pytest.mark.parametrize(
    ('kind', 'message'),
    [
        (Unseen, '@cache_randomness'),
        (UnseenNormal, '@cache_randomness'),
        (ImageOnly, 'do the same to image'),
    ],
)
def test_transforms_that_cannot_carry_a_mask(kind: type, message: str, photo: Path) -> None:
    """They are refused, not let through with a mask of other pixels."""
    step = LoadForegroundMask(**options(photo), transforms=[kind()])
    np.random.seed(0)  # noqa: NPY002
    with pytest.raises(ArgumentError, match=message):
        step(loaded(photo))


def test_transforms_that_need_boxes(photo: Path) -> None:
    """The mask has none, whatever the image has: the error names the transform."""
    pytest.importorskip('mmdet')
    from mmdet.structures.bbox import HorizontalBoxes

    with DefaultScope.overwrite_default_scope('mmdet'):
        step = LoadForegroundMask(
            **options(photo), transforms=[{'type': 'RandomAffine', 'border': (0, 0)}]
        )
    boxes = HorizontalBoxes(np.array([[2, 3, 30, 30]], np.float32))
    annotations = {'gt_bboxes_labels': np.array([0]), 'gt_ignore_flags': np.array([False])}
    expected = r'makes RandomAffine fail .*gt_bboxes.*put it behind RemoveBackground$'
    with pytest.raises(ArgumentError, match=expected):
        step(loaded(photo, gt_bboxes=boxes, **annotations))


def test_transforms_that_leave_no_array(photo: Path) -> None:
    """A step of PIL pictures is told, too."""
    pytest.importorskip('mmpretrain')
    with DefaultScope.overwrite_default_scope('mmpretrain'):
        step = LoadForegroundMask(**options(photo), transforms=[{'type': 'NumpyToPIL'}])
    with pytest.raises(ArgumentError, match='must leave an array as `img`, but left Image'):
        step(loaded(photo))


def test_missing_mask_is_an_error(photo: Path) -> None:
    """As of RemoveBackground, with the command that makes it."""
    other = photo.with_name('b.png')
    Image.new('RGB', (8, 8)).save(other)
    with pytest.raises(FileNotFoundError, match=r'there is no mask .*tools/remove_background\.py'):
        LoadForegroundMask(**options(photo))(loaded(other))


def test_wrong_arguments_are_named() -> None:
    """What RemoveBackground refuses is refused here."""
    with pytest.raises(ValueError, match='`resize` must be one of lanczos, linear'):
        LoadForegroundMask(resize='cubic')
    with pytest.raises(ValueError, match='`img_root` must be given with `mask_dir`'):
        LoadForegroundMask(mask_dir='masks')


def test_behind_the_removal_of_a_wrapped_dataset(photo: Path) -> None:
    """The mask is the stored one, though the image has lost its background already."""
    load = LoadForegroundMask(**options(photo))
    pipeline = RembgPipeline([LoadImageFromFile(), load], RemoveBackground(**options(photo)))
    image = loaded(photo)['img']
    results = pipeline({'img_path': str(photo)})
    np.testing.assert_array_equal(results['fg_mask'], image[..., 2])
    np.testing.assert_array_equal(results['img'], compose(image, image[..., 2].copy(), 0))


def test_pickles(photo: Path) -> None:
    """A step that was used goes into spawned workers, and prints its arguments."""
    with DefaultScope.overwrite_default_scope('mmengine'):
        step = LoadForegroundMask(**options(photo), transforms=GEOMETRY['mmcv'])
    np.random.seed(0)  # noqa: NPY002
    expected = step(loaded(photo))['fg_mask']
    copy = pickle.loads(pickle.dumps(step))
    np.random.seed(0)  # noqa: NPY002
    np.testing.assert_array_equal(copy(loaded(photo))['fg_mask'], expected)
    assert 'u2netp' in repr(step)
    assert 'CenterCrop' in repr(step)
