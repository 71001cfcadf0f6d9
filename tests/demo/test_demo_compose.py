"""Pictures composed from tiny generated cut-outs and backgrounds."""

from __future__ import annotations

import json
import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy.ndimage import binary_dilation, binary_erosion

from bgremoval_mm.demo import compose, sources

RECIPE = compose.Recipe(seed=3, train=2, val=1, test=2, size=48)


def make_cutout(colour: tuple[int, int, int] = (200, 30, 40)) -> Image.Image:
    """Draw a 64 x 64 cut-out: an opaque rectangle, 20 wide, 30 high, and a shadow to its right."""
    pixels = np.zeros((64, 64, 4), np.uint8)
    pixels[10:40, 5:25] = (*colour, 255)
    pixels[30:40, 25:35] = (0, 0, 0, 200)
    return Image.fromarray(pixels)


@pytest.fixture
def wheel(tmp_path: Path, tiny_backgrounds: None) -> Path:
    """An archive with the layout of the real wheel and a generated cut-out for every file."""
    path = tmp_path / 'tiny.whl'
    with zipfile.ZipFile(path, 'w') as archive:
        archive.writestr(sources._LICENCE_FILE, 'licence text of the wheel')
        for number, product in enumerate(sources.PRODUCTS):
            for file in product.files:
                with archive.open(sources._MEMBER.format(file), 'w') as stream:
                    make_cutout((9 * number, 90, 200)).save(stream, 'PNG')
    return path


@pytest.fixture
def tiny_backgrounds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Noise pictures in place of scikit-image's."""
    rng = np.random.default_rng(0)
    folder = tmp_path / 'backgrounds'
    folder.mkdir()
    for background in sources.BACKGROUNDS:
        noise = rng.integers(0, 255, (30, 40, 3), np.uint8)
        Image.fromarray(noise).save(folder / background.file)
    monkeypatch.setattr(sources, 'background_path', lambda b: folder / b.file)


def read_all(root: Path) -> dict[str, bytes]:
    """Return the content of every file below a folder."""
    files = (path for path in root.rglob('*') if path.is_file())
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in files}


def test_product_mask_leaves_out_the_shadow() -> None:
    """The true mask is the opaque rectangle and nothing of the half-transparent shadow."""
    mask = np.asarray(compose.product_mask(make_cutout()))
    expected = np.zeros((64, 64), np.uint8)
    expected[10:40, 5:25] = 255
    np.testing.assert_array_equal(mask, expected)


@pytest.mark.parametrize('seed', range(8))
def test_mask_is_where_the_product_is_pasted(seed: int) -> None:
    """A red product on green: a pixel is red exactly where the mask is set, but for the edge."""
    pixels = np.zeros((64, 64, 4), np.uint8)
    pixels[10:40, 5:25] = (255, 0, 0, 255)
    background = Image.new('RGB', (100, 100), (0, 255, 0))
    image, truth = compose.compose(Image.fromarray(pixels), background, np.random.default_rng(seed))
    assert image.size == truth.size == (100, 100)
    mask = np.asarray(truth) > 127
    red = np.asarray(image)[..., 0] > 127
    assert mask.sum() > 500
    # Two resampling filters may disagree by one pixel along the edge, nowhere else.
    edge = binary_dilation(mask) & ~binary_erosion(mask)
    np.testing.assert_array_equal(red[~edge], mask[~edge])


@pytest.mark.parametrize('seed', range(8))
def test_product_lies_in_the_picture_at_the_promised_size(seed: int) -> None:
    """The longer side (30 of 20 x 30) takes 45 to 85 %, the shape keeps its proportions."""
    background = Image.new('RGB', (200, 200))
    _, truth = compose.compose(make_cutout(), background, np.random.default_rng(seed))
    left, top, right, bottom = truth.point(lambda v: 255 * (v > 127)).getbbox() or (0, 0, 0, 0)
    width, height = right - left, bottom - top
    assert 0.45 * 200 - 3 <= height <= 0.85 * 200 + 3
    assert width / height == pytest.approx(20 / 30, abs=0.05)


def test_shadow_darkens_the_picture_but_not_the_mask() -> None:
    """The shadow of the cut-out is blended over the background outside the true mask."""
    background = Image.new('RGB', (128, 128), (255, 255, 255))
    image, truth = compose.compose(make_cutout(), background, np.random.default_rng(1))
    outside = np.asarray(image)[np.asarray(truth) == 0]
    # 200 of 255 parts of black over white leave 255 - 200 = 55.
    assert (np.abs(outside.astype(int) - 55).max(axis=1) <= 2).sum() > 20


def test_empty_cutout_is_refused() -> None:
    """A cut-out without an opaque pixel has no product."""
    with pytest.raises(ValueError, match='no pixel whose alpha is above 223'):
        compose.compose(
            Image.new('RGBA', (8, 8)), Image.new('RGB', (9, 9)), np.random.default_rng(0)
        )


def test_background_crop_has_the_asked_size_and_comes_from_the_picture() -> None:
    """A crop of a picture whose red channel is its column holds a range of columns, in order."""
    columns = np.repeat(np.arange(200, dtype=np.uint8)[None], 100, axis=0)
    picture = Image.fromarray(np.dstack([columns] * 3))
    crop = np.asarray(compose.crop_background(picture, 32, np.random.default_rng(0)))
    assert crop.shape == (32, 32, 3)
    span = abs(int(crop[0, -1, 0]) - int(crop[0, 0, 0]))
    assert 50 - 5 <= span <= 100  # 50 to 100 % of the short side, which is 100
    steps = np.diff(crop[16, :, 0].astype(int))
    assert (steps >= 0).all() or (steps <= 0).all()


@pytest.mark.parametrize('field', ['train', 'val', 'test', 'size'])
def test_recipe_refuses_nothing(field: str) -> None:
    """A split without pictures, or pictures without pixels, are refused by name."""
    with pytest.raises(ValueError, match=f'`{field}` must be at least 1, got 0'):
        compose.Recipe(**{field: 0})


def test_test_products_and_backgrounds_never_occur_in_training() -> None:
    """Products of test are new, and backgrounds belong to one split each."""
    entries = compose.plan(compose.Recipe())
    seen = {
        split: {
            key: {entry[key] for entry in entries if entry['split'] == split}
            for key in ('product', 'cutout', 'background')
        }
        for split in sources.SPLITS
    }
    for key in ('product', 'cutout', 'background'):
        assert seen['test'][key].isdisjoint(seen['train'][key] | seen['val'][key])
    assert seen['val']['background'].isdisjoint(seen['train']['background'])
    assert seen['val']['product'] <= seen['train']['product']


def test_plan_balances_classes_and_names_files_once() -> None:
    """Each class has the asked number of pictures of each split, each with a name and a seed."""
    entries = compose.plan(RECIPE)
    assert len(entries) == len(sources.CLASSES) * (2 + 1 + 2)
    for label in sources.CLASSES:
        of_class = [entry['split'] for entry in entries if entry['label'] == label]
        assert sorted(of_class) == ['test', 'test', 'train', 'train', 'val']
    assert len({entry['file'] for entry in entries}) == len(entries)
    assert len({tuple(entry['seed']) for entry in entries}) == len(entries)


def test_plan_uses_every_pair_before_one_comes_again() -> None:
    """Two hoodies on five training backgrounds make ten pairs; ten pictures show each once."""
    entries = compose.plan(compose.Recipe(train=10))
    pairs = {
        (entry['cutout'], entry['background'])
        for entry in entries
        if (entry['split'], entry['label']) == ('train', 'hoodie')
    }
    assert len(pairs) == 10


def test_dataset_is_complete(tmp_path: Path, wheel: Path) -> None:
    """Pictures lie in class folders, each with a mask of its size, and the index names them."""
    root = tmp_path / 'products'
    index = compose.make_dataset(root, wheel, RECIPE)
    assert index['reused'] is False
    assert len(index['images']) == 5 * len(sources.CLASSES)
    for entry in index['images']:
        split, label, _ = entry['file'].split('/')
        assert (split, label) == (entry['split'], entry['label'])
        image = Image.open(root / 'images' / entry['file'])
        mask = Image.open(compose.alpha_path(root, entry['file']))
        assert (image.format, image.mode, image.size) == ('JPEG', 'RGB', (48, 48))
        assert (mask.format, mask.mode, mask.size) == ('PNG', 'L', (48, 48))
    assert 'licence text of the wheel' in (root / compose.LICENCES).read_text(encoding='utf-8')
    assert {path.name for path in tmp_path.iterdir()} == {'backgrounds', 'products', 'tiny.whl'}


def test_dataset_depends_on_the_seed_alone(tmp_path: Path, wheel: Path) -> None:
    """The same recipe gives the same bytes, another seed gives others."""
    for name in ('a', 'b'):
        compose.make_dataset(tmp_path / name, wheel, RECIPE)
    other = compose.Recipe(seed=4, train=2, val=1, test=2, size=48)
    compose.make_dataset(tmp_path / 'c', wheel, other)
    first = read_all(tmp_path / 'a')
    assert first == read_all(tmp_path / 'b')
    assert first != read_all(tmp_path / 'c')


def test_dataset_is_used_again_unless_changed(tmp_path: Path, wheel: Path) -> None:
    """An intact dataset is kept; a damaged picture, a stray one or a new recipe remakes it."""
    root = tmp_path / 'products'
    index = compose.make_dataset(root, wheel, RECIPE)
    first = read_all(root)
    assert compose.make_dataset(root, wheel, RECIPE)['reused'] is True

    victim = root / 'images' / index['images'][0]['file']
    victim.write_bytes(b'damaged')
    assert compose.make_dataset(root, wheel, RECIPE)['reused'] is False
    assert read_all(root) == first

    shutil.copy(victim, victim.with_name('stray.jpg'))
    assert compose.make_dataset(root, wheel, RECIPE)['reused'] is False
    assert read_all(root) == first

    smaller = compose.Recipe(seed=3, train=1, val=1, test=1, size=48)
    assert len(compose.make_dataset(root, wheel, smaller)['images']) == 3 * len(sources.CLASSES)
    assert json.loads((root / compose.INDEX).read_text())['recipe']['train'] == 1


@pytest.mark.parametrize(
    'content',
    [
        None,
        '{"key": "mine"}',
        '{"key": "%s", "recipe": {}, "images": []}' % ('0' * 64),
        '{"key": "mine", "recipe": 3, "images": null}',
        '["key"]',
        'no JSON',
    ],
)
def test_foreign_folder_is_left_alone(tmp_path: Path, wheel: Path, content: str | None) -> None:
    """A folder that the demo did not make is refused and kept, even with a dataset.json."""
    root = tmp_path / 'products'
    root.mkdir()
    (root / 'photo.jpg').write_bytes(b'mine')
    problem = r'holds no dataset\.json'
    if content is not None:
        (root / compose.INDEX).write_text(content)
        problem = r'its dataset\.json is not one that the demo wrote'
    before = read_all(root)
    with pytest.raises(FileExistsError, match=problem):
        compose.make_dataset(root, wheel, RECIPE)
    assert read_all(root) == before


@pytest.mark.parametrize('name', ['notes.txt', 'images/train/dress/mine.jpg', 'alpha/.hidden'])
def test_files_of_others_are_kept(tmp_path: Path, wheel: Path, name: str) -> None:
    """What somebody put into the demo's folder is not deleted when the recipe changes."""
    root = tmp_path / 'products'
    compose.make_dataset(root, wheel, RECIPE)
    mine = root / name
    mine.parent.mkdir(parents=True, exist_ok=True)
    mine.write_bytes(b'mine')
    before = read_all(root)
    other = compose.Recipe(seed=4, train=2, val=1, test=2, size=48)
    with pytest.raises(FileExistsError, match=f'holds a file that the demo did not make: {name}'):
        compose.make_dataset(root, wheel, other)
    assert read_all(root) == before


def test_unfinished_dataset_is_made_again(
    tmp_path: Path, wheel: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a killed demo left is replaced, unless somebody has put a file there since."""
    root = tmp_path / 'products'
    load, loaded = sources.load_cutout, []

    def load_three(wheel: Path, file: str) -> Image.Image:
        loaded.append(file)
        if len(loaded) > 3:
            raise KeyboardInterrupt
        return load(wheel, file)

    monkeypatch.setattr(sources, 'load_cutout', load_three)
    with pytest.raises(KeyboardInterrupt):
        compose.make_dataset(root, wheel, RECIPE)
    monkeypatch.undo()
    mine = root / 'thesis.txt'
    mine.write_text('mine')
    with pytest.raises(FileExistsError, match=r'did not make: thesis\.txt'):
        compose.make_dataset(root, wheel, RECIPE)
    assert mine.read_text() == 'mine'
    mine.unlink()
    assert compose.make_dataset(root, wheel, RECIPE)['reused'] is False
    compose.make_dataset(tmp_path / 'whole', wheel, RECIPE)
    assert read_all(root) == read_all(tmp_path / 'whole')
