"""What an Auditor makes of test sets: removed by masks, removed beforehand, joined, wrapped."""

from __future__ import annotations

import gc
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import uuid4

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.dataset import BaseDataset
from mmengine.model import BaseModel
from mmengine.registry import DATASETS, MODELS, TRANSFORMS, DefaultScope
from PIL import Image

from bgremoval_mm import RemoveBackground
from bgremoval_mm.analysis.background_audit.evaluate import Auditor
from bgremoval_mm.analysis.background_audit.prepare_config import for_testing
from bgremoval_mm.analysis.background_audit.summary import Audit, ConditionScores
from bgremoval_mm.analysis.background_audit.text import as_text
from bgremoval_mm.datasets.first_steps import load_photo
from bgremoval_mm.removal import MaskStore, read_image, remove_tree
from bgremoval_mm.removal.errors import ArgumentError

PIPELINE = [{'type': 'LoadImageFromFile'}, {'type': 'PackInputs'}]
WALL, THING = (200, 0, 0), (0, 250, 0)


@pytest.fixture
def audited(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Auditor]]:
    """A function that makes an Auditor of a config of a test set, in a folder with photos."""
    pytest.importorskip('mmpretrain')
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(DefaultScope, '_instance_dict', DefaultScope._instance_dict.copy())
    (tmp_path / 'tmp').mkdir()
    monkeypatch.setattr(tempfile, 'tempdir', str(tmp_path / 'tmp'))

    @MODELS.register_module(name='SaysHat')
    class SaysHat(BaseModel):
        """Says "hat"."""

        def __init__(self, data_preprocessor: dict | None = None) -> None:
            super().__init__({'type': 'mmpretrain.ClsDataPreprocessor'})
            self.weight = torch.nn.Parameter(torch.zeros(1))

        def forward(self, inputs: torch.Tensor, data_samples: list, mode: str) -> list:
            """Predict."""
            return [sample.set_pred_score(torch.tensor([1.0, 0.0])) for sample in data_samples]

    torch.save({'state_dict': {'weight': torch.zeros(1)}}, 'model.pth')

    def make(
        dataset: dict, number: int | None = None, test_cfg: dict | None = None, **removal: object
    ) -> Auditor:
        config = Config({
            'default_scope': 'mmpretrain',
            'model': {'type': 'SaysHat'},
            'test_dataloader': {
                'batch_size': 2,
                'num_workers': 0,
                'dataset': dataset,
                'sampler': {'type': 'DefaultSampler', 'shuffle': False},
            },
            'test_cfg': test_cfg or {},
            'test_evaluator': {'type': 'Accuracy', 'topk': (1,)},
            'experiment_name': uuid4().hex,  # loggers are kept by name
        })  # fmt: skip
        return Auditor(config, 'model.pth', 'out', removal, number, 'out/masks')

    yield make
    MODELS.module_dict.pop('SaysHat')


def write_photos(root: str, wall: tuple = WALL, count: int = 3, store: MaskStore | None = None):
    """Photos of 32 x 32 pixels of two classes, a square before a wall, and their masks."""
    pixels = np.full((32, 32, 3), wall, np.uint8)
    pixels[8:24, 8:24] = THING
    mask = np.zeros((32, 32), np.uint8)
    mask[8:24, 8:24] = 255
    mask[8:24, 24:28] = 100  # a soft edge
    for name in ('hat', 'shoe'):
        for index in range(count):
            path = Path(root, name, f'{index}.png')
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(pixels).save(path)
            if store is not None:
                store.put(f'{name}/{index}.png', read_image(path), mask, constant=False)


def photos(root: str = 'photos', **more: object) -> dict:
    """Config of a dataset of class folders."""
    return {'type': 'CustomDataset', 'data_root': root, 'pipeline': PIPELINE, **more}


def contents(folder: str) -> dict[str, bytes]:
    """Every file below a folder."""
    return {str(path): path.read_bytes() for path in Path(folder).rglob('*') if path.is_file()}


def rgb(image: np.ndarray, place: int = 0) -> tuple[int, ...]:
    """The colour of a pixel on the diagonal."""
    return tuple(int(level) for level in image[place, place])


@pytest.mark.parametrize('precision', ['bf16', 'int8', 'fp32'])
@pytest.mark.parametrize('as_step', [False, True])
def test_the_removal_of_the_config(audited, precision: str, as_step: bool) -> None:
    """Every argument arrives, of a wrapper or of a step; the store stays as it is."""
    write_photos('photos', store=MaskStore('masks', 'u2netp', precision))
    removal = {
        'mask_dir': 'masks', 'model': 'u2netp', 'fill': (7, 8, 9), 'threshold': 0.3,
        'resize': 'linear', 'precision': precision, 'backend': 'openvino', 'device': 'cpu',
        'calibration': 'photos', 'on_missing': 'error', 'img_root': 'photos', 'prob': 0.5,
        'accept_licence': True,
    }  # fmt: skip
    step = {'type': 'RemoveBackground', **removal}
    dataset = (
        photos(pipeline=[PIPELINE[0], step, PIPELINE[1]])
        if as_step
        else {'type': 'RembgDataset', 'dataset': photos(), **removal}
    )
    before = contents('masks')
    with audited(dataset) as auditor:
        assert auditor.trained_on == 'rembg'
        (change,) = auditor.changes
        for name, value in removal.items():
            if name not in ('on_missing', 'prob'):
                assert getattr(change, name) == value
        assert change.masks.precision == precision
        assert (change.prob, change.trained.prob) == (1, 1)  # a condition is for every photo
        for condition in ('removed', 'replaced', 'blurred', 'background_only', 'original'):
            auditor.evaluate(condition)
        removed = auditor.photo(0, 'removed')
        assert rgb(removed) == (7, 8, 9)
        assert rgb(removed, 16) == THING
        # Within the soft edge, of share 100 / 255, the threshold of 0.3 keeps the photo whole.
        assert tuple(removed[16, 26]) == WALL
        assert rgb(auditor.photo(0, 'original')) == WALL
    assert contents('masks') == before
    assert not Path('out/masks').exists()


def test_a_step_of_ones_own(audited) -> None:
    """A subclass removes as it did in training."""
    write_photos('photos', store=MaskStore('masks', 'u2netp'))

    @TRANSFORMS.register_module(name='RemoveToBlue')
    class RemoveToBlue(RemoveBackground):
        """Leaves nothing."""

        def _change(self, image: np.ndarray, mask: np.ndarray, results: dict) -> np.ndarray:
            return np.full_like(image, (255, 0, 0))

    try:
        step = {'type': 'RemoveToBlue', 'model': 'u2netp', 'mask_dir': 'masks',
                'img_root': 'photos'}  # fmt: skip
        with audited(photos(pipeline=[PIPELINE[0], step, PIPELINE[1]])) as auditor:
            assert rgb(auditor.photo(0, 'removed'), 16) == (0, 0, 255)
            assert rgb(auditor.photo(0, 'original')) == WALL
    finally:
        TRANSFORMS.module_dict.pop('RemoveToBlue')


def test_what_the_store_lacks_is_kept_apart(audited, tiny_model) -> None:
    """Missing and stale masks are made in OUT/masks; the user's store is not touched."""
    tiny_model('u2netp')
    store = MaskStore('masks', 'u2netp')
    write_photos('photos', store=store)
    store.path('hat/0.png').unlink()
    Image.new('RGB', (20, 20), (1, 2, 3)).save('photos/shoe/1.png')
    before = contents('masks')
    dataset = {
        'type': 'RembgDataset', 'dataset': photos(), 'mask_dir': 'masks', 'model': 'u2netp',
        'on_missing': 'error',
    }  # fmt: skip
    for _ in range(2):
        with audited(dataset) as auditor:
            auditor.evaluate('removed')
    assert contents('masks') == before
    own = MaskStore('out/masks', 'u2netp')
    assert len(own.manifest.path.read_text().splitlines()) == 2  # and kept for the second time
    for name in ('hat/0.png', 'shoe/1.png'):
        assert own.is_current(own.get(name), Path('photos', name))


@pytest.mark.parametrize('precision', ['bf16', 'int8'])
def test_a_store_of_another_precision(audited, precision: str) -> None:
    """Is refused before anything is evaluated, with the option that takes it."""
    write_photos('photos', store=MaskStore('masks', 'u2netp', precision))
    before = contents('masks')
    named = {'mask_dir': 'masks', 'model': 'u2netp'}
    expected = (
        f'masks holds a mask in {precision} of .* asks for fp32: give --precision {precision}'
    )
    with pytest.raises(ArgumentError, match=expected):
        audited(photos(), **named)
    with pytest.raises(ArgumentError, match=expected):
        audited({'type': 'RembgDataset', 'dataset': photos(), **named})
    with audited(photos(), precision=precision, **named) as auditor:
        auditor.evaluate('removed')
    assert contents('masks') == before


def removed_tree(tiny_model, root: str, out: str) -> None:
    """Make a tree of removed images on yellow by a network that sees the bright half."""
    tiny_model('u2netp')
    remove_tree(root, out, 'u2netp', output='rgb', fill=(255, 255, 0), device='cpu', progress=False)


def test_images_that_were_removed_beforehand(audited, tiny_model) -> None:
    """`original` is the photo, `removed` the ready image, and the others start from the photo."""
    write_photos('photos', store=MaskStore('masks', 'u2netp'))
    removed_tree(tiny_model, 'photos', 'ready')
    with audited({'type': 'RembgDataset', 'dataset': photos(), 'image_dir': 'ready'}) as auditor:
        assert auditor.trained_on == 'rembg'
        assert auditor.changes[0].model == 'u2netp'
        path = Path(auditor.paths[0])
        np.testing.assert_array_equal(auditor.photo(0, 'original'), np.asarray(Image.open(path)))
        ready = np.asarray(Image.open(f'ready/{path.relative_to("photos")}.png'))
        assert not (ready == np.asarray(Image.open(path))).all()
        np.testing.assert_array_equal(auditor.photo(0, 'removed'), ready)
        for condition in ('original', 'removed', 'replaced', 'blurred', 'background_only'):
            auditor.evaluate(condition)
    named = {'mask_dir': 'masks', 'model': 'u2netp'}
    dataset = {'type': 'RembgDataset', 'dataset': photos(), 'image_dir': 'ready'}
    with audited(dataset, **named) as auditor:
        assert rgb(auditor.photo(0, 'background_only'), 16)[0] > 150  # the wall's red
        np.testing.assert_array_equal(auditor.photo(0, 'removed'), ready)


def test_remade_images_and_masks_are_other_settings(audited, tiny_model) -> None:
    """So that an audit that goes on mixes no figures of what is no longer there."""
    store = MaskStore('masks', 'u2netp')
    write_photos('photos', store=store)
    removed_tree(tiny_model, 'photos', 'ready')
    ready = {'type': 'RembgDataset', 'dataset': photos(), 'image_dir': 'ready'}

    def settings(dataset: dict, **removal: object) -> list[dict]:
        with audited(dataset, **removal) as auditor:
            return [change.settings() for change in auditor.changes]

    first, named = settings(ready), {'mask_dir': 'masks', 'model': 'u2netp'}
    by_masks = settings(photos(), **named)
    assert settings(ready) == first
    assert settings(photos(), **named) == by_masks
    remove_tree(
        'photos', 'ready', 'u2netp', output='rgb', fill=0, device='cpu', progress=False,
        overwrite=True,
    )  # fmt: skip
    assert settings(ready) != first
    name = 'hat/0.png'
    store.put(name, read_image(Path('photos', name)), np.eye(32, dtype=np.uint8), constant=False)
    assert settings(photos(), **named) != by_masks


def test_photos_of_one_name_get_backgrounds_of_their_own(audited) -> None:
    """A name that two folders have says nothing of the photo; one that is unique does."""
    write_photos('photos', store=MaskStore('masks', 'u2netp'))
    with audited(photos(), mask_dir='masks', model='u2netp') as auditor:
        (change,) = auditor.changes
        assert change.repeated == {'0.png', '1.png', '2.png'}
        draws = []
        for seed in range(8):
            change.set('replaced', seed)
            draws.append([change.donor_of(f'photos/{name}/0.png') for name in ('hat', 'shoe')])
        assert any(one != other for one, other in draws)
        assert change._name('photos/hat/unique.png') == 'unique.png'


@pytest.fixture
def two_folders(audited) -> list[dict]:
    """Two datasets of equal names in folders of their own, red and blue, the first removed."""
    write_photos('red', WALL, store=MaskStore('masks-red', 'u2netp'))
    write_photos('blue', (0, 0, 200), store=MaskStore('masks-blue', 'u2netp', 'bf16'))
    removal = {'model': 'u2netp', 'on_missing': 'error'}
    return [
        {'type': 'RembgDataset', 'dataset': photos('red'), 'mask_dir': 'masks-red', **removal},
        {'type': 'RembgDataset', 'dataset': photos('blue'), 'mask_dir': 'masks-blue',
         'precision': 'bf16', 'fill': 99, **removal},
    ]  # fmt: skip


def test_joined_test_sets(audited, two_folders: list[dict]) -> None:
    """Each photo's mask is its own dataset's, also where its background is lent to the other."""
    before = contents('masks-red') | contents('masks-blue')
    with audited({'type': 'ConcatDataset', 'datasets': two_folders}) as auditor:
        assert auditor.trained_on == 'rembg'
        assert len(auditor) == 12
        for condition in ('original', 'removed', 'replaced'):
            auditor.evaluate(condition)
        assert rgb(auditor.photo(0, 'removed')) == (0, 0, 0)
        assert rgb(auditor.photo(6, 'removed')) == (99, 99, 99)
        assert rgb(auditor.photo(6, 'original')) == (0, 0, 200)
        walls = set()
        for seed in range(8):
            auditor.evaluate('replaced', seed)
            for index in (0, 6):
                image = load_photo(auditor.dataset, index)
                assert rgb(image, 16) == THING
                walls.add((index, int(image[0, 0].argmax())))
    assert walls == {(0, 0), (0, 2), (6, 0), (6, 2)}
    assert contents('masks-red') | contents('masks-blue') == before
    assert not Path('out/masks').exists()


def test_own_masks_of_joined_test_sets(audited, tiny_model) -> None:
    """Photos of equal names in two folders do not take each other's place in OUT/masks."""
    tiny_model('u2netp')
    write_photos('red', WALL, 1)
    write_photos('blue', (0, 0, 200), 1)
    datasets = [photos('red'), photos('blue')]
    for _ in range(2):
        with audited({'type': 'ConcatDataset', 'datasets': datasets}, model='u2netp') as auditor:
            auditor.evaluate('replaced')
    lines = MaskStore('out/masks', 'u2netp').manifest.path.read_text().splitlines()
    assert len(lines) == 4


def test_a_mixture_of_removed_and_not(audited, two_folders: list[dict]) -> None:
    """The run names both; `original` and `removed` hold for all photos, by one removal."""
    parts = [two_folders[0], photos('red', ann_file='')]
    with audited({'type': 'ConcatDataset', 'datasets': parts}) as auditor:
        assert auditor.trained_on == 'original + rembg'
        for index in (0, 6):
            assert rgb(auditor.photo(index, 'original')) == WALL
            assert rgb(auditor.photo(index, 'removed')) == (0, 0, 0)
        outcome = ConditionScores('original', [auditor.evaluate('original')[0]])
        audit = Audit({}, auditor.trained_on, len(auditor), {'original': outcome})
    assert audit.reference == 'original'
    assert 'trained on original + rembg, and is compared with original' in as_text(audit)


def test_original_and_removed_twins(audited, two_folders: list[dict]) -> None:
    """RembgConcatDataset's halves are audited with the masks of the removed one."""
    before = contents('masks-red')
    with audited({**two_folders[0], 'type': 'RembgConcatDataset'}) as auditor:
        assert auditor.trained_on == 'original + rembg'
        auditor.evaluate('replaced')
        assert rgb(auditor.photo(0, 'removed')) == rgb(auditor.photo(6, 'removed')) == (0, 0, 0)
    assert contents('masks-red') == before
    assert not Path('out/masks').exists()


def test_a_number_of_joined_photos(audited, two_folders: list[dict]) -> None:
    """Evenly chosen over all parts, also where a part has none of them."""
    dataset = {'type': 'ConcatDataset', 'datasets': two_folders}
    with audited(dataset, number=3) as auditor:
        names = [str(Path(path)) for path in auditor.paths]
        assert names == ['red/hat/0.png', 'blue/hat/0.png', 'blue/shoe/2.png']
    few = [photos('red', indices=[1, 2]), photos('blue', indices=1), photos('red', indices=[0, 5])]
    named = {'mask_dir': 'masks-red', 'img_root': '.'}
    with audited({'type': 'ConcatDataset', 'datasets': few}, number=2, **named) as auditor:
        assert auditor.paths == ['red/hat/1.png', 'red/shoe/2.png']
        assert len(auditor.changes) == 2
    names = ['hat/0.png', 'hat/2.png', 'shoe/1.png']
    Path('bad.txt').write_text('\n'.join(names))
    dataset = {'type': 'RembgDataset', 'dataset': photos('red'), 'exclude': 'bad.txt'}
    with audited({**dataset, 'mask_dir': 'masks-red'}, number=2) as auditor:
        assert auditor.paths == ['red/hat/1.png', 'red/shoe/2.png']
    dataset = {'type': 'RepeatDataset', 'dataset': photos('red'), 'times': 2}
    with pytest.raises(ArgumentError, match='cannot be bounded for a RepeatDataset'):
        audited(dataset, number=3)


def test_removal_within_another_transform(audited) -> None:
    """Is refused: the audit would leave it at work under every condition."""
    write_photos('photos')
    within = {'type': 'RandomApply', 'transforms': [{'type': 'RemoveBackground'}], 'prob': 0.5}
    with pytest.raises(ArgumentError, match='RemoveBackground at its top level or not at all'):
        audited(photos(pipeline=[PIPELINE[0], within, PIPELINE[1]]))


@pytest.mark.parametrize(('options', 'run'), [
    ({'type': 'RemoveBackground', 'prob': 0.0}, 'original'),
    ({'type': 'ChangeBackground', 'condition': 'blurred'}, 'original'),
    ({'type': 'ChangeBackground', 'condition': 'removed'}, 'rembg'),
])  # fmt: skip
def test_arms_of_other_steps(audited, options: dict, run: str) -> None:
    """A step that removes nothing does not make the config one of the removed run."""
    write_photos('photos', store=MaskStore('masks', 'u2netp'))
    step = {'model': 'u2netp', 'mask_dir': 'masks', 'img_root': 'photos', **options}
    with audited(photos(pipeline=[PIPELINE[0], step, PIPELINE[1]])) as auditor:
        assert auditor.trained_on == run
        assert rgb(auditor.photo(0, 'original')) == WALL
        assert rgb(auditor.photo(0, 'removed')) == (0, 0, 0)


def test_photos_that_are_no_files(audited) -> None:
    """A dataset that keeps its images elsewhere is refused with its name."""

    @DATASETS.register_module(name='Inside')
    class Inside(BaseDataset):
        """Has one image."""

        def load_data_list(self) -> list[dict]:
            """Return it."""
            return [{'img': np.zeros((8, 8, 3), np.uint8), 'gt_label': 0}]

    try:
        with pytest.raises(ArgumentError, match='those of Inside have no `img_path`'):
            audited({'type': 'Inside', 'pipeline': []})
    finally:
        DATASETS.module_dict.pop('Inside')


def test_temporary_files_are_deleted(audited) -> None:
    """At the end, when an Auditor is forgotten, and after an error."""
    write_photos('photos', store=MaskStore('masks', 'u2netp'))
    named = {'mask_dir': 'masks', 'model': 'u2netp'}

    def left() -> list[Path]:
        return list(Path('tmp').glob('audit-*'))

    with audited(photos(), **named) as auditor:
        auditor.evaluate('removed')
        assert len(left()) == 1
    assert left() == []
    with pytest.raises(ArgumentError, match='asks for bf16'):
        audited(photos(), precision='bf16', **named)
    assert left() == []
    forgotten = audited(photos(), **named)
    assert len(left()) == 1
    del forgotten, auditor
    gc.collect()
    assert left() == []


def test_a_loop_that_tests_on_other_backgrounds(audited) -> None:
    """Is a plain test: the backgrounds are the audit's, and the loop's bank need not be there."""
    write_photos('photos', store=MaskStore('masks', 'u2netp'))
    named = {'mask_dir': 'masks', 'model': 'u2netp'}
    loop = {'type': 'BackgroundTestLoop', 'bank': 'nowhere', 'fp16': True, **named}
    with audited(photos(), test_cfg=loop, **named) as auditor:
        assert auditor.runner.test_loop.fp16
        metrics, _ = auditor.evaluate('removed')
    assert metrics == {'accuracy/top1': 50.0}
    settings = {'type': 'TestLoop', 'fp16': True}
    with audited(photos(), test_cfg=settings, **named) as auditor:
        assert auditor.runner.test_loop.fp16


def test_a_config_of_metric_learning() -> None:
    """Neither its loop nor its attention score runs under each condition."""
    folder = Path(__file__).parents[2] / 'configs/metric_learning/efficientnet_lite'
    config = Config.fromfile(folder / 'efficientnet-lite0_arcface_1xb32_grocery-store.py')
    assert config.test_cfg.type == 'BackgroundTestLoop'
    assert 'AttentionScoreHook' in {hook.type for hook in config.custom_hooks}
    config = for_testing(config)
    assert config.test_cfg == {}
    assert 'AttentionScoreHook' not in {hook.type for hook in config.custom_hooks}
