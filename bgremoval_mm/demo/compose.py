"""Product cut-outs on photographic backgrounds: one picture, and the labelled data set of them."""

from __future__ import annotations

import hashlib
import itertools
import json
import re
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageOps

from bgremoval_mm.demo import sources
from bgremoval_mm.utils.text import printable

INDEX = 'dataset.json'
LICENCES = 'LICENCES.md'
#: The cut-outs' alpha holds shadows and reflections, up to about 223; the products lie above.
PRODUCT_ALPHA = 223
#: Raised when the same parameters would give other pictures: old data sets are then made anew.
_VERSION = 1
_PICTURE = re.compile(r'images/\w+/\w+/\d{3}_.+\.jpg|alpha/\w+/\w+/\d{3}_.+\.jpg\.png')
_IGNORED = ('.DS_Store', 'Thumbs.db')  # which file managers leave


@dataclass(frozen=True)
class Recipe:
    """What decides how the data set looks.

    Attributes:
        seed: Seed of every random choice.
        train: Pictures a class for training.
        val: Pictures a class for validation.
        test: Pictures a class for testing.
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
    """Outline of the product without its shadow: mode L, 0 or 255, size of ``cutout``."""
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
    """Lay a cut-out with its shadow on a background at a random size, place and direction.

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
    """Compose the labelled data set under ``root``, or find it there unchanged.

    ``root/images/<split>/<class>/*.jpg`` are the pictures, ``root/alpha/...jpg.png`` their true
    masks, ``root/dataset.json`` the index with the hash of every file and ``root/LICENCES.md`` says
    whose pictures they are.

    Args:
        root: Folder of the data set; made anew when its recipe or any file of it has changed.
        wheel: The verified wheel of the product cut-outs.
        recipe: What to make.

    Returns:
        The index: ``key`` (hash of all that decides the pictures), ``recipe``, ``reused`` and
        ``images`` (the entries of :func:`plan` with ``sha256``).

    Raises:
        FileExistsError: ``root`` is there, but is no dataset of the demo, or holds other files too.
    """
    paths = {b.file: sources.background_path(b) for b in sources.BACKGROUNDS}
    key = _key(recipe, paths)
    if root.exists():
        index = _read_index(root)
        if index['key'] == key and _intact(root, index):
            return {**index, 'reused': True}
        _refuse_others(root, index['images'])
    partial = root.with_name(f'.{root.name}.partial')
    if partial.exists():
        # A killed demo can only have left pictures, of this recipe or of another.
        _refuse_others(partial)
        shutil.rmtree(partial)
    entries = _write_images(partial, wheel, recipe, paths)
    index = {'key': key, 'recipe': asdict(recipe), 'images': entries}
    (partial / INDEX).write_text(json.dumps(index, indent=1), encoding='utf-8')
    (partial / LICENCES).write_text(sources.licences(wheel), encoding='utf-8')
    if root.exists():
        shutil.rmtree(root)
    partial.replace(root)
    return {**index, 'reused': False}


def _key(recipe: Recipe, backgrounds: Mapping[str, Path]) -> str:
    """Hash of everything that decides the pictures."""
    parts = {
        'version': _VERSION,
        'recipe': asdict(recipe),
        'wheel': sources.WHEEL_SHA256,
        'products': [asdict(product) for product in sources.PRODUCTS],
        'backgrounds': [asdict(background) for background in sources.BACKGROUNDS],
        'files': {name: sources.sha256(path) for name, path in backgrounds.items()},
    }
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def _read_index(root: Path) -> dict[str, Any]:
    """Read the index, or refuse a folder that the demo did not make."""
    path = root / INDEX
    if not path.is_file():
        msg = f'{root} exists but holds no {INDEX}: move it away, or choose another --out'
        raise FileExistsError(msg)
    try:
        index = json.loads(path.read_text(encoding='utf-8'))
    except ValueError:
        index = None
    if not _is_index(index):
        msg = (
            f'{printable(root)} exists, but its {INDEX} is not one that the demo wrote: move the '
            'folder away, or choose another --out'
        )
        raise FileExistsError(msg)
    return dict(index)


def _is_index(content: Any) -> bool:
    """Whether this is what :func:`make_dataset` writes, be it of another recipe or version."""
    return (
        isinstance(content, dict)
        and re.fullmatch('[0-9a-f]{64}', str(content.get('key'))) is not None
        and isinstance(content.get('recipe'), dict)
        and {'seed', *sources.SPLITS} <= content['recipe'].keys()
        and isinstance(content.get('images'), list)
        and all(
            isinstance(entry, dict) and {'file', 'cutout', 'sha256', 'alpha_sha256'} <= entry.keys()
            for entry in content['images']
        )
    )


def _refuse_others(root: Path, entries: Sequence[Mapping[str, Any]] | None = None) -> None:
    """Refuse a folder in which there is more than the demo put there.

    Args:
        root: The folder.
        entries: The pictures that it put there; None: any that it could have.
    """
    if entries is None:
        made, hashes = None, frozenset[str]()
    else:
        files = [entry['file'] for entry in entries]
        made = {f'images/{file}' for file in files} | {f'alpha/{file}.png' for file in files}
        hashes = frozenset(entry[key] for entry in entries for key in ('sha256', 'alpha_sha256'))
    for path in sorted(root.rglob('*')):
        name = path.relative_to(root).as_posix()
        if (path.is_dir() and not path.is_symlink()) or path.name in _IGNORED:
            continue
        is_picture = name in made if made is not None else _PICTURE.fullmatch(name) is not None
        if is_picture or name in (INDEX, LICENCES):
            continue
        if path.is_file() and sources.sha256(path) in hashes:
            continue  # a copy of one of ours: nothing is lost with it
        msg = (
            f'{printable(root)} must be made anew, but holds a file that the demo did not make: '
            f'{printable(name)}. Move it away, or choose another --out'
        )
        raise FileExistsError(msg)


def _intact(root: Path, index: Mapping[str, Any]) -> bool:
    """Whether every picture and mask is as it was written, and no picture was added."""
    entries = index['images']
    if len(entries) != sum(path.is_file() for path in (root / 'images').rglob('*')):
        return False
    return all(
        path.is_file() and sources.sha256(path) == digest
        for entry in entries
        for path, digest in (
            (root / 'images' / entry['file'], entry['sha256']),
            (alpha_path(root, entry['file']), entry['alpha_sha256']),
        )
    )


def alpha_path(root: Path, file: str) -> Path:
    """Path of the true mask of the picture ``file``."""
    return root / 'alpha' / f'{file}.png'


def _write_images(
    root: Path, wheel: Path, recipe: Recipe, paths: Mapping[str, Path]
) -> list[dict[str, Any]]:
    """Write all pictures and masks; return the plan's entries with the files' hashes."""
    tints = {b.file: b.tint for b in sources.BACKGROUNDS}
    cutout_of = lru_cache(maxsize=8)(lambda file: sources.load_cutout(wheel, file))
    background_of = lru_cache(maxsize=None)(
        lambda file: sources.load_background(paths[file], tints[file])
    )
    entries = []
    for entry in plan(recipe):
        rng = np.random.default_rng(entry['seed'])
        background = crop_background(background_of(entry['background']), recipe.size, rng)
        image, truth = compose(cutout_of(entry['cutout']), background, rng)
        image_path, truth_path = root / 'images' / entry['file'], alpha_path(root, entry['file'])
        for path in (image_path, truth_path):
            path.parent.mkdir(parents=True, exist_ok=True)
        image.save(image_path, quality=recipe.quality)
        truth.save(truth_path)
        hashes = {'sha256': sources.sha256(image_path), 'alpha_sha256': sources.sha256(truth_path)}
        entries.append({**entry, **hashes})
    return entries
