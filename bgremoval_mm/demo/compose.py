"""Product cut-outs on photographic backgrounds: one picture, and the labelled dataset of them."""

from __future__ import annotations

import hashlib
import itertools
import json
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageOps

from bgremoval_mm.demo import sources
from bgremoval_mm.demo.own_folder import read_own, strays
from bgremoval_mm.utils.json_io import write_json
from bgremoval_mm.utils.text import printable

INDEX = 'dataset.json'
LICENCES = 'LICENCES.md'
#: The cut-outs' alpha holds shadows and reflections, up to about 223; the products lie above.
PRODUCT_ALPHA = 223
#: Raised when the same parameters would give other pictures: old datasets are then made again.
_VERSION = 1


@dataclass(frozen=True)
class Recipe:
    """What decides how the dataset looks.

    Attributes:
        seed: Seed of every random choice.
        train: Pictures per class for training.
        val: Pictures per class for validation.
        test: Pictures per class for testing.
        size: Side of the square pictures, pixels.
        quality: JPEG quality.
    """

    seed: int = 0
    train: int = 36
    val: int = 8
    test: int = 20
    size: int = 320
    quality: int = 92

    def __post_init__(self) -> None:
        """Refuse counts and sizes that give no picture."""
        for name in ('train', 'val', 'test', 'size'):
            value = getattr(self, name)
            if value < 1:
                msg = f'`{name}` must be at least 1, got {value}'
                raise ValueError(msg)


def product_mask(cutout: Image.Image) -> Image.Image:
    """Return the product without its shadow: mode L, 0 or 255, size of ``cutout``."""
    alpha = np.asarray(cutout.getchannel('A'))
    return Image.fromarray(np.where(alpha > PRODUCT_ALPHA, 255, 0).astype(np.uint8))


def crop_background(image: Image.Image, size: int, rng: np.random.Generator) -> Image.Image:
    """Take a random square of 50 to 100 % of the short side, mirrored at random.

    Returns:
        RGB picture, ``size`` x ``size``.
    """
    side = round(rng.uniform(0.5, 1.0) * min(image.size))
    left = int(rng.integers(image.width - side + 1))
    top = int(rng.integers(image.height - side + 1))
    square = image.resize(
        (size, size), Image.Resampling.LANCZOS, box=(left, top, left + side, top + side)
    )
    return ImageOps.mirror(square) if rng.random() < 0.5 else square


def compose(
    cutout: Image.Image, background: Image.Image, rng: np.random.Generator
) -> tuple[Image.Image, Image.Image]:
    """Lay a cut-out with its shadow on a background, at a random size, position and direction.

    The product's longer side takes 45 to 85 % of the picture, and the product lies wholly in it.

    Args:
        cutout: RGBA picture with straight alpha.
        background: RGB picture, square.
        rng: Source of randomness.

    Returns:
        RGB picture of the background's size, and its true mask: mode L, the product's coverage of
        each pixel from 0 to 255, without the shadow.

    Raises:
        ValueError: The cut-out holds no opaque pixel.
    """
    size = background.width
    if rng.random() < 0.5:
        cutout = ImageOps.mirror(cutout)
    mask = product_mask(cutout)
    box = mask.getbbox()
    if box is None:
        msg = f'cutout holds no pixel whose alpha is above {PRODUCT_ALPHA}'
        raise ValueError(msg)
    left, top, right, bottom = box
    longer = max(right - left, bottom - top)
    scale = rng.uniform(0.45, 0.85) * size / longer
    shape = (max(1, round(cutout.width * scale)), max(1, round(cutout.height * scale)))
    x = round(rng.uniform(0, size - (right - left) * scale) - left * scale)
    y = round(rng.uniform(0, size - (bottom - top) * scale) - top * scale)
    layer = Image.new('RGBA', background.size)
    layer.paste(cutout.resize(shape, Image.Resampling.LANCZOS), (x, y))
    truth = Image.new('L', background.size)
    truth.paste(mask.resize(shape, Image.Resampling.BOX), (x, y))
    image = Image.alpha_composite(background.convert('RGBA'), layer).convert('RGB')
    return image, truth


def plan(recipe: Recipe) -> list[dict[str, Any]]:
    """List the pictures to make: file, split, label, product, cutout, background and seed.

    Each class goes in turn through all pairs of its cut-outs and the split's backgrounds.
    """
    entries = []
    for (s, split), (c, label) in itertools.product(
        enumerate(sources.SPLITS), enumerate(sources.CLASSES)
    ):
        cutouts = [
            (product, file)
            for product in sources.products_of(split)
            if product.label == label
            for file in product.files
        ]
        pairs = list(itertools.product(cutouts, sources.backgrounds_of(split)))
        order = np.random.default_rng([recipe.seed, s, c]).permutation(len(pairs))
        for i in range(getattr(recipe, split)):
            (product, file), background = pairs[order[i % len(pairs)]]
            entries.append(
                {
                    'file': f'{split}/{label}/{i:03d}_{file}_on_{background.name}.jpg',
                    'split': split,
                    'label': label,
                    'product': product.name,
                    'cutout': file,
                    'background': background.file,
                    'seed': [recipe.seed, s, c, i],
                }
            )
    return entries


def make_dataset(root: Path, wheel: Path, recipe: Recipe) -> dict[str, Any]:
    """Compose the labelled dataset under ``root``, or find it there unchanged.

    ``root/images/<split>/<class>/*.jpg`` are the pictures, ``root/alpha/...jpg.png`` their true
    masks, ``root/dataset.json`` is the index with the hash of every file, and ``root/LICENCES.md``
    has the credits.

    Args:
        root: Folder of the dataset; made again when its recipe or any file of it has changed.
        wheel: The verified wheel of the product cut-outs.
        recipe: What to make.

    Returns:
        The index: ``key`` (hash of all that decides the pictures), ``recipe``, ``reused`` and
        ``images`` (the entries of :func:`plan` with ``sha256`` and ``alpha_sha256``).

    Raises:
        FileExistsError: ``root`` is not a dataset of the demo, or must be made again but holds
            other files too.
    """
    paths = {b: sources.background_path(b) for b in sources.BACKGROUNDS}
    index: dict[str, Any] = {'key': _key(recipe, paths), 'recipe': asdict(recipe)}
    if (old := read_own(root, INDEX, _is_index)) is not None:
        if old['key'] == index['key'] and _is_intact(root, old):
            return {**old, 'reused': True}
        _remove(root, old)
    index['images'] = plan(recipe)
    # Written first: should the demo be killed, this says which files are its own.
    write_json(root / INDEX, index)
    backgrounds = {b.file: sources.load_background(path, b.tint) for b, path in paths.items()}
    index['images'] = [
        _write_picture(root, entry, wheel, backgrounds[entry['background']], recipe)
        for entry in index['images']
    ]
    (root / LICENCES).write_text(sources.licences(wheel), encoding='utf-8')
    write_json(root / INDEX, index)
    return {**index, 'reused': False}


def alpha_path(root: Path, file: str) -> Path:
    """Return the path of the true mask of the picture ``file``."""
    return root / 'alpha' / f'{file}.png'


def _key(recipe: Recipe, backgrounds: Mapping[sources.Background, Path]) -> str:
    """Hash everything that decides the pictures."""
    parts = {
        'version': _VERSION,
        'recipe': asdict(recipe),
        'wheel': sources.WHEEL_SHA256,
        'products': [asdict(product) for product in sources.PRODUCTS],
        'backgrounds': [asdict(background) for background in backgrounds],
        'files': {
            background.file: sources.sha256(path) for background, path in backgrounds.items()
        },
    }
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def _is_index(content: dict[str, Any]) -> bool:
    """Return whether :func:`make_dataset` wrote this, be it with another recipe or version."""
    return (
        {'key', 'recipe', 'images'} <= content.keys()
        and {'seed', *sources.SPLITS} <= content['recipe'].keys()
        and all({'file', 'cutout'} <= entry.keys() for entry in content['images'])
    )


def _files(root: Path, index: Mapping[str, Any]) -> dict[Path, str | None]:
    """Return the pictures and masks that an index names, with their hashes as far as known."""
    files = {}
    for entry in index['images']:
        files[root / 'images' / entry['file']] = entry.get('sha256')
        files[alpha_path(root, entry['file'])] = entry.get('alpha_sha256')
    return files


def _is_intact(root: Path, index: Mapping[str, Any]) -> bool:
    """Return whether all pictures and masks are as they were written, and no picture was added."""
    files = _files(root, index)
    return not strays(root / 'images', files) and all(
        path.is_file() and sources.sha256(path) == digest for path, digest in files.items()
    )


def _remove(root: Path, index: Mapping[str, Any]) -> None:
    """Remove a dataset that must be made again, unless it holds files of somebody else."""
    files = _files(root, index)
    for path in strays(root, {*files, root / INDEX, root / LICENCES}):
        if path.is_file() and sources.sha256(path) in files.values():
            continue  # a copy of one of ours: nothing is lost with it
        msg = (
            f'{printable(root)} must be made again, but holds a file that the demo did not make: '
            f'{printable(path.relative_to(root).as_posix())}. Move it away, or choose another --out'
        )
        raise FileExistsError(msg)
    shutil.rmtree(root)


def _write_picture(
    root: Path, entry: Mapping[str, Any], wheel: Path, background: Image.Image, recipe: Recipe
) -> dict[str, Any]:
    """Write a picture and its mask; return the plan's entry with the hashes of both files."""
    rng = np.random.default_rng(entry['seed'])
    background = crop_background(background, recipe.size, rng)
    image, truth = compose(sources.load_cutout(wheel, entry['cutout']), background, rng)
    image_path, truth_path = root / 'images' / entry['file'], alpha_path(root, entry['file'])
    for path in (image_path, truth_path):
        path.parent.mkdir(parents=True, exist_ok=True)
    image.save(image_path, quality=recipe.quality)
    truth.save(truth_path)
    hashes = {'sha256': sources.sha256(image_path), 'alpha_sha256': sources.sha256(truth_path)}
    return {**entry, **hashes}
