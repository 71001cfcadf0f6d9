"""The page on which a person judges suspicious masks: sorted, filtered, kept or rejected.

The folder holds ``index.html``, which needs no network, two pictures of each mask below
``pictures/``, the photo and what was made of it, and ``bgremoval-review.json``, which lists them;
it can be zipped and sent. Results have transparency: the page shows them on any colour.
"""

from __future__ import annotations

import io
import json
from collections import Counter
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from tqdm import tqdm

from bgremoval_mm.removal import CutoutFolder, ImageError, Manifest, MaskStore
from bgremoval_mm.removal.errors import ArgumentError, BgremovalError
from bgremoval_mm.removal.images.opening import pixel_limit
from bgremoval_mm.removal.images.thumbnails import thumbnail
from bgremoval_mm.removal.io.addresses import lies_in, local_path
from bgremoval_mm.removal.io.manifest import Record
from bgremoval_mm.removal.masks.functional import resize
from bgremoval_mm.removal.outputs.base import OutputFolder
from bgremoval_mm.removal.outputs.results import FRAMING, describe_settings, suffix_of
from bgremoval_mm.removal.review.folder import ReviewFolder
from bgremoval_mm.removal.review.ranking import quality_of, rank, what_is_in
from bgremoval_mm.removal.review.verdicts import exact_form
from bgremoval_mm.removal.zoo.catalogue import recorded_model
from bgremoval_mm.utils.atomic import write_atomically
from bgremoval_mm.utils.text import printable

__all__ = ['SIDE', 'check_folder', 'open_results', 'write_review']

SIDE = 1280  # pixels
_WEBP_SIDE = 16_383  # the format holds no more
_LARGEST_CANVAS = _WEBP_SIDE**2


def open_results(
    root: str | Path, model: str | Path = 'u2net', output: str | None = None
) -> OutputFolder:
    """Open the results of a job, whatever its output was.

    Args:
        root: DST of the job.
        model: Name of its model, or the path of its ONNX file, where DST is a mask store.
        output: The job's output. None takes what DST holds: of a mask store and full-size files,
            those that were made last.

    Raises:
        FileNotFoundError: There is no manifest.
    """
    files_made, store = Manifest(root), MaskStore(root, model)
    if output == 'store':
        first = None
    else:
        first = next((r for r in files_made.records() if r.params.get('output') != 'store'), None)
    if first is not None and output is None and store.manifest.exists():
        first = first if _newest(files_made) >= _newest(store.manifest) else None
    if first is not None:
        # The folder may hold results of several runs: `_result` reads each image's own record.
        made_by = recorded_model(first.model, first.model_hash)
        return CutoutFolder(root, first.params.get('output', 'rgba'), made_by)
    if not store.manifest.exists():
        where = local_path(root)
        hint = 'give DST of the job, and --model' if where is None else what_is_in(where)
        msg = (
            f'there are no results in {printable(root)}, neither full-size files nor '
            f'{printable(store.manifest.address)}: {hint}'
        )
        raise FileNotFoundError(msg)
    return store


def _newest(manifest: Manifest) -> float:
    return max((record.time for record in manifest.records()), default=0.0)


def check_folder(folder: Path, images: Path, results: str | Path | None = None) -> None:
    """Refuse a folder whose pictures would be taken for images, or that is another's.

    Args:
        folder: Where the review is to go.
        images: The folder of images.
        results: DST of the job, if it is known.

    Raises:
        ArgumentError: It lies in the image folder, holds the results, or has files that no review
            wrote; or there is no image folder.
    """
    if not images.exists():
        msg = f'the review shows the images beside their masks, but there is no {printable(images)}'
        raise ArgumentError(msg)
    if lies_in(folder, images):
        msg = (
            f'the review would lie in {printable(folder)}, inside the image folder '
            f'{printable(images)}, and its pictures be taken for images by the next run: choose a '
            'folder outside it'
        )
        raise ArgumentError(msg)
    if results is not None and lies_in(results, folder):
        msg = (
            f'the review needs a folder of its own, but {printable(folder)} is where the results '
            'are: choose another folder'
        )
        raise ArgumentError(msg)
    ReviewFolder(folder)


def write_review(
    folder: Path,
    results: OutputFolder,
    images: Path,
    everything: bool = False,
    progress: bool = True,
    side: int = SIDE,
) -> Path:
    """Write the page.

    Args:
        folder: Where it goes; an earlier review there is replaced, once this one is complete.
        results: The results of a job.
        images: The folder of images that they mirror.
        everything: Show all masks, not only those that are flagged.
        progress: Show a progress bar.
        side: The longer side of the pictures in pixels, unless the photos are smaller.

    Returns:
        Path of the page.

    Raises:
        ArgumentError: If the folder will not do (see `check_folder`), or `side` is not
            possible.
    """
    if not 1 <= side <= _WEBP_SIDE:
        msg = f'`side` must be from 1 to {_WEBP_SIDE} pixels, but got {side!r}'
        raise ArgumentError(msg)
    check_folder(folder, images, results.storage.address)
    target = ReviewFolder(folder)
    ranking = rank(results.manifest.read().values())
    shown = [record for record in ranking.masks if everything or quality_of(record).flags]
    stems = target.begin(len(shown))
    draw = partial(_draw, results=results, images=images, folder=folder, side=side)
    with ThreadPoolExecutor() as pool:
        drawn = tqdm(
            pool.map(draw, shown, stems),
            'review',
            len(shown),
            unit=' images',
            disable=None if progress else True,
            leave=False,
        )
        try:
            cards = [_card(record, each) for record, each in zip(shown, drawn, strict=True)]
        except BaseException:  # Ctrl-C need not wait for thousands of pictures
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    data = {
        'title': printable(f'{results.spec.name}, {results.storage.address}'),
        'heading': '; '.join([ranking.heading(), *_mixture(ranking.masks)]),
        'cards': cards,
        'failed': [
            {'path': printable(record.path), 'reason': printable(record.error)}
            for record in ranking.failed
        ],
    }
    # `</script>` within a file's name must not end the script.
    text = json.dumps(data, separators=(',', ':')).replace('<', '\\u003c')
    page = files(__package__).joinpath('review.html').read_text(encoding='utf-8')
    written = [card[key] for card in cards for key in ('photo', 'result') if card[key]]
    return target.finish(page.replace('"{{data}}"', text), written)


def _mixture(records: Iterable[Record]) -> list[str]:
    """Name the settings where one folder holds results of several."""
    kinds = Counter(map(describe_settings, records))
    return [f'{number:,} with {kind}' for kind, number in kinds.items()] if len(kinds) > 1 else []


def _card(record: Record, drawn: dict[str, str]) -> dict[str, Any]:
    quality = quality_of(record)
    return {
        **_name(record.path),
        **drawn,
        'made': record.time,
        'flags': quality.flags,
        'suspicion': round(quality.suspicion, 2),
        'confidence': quality.confidence,
        'foreground': quality.foreground,
        'border': quality.border,
        'components': quality.components,
        'disagreement': quality.disagreement,
    }


def _name(path: str) -> dict[str, str]:
    """Return a file's name: exact, as shown if that differs, as bytes if a page cannot hold it."""
    shown = printable(path)
    try:
        path.encode()
    except UnicodeEncodeError:
        return {'path': shown, 'bytes': exact_form(path)}
    return {'path': path} if shown == path else {'path': path, 'shown': shown}


def _draw(
    record: Record, stem: str, results: OutputFolder, images: Path, folder: Path, side: int
) -> dict[str, str]:
    """Draw photo and result: the names of their pictures, if there are any, and what is wrong."""
    drawn = {'photo': '', 'result': '', 'trouble': ''}
    try:
        photo = thumbnail(images / record.path, side, record.max_pixels, record.max_bytes)
    except (ImageError, OSError) as err:
        return drawn | {'trouble': printable(f'the image cannot be shown: {err}')}
    drawn['photo'] = f'{stem}.jpg'
    _save(Image.fromarray(photo), folder / drawn['photo'], 'JPEG')
    try:
        result = _result(record, results, photo)
    except (BgremovalError, OSError) as err:
        return drawn | {'trouble': printable(f'the result cannot be shown: {err}')}
    drawn['result'] = f'{stem}.webp'
    _save(result, folder / drawn['result'], 'WEBP', method=2)
    return drawn


def _save(picture: Image.Image, path: Path, file_format: str, **options: Any) -> None:
    buffer = io.BytesIO()
    picture.save(buffer, file_format, quality=85, **options)
    write_atomically(path, buffer.getvalue())


def _result(record: Record, results: OutputFolder, photo: np.ndarray) -> Image.Image:
    """Return the job's result, as large as the photo, with transparency where it has a mask."""
    size = (photo.shape[1], photo.shape[0])
    if isinstance(results, MaskStore):
        stored = results.get(record.path)
        if stored is None:
            raise FileNotFoundError(results.name(record.path))
        return Image.fromarray(np.dstack([photo, resize(stored.mask, size)]))
    # A folder may hold results of several runs, so the record's own settings count.
    name = results.name(record.path).removesuffix(results.suffix) + suffix_of(record)
    content = io.BytesIO(results.storage.read(name))
    with pixel_limit(max(record.max_pixels, _LARGEST_CANVAS)), Image.open(content) as picture:
        if record.params.get('output') == 'mask' and not FRAMING & record.params.keys():
            mask = np.asarray(picture.convert('L').resize(size))
            return Image.fromarray(np.dstack([photo, mask]))
        # Its shape may differ from the photo's: it may have been trimmed.
        result = picture.convert('RGBA' if 'A' in picture.getbands() else 'RGB')
        if picture.size == record.size:
            return result.resize(size)
        result.thumbnail((max(size), max(size)))
        return result
