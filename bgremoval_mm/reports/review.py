"""A page on which a person judges suspicious masks: sorted, filtered, kept or rejected.

The folder holds ``index.html``, which needs no network, a picture of each mask below
``pictures/``, and nothing else; it can be zipped and sent.
"""

from __future__ import annotations

import io
import json
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from importlib.resources import files
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from tqdm import tqdm

from bgremoval_mm.removal import CutoutFolder, ImageError, Manifest, MaskStore, compose
from bgremoval_mm.removal.files import write_atomically
from bgremoval_mm.removal.manifest import Record
from bgremoval_mm.removal.masks import resize
from bgremoval_mm.removal.output import OutputFolder
from bgremoval_mm.removal.store import StoredMaskError
from bgremoval_mm.reports.mask_ranking import rank
from bgremoval_mm.reports.thumbnails import thumbnail

__all__ = ['check_folder', 'open_results', 'write_review']

_SIDE = 320  # pixels
_GREEN = (0, 177, 64)  # the colour of studio screens: nothing that is photographed hides on it


def open_results(root: str | Path, model: str = 'u2net') -> OutputFolder:
    """The results of a job, whatever its output was.

    Args:
        root: DST of the job.
        model: Name of its model, where DST is a mask store.

    Raises:
        FileNotFoundError: There is no manifest.
    """
    manifest = Manifest(Path(root))
    if manifest.exists():
        record = next(manifest.records(), None)
        if record is not None and record.params.get('output') != 'store':
            params = record.params
            return CutoutFolder(
                root,
                params['output'],
                record.model,
                params.get('fill', 0),
                params.get('precision', 'fp32'),
                params.get('format', 'png'),
            )
    store = MaskStore(root, model)
    if not store.manifest.exists():
        msg = (
            f'there are no results in {root}: neither {manifest.address} nor '
            f'{store.manifest.address} is there. Give DST of the job, and --model'
        )
        raise FileNotFoundError(msg)
    return store


def check_folder(folder: Path, images: Path) -> None:
    """Refuse a folder whose pictures would be taken for images.

    Raises:
        ValueError: It lies in the image folder, or is one that no review was written to.
    """
    if folder.resolve().is_relative_to(images.resolve()):
        msg = (
            f'the review would lie in {folder}, inside the image folder {images}, and its pictures '
            'be taken for images by the next run: choose a folder outside it'
        )
        raise ValueError(msg)
    if folder.exists() and any(folder.iterdir()) and not (folder / 'index.html').is_file():
        msg = f'the review needs a folder of its own, but {folder} has other files'
        raise ValueError(msg)


def write_review(
    folder: Path,
    results: OutputFolder,
    images: Path,
    everything: bool = False,
    progress: bool = True,
) -> Path:
    """Write the page.

    Args:
        folder: Where it goes; an earlier review there is replaced.
        results: The results of a job.
        images: The folder of images that they mirror.
        everything: Show all masks, not only those that are flagged.
        progress: Show a progress bar.

    Returns:
        Path of the page.

    Raises:
        ValueError: If the folder will not do (see `check_folder`).
    """
    check_folder(folder, images)
    ranking = rank(results.manifest.read().values())
    shown = [
        record
        for record in ranking.masks
        if everything or record.quality is None or record.quality.flags
    ]
    pictures = folder / 'pictures'
    pictures.mkdir(parents=True, exist_ok=True)
    for old in pictures.glob('*.jpg'):
        old.unlink()
    draw = partial(_draw, results=results, images=images, folder=folder)
    with ThreadPoolExecutor() as pool:
        drawn = tqdm(
            pool.map(draw, shown, count()),
            'review',
            len(shown),
            unit=' images',
            disable=not progress,
            leave=False,
        )
        cards = [_card(record, *each) for record, each in zip(shown, drawn, strict=True)]
    data = {
        'title': f'{results.spec.name}, {results.place.address}',
        'heading': ranking.heading(),
        'cards': cards,
        'failed': [{'path': _text(r.path), 'reason': _text(r.error)} for r in ranking.failed],
    }
    # `</script>` within a file's name must not end the script.
    text = json.dumps(data, separators=(',', ':')).replace('<', '\\u003c')
    page = files('bgremoval_mm.reports').joinpath('review.html').read_text(encoding='utf-8')
    write_atomically(folder / 'index.html', page.replace('"{{data}}"', text).encode())
    return folder / 'index.html'


def _card(record: Record, picture: str, trouble: str) -> dict[str, Any]:
    quality = record.quality
    return {
        'path': _text(record.path),
        'picture': picture,
        'trouble': _text(trouble),
        'flags': list(quality.flags) if quality else ['no figures'],
        'confidence': quality.confidence if quality else 0,
        'foreground': quality.foreground if quality else 0,
        'border': quality.border if quality else 0,
        'components': quality.components if quality else 0,
        'disagreement': quality.disagreement if quality else None,
    }


def _draw(
    record: Record, index: int, results: OutputFolder, images: Path, folder: Path
) -> tuple[str, str]:
    """Original and result side by side: name of the picture below `folder`, and what is wrong."""
    trouble = ''
    try:
        photo = thumbnail(images / record.path, _SIDE)
    except (ImageError, OSError) as err:
        return '', f'the image cannot be shown: {err}'
    halves = [photo]
    try:
        halves.append(_result(record.path, results, photo))
    except (StoredMaskError, ImageError, OSError) as err:
        trouble = f'the result cannot be shown: {err}'
    buffer = io.BytesIO()
    Image.fromarray(np.hstack(halves)).save(buffer, 'JPEG', quality=85)
    name = f'pictures/{index:06}.jpg'
    write_atomically(folder / name, buffer.getvalue())
    return name, trouble


def _result(image: str, results: OutputFolder, photo: np.ndarray) -> np.ndarray:
    """What the job made of a photo, at the photo's size; on green where it has a mask."""
    size = (photo.shape[1], photo.shape[0])
    if isinstance(results, MaskStore):
        stored = results.get(image)
        if stored is None:
            raise FileNotFoundError(results.name(image))
        return compose(photo, resize(stored.mask, size), _GREEN)
    with Image.open(results.path(image)) as picture:
        if results.params['output'] == 'rgb':
            return np.asarray(picture.convert('RGB').resize(size))
        channel = picture.getchannel('A') if picture.mode == 'RGBA' else picture.convert('L')
        return compose(photo, np.asarray(channel.resize(size)), _GREEN)


def _text(text: str) -> str:
    """Text that JSON and a page can hold: a name's undecodable bytes become ``?``."""
    return text.encode(errors='replace').decode()
