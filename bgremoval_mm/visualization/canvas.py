"""The parts of all picture sheets: colours, text, rendering without a screen, saving.

Needs matplotlib (the extra ``demo``), so nothing that ``import bgremoval_mm`` loads may import it.
"""

from __future__ import annotations

from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from bgremoval_mm.removal.io.targets import MARK
from bgremoval_mm.utils.atomic import write_atomically

try:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
except ModuleNotFoundError as err:
    msg = 'picture sheets need matplotlib: pip install "bgremoval_mm[demo]"'
    raise ModuleNotFoundError(msg) from err

__all__ = [
    'FAINT',
    'INK',
    'RIGHT',
    'WRONG',
    'new_figure',
    'render',
    'save_jpeg',
    'save_png',
    'save_sheet',
    'shorten',
]

RIGHT, WRONG, INK, FAINT = '#1a7f37', '#cf222e', '#1f2328', '#6e7781'


def shorten(text: str, limit: int) -> str:
    """Cut a text to ``limit`` characters; its end is kept, where paths differ.

    >>> shorten('train/dress/0a1b.jpg', 12)
    '…ss/0a1b.jpg'
    """
    return text if len(text) <= limit else '…' + text[len(text) - limit + 1 :]


def new_figure(width: float, height: float) -> Figure:
    """Return an empty white figure of that size in inches, 150 pixels each."""
    return Figure(figsize=(width, height), dpi=150, facecolor='white')


def render(figure: Figure) -> Image.Image:
    """Turn a figure into an RGB picture."""
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return Image.fromarray(np.asarray(canvas.buffer_rgba())).convert('RGB')


def save_sheet(sheet: Image.Image, path: Path) -> None:
    """Write a sheet as PNG or JPEG, as the suffix of the path says."""
    (save_png if path.suffix.lower() == '.png' else save_jpeg)(sheet, path)


def save_png(sheet: Image.Image, path: Path) -> None:
    """Write a sheet as PNG, without a half-written file when interrupted."""
    mark = PngInfo()
    mark.add_text('Software', MARK.decode())
    _write(path, sheet, 'PNG', optimize=True, pnginfo=mark)


def save_jpeg(sheet: Image.Image, path: Path, width: int = 1100) -> None:
    """Write a sheet as a JPEG of ``width`` pixels, for a web page."""
    small = sheet.resize(
        (width, round(sheet.height * width / sheet.width)), Image.Resampling.LANCZOS
    )
    _write(path, small, 'JPEG', quality=85, optimize=True, progressive=True, comment=MARK)


def _write(path: Path, image: Image.Image, kind: str, **options: Any) -> None:
    buffer = BytesIO()
    image.save(buffer, kind, **options)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, buffer.getvalue())
