"""Clothing Co-Parsing (CCP): get it, check it, make label maps, instances and a split.

What is made goes to a folder beside the data set, which itself is only read:

    data/ccp-prepared/
      label_maps/<photo>.png              class index = CCP's label - 1; 255 is the background
      label_maps/{train,val}.txt          names of the photographs of each subset
      annotations/instances_{train,val}.json   COCO: all pixels of a label are one instance
"""

from __future__ import annotations

import argparse
import io
import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from bgremoval_mm.datasets.base.classification import first_few, what_is_at
from bgremoval_mm.datasets.formats.categories import CCP_CLASSES, IGNORED, prepared_folder
from bgremoval_mm.datasets.formats.label_maps import instances_of
from bgremoval_mm.datasets.formats.stratified import rank
from bgremoval_mm.datasets.prepare.check_report import Findings, PreparationError, listing
from bgremoval_mm.datasets.prepare.images import report_photos, survey
from bgremoval_mm.datasets.prepare.install import Layout, add_source_arguments, obtain
from bgremoval_mm.datasets.prepare.label_map_files import (
    image_size,
    is_label_map,
    write_label_map,
    write_list,
)
from bgremoval_mm.datasets.prepare.prepared import check_annotations, claim
from bgremoval_mm.removal.io.scan import is_litter
from bgremoval_mm.utils.atomic import sweep_leftovers, write_atomically
from bgremoval_mm.utils.parallel import add_workers_argument, for_each

URL = 'https://github.com/bearpaw/clothing-co-parsing/archive/HEAD.zip'
LAYOUT = Layout('CCP', ('photos', 'annotations', 'label_list.mat'))
#: Number of photographs with pixel-level annotation in the public set.
PUBLIC = 1_004
VAL_SHARE = 0.2
SEED = 0

_INFO = {'description': 'Clothing Co-Parsing, one instance a label and photograph'}
_BEGINNING = json.dumps({'info': _INFO}, separators=(',', ':')).encode()[:-1]
_LABELS = Path('annotations/pixel-level')


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of the subcommand."""
    add_source_arguments(parser, 'data/ccp')
    parser.add_argument(
        '--out',
        type=Path,
        metavar='FOLDER',
        help='for label maps and annotations (default: beside the data set, DST-prepared)',
    )
    add_workers_argument(parser)


def run(args: argparse.Namespace) -> Findings:
    """Get the data set if it is not there yet, check it, and prepare it."""
    note = obtain(LAYOUT, URL, args)
    findings = check(args.dst)
    findings.notes.insert(0, note)
    if findings.usable:
        prepare(args.dst, args.out or prepared_folder(args.dst), findings, args.workers)
    else:
        findings.notes.append('nothing was prepared')
    return findings


def check(root: Path, progress: bool = True) -> Findings:
    """See whether photographs, annotations and the list of labels are there, and belong together.

    Raises:
        PreparationError: If it is no CCP.
    """
    if not (root / 'photos').is_dir() or not (root / _LABELS).is_dir():
        msg = (
            f'{root} is not CCP: it must hold photos/, {_LABELS}/ and label_list.mat, but '
            f'{what_is_at(root)}'
        )
        raise PreparationError(msg)
    findings = Findings('CCP', str(root))
    labels = read_label_list(root / 'label_list.mat')
    if labels != ('null', *CCP_CLASSES):
        findings.errors.append(
            f'{root / "label_list.mat"} must hold null and the {len(CCP_CLASSES)} labels of CCP, '
            f'but holds {len(labels)}: {first_few(labels)}'
        )
    photos = set(_stems(root / 'photos', '*.jpg'))
    names = annotated(root)
    alone = sorted(set(names) - photos)
    if alone:
        findings.errors.append(
            f'annotations without a photograph, to be fetched: {len(alone):,}{listing(alone)}'
        )
    if not names:
        findings.errors.append(f'{root / _LABELS} holds no annotation (.mat)')
    spare = len(photos - set(names))
    if spare:
        findings.notes.append(f'photographs without annotation, and passed over: {spare:,}')
    if len(names) != PUBLIC:
        findings.warnings.append(
            f'the public set has {PUBLIC:,} annotated photographs, this copy {len(names):,}, so '
            'its split and its results differ'
        )
    report_photos(
        findings, survey(root, [f'photos/{name}.jpg' for name in names if name in photos], progress)
    )
    return findings


def annotated(root: Path) -> list[str]:
    """Return the names, e.g. ``'0001'``, of the photographs with pixel-level annotation, sorted."""
    return sorted(_stems(root / _LABELS, '*.mat'))


def _stems(folder: Path, pattern: str) -> list[str]:
    """Return the files' names without suffix, without what a Mac's archive holds beside them."""
    return [path.stem for path in folder.glob(pattern) if not is_litter(path.name)]


def split(names: Iterable[str], seed: int = SEED) -> dict[str, list[str]]:
    """Deal photographs out: 20 % validation, the rest training, by a hash of their names.

    Args:
        names: Names of the photographs.
        seed: Another number gives another split.

    Returns:
        Sorted names by subset, in the order train, val.
    """
    dealt = sorted(set(names), key=lambda name: rank(name, seed))
    vals = round(VAL_SHARE * len(dealt))
    return {'train': sorted(dealt[vals:]), 'val': sorted(dealt[:vals])}


def prepare(
    root: Path, out: Path, findings: Findings, workers: int | None = None, progress: bool = True
) -> None:
    """Write label maps, then annotations and lists, and say what went wrong.

    What is there and right already is left alone. Annotations and lists are written only if every
    photograph could be converted, so that no data set is smaller than it seems.

    Raises:
        PreparationError: If `out` has files of these names that somebody else wrote.
    """
    maps = out / 'label_maps'
    names = annotated(root)
    for subset in split(()):
        check_annotations(_annotation_file(out, subset), _BEGINNING)
    claim(maps, dict.fromkeys(split(()), (maps, names)))
    for folder in (maps, out / 'annotations'):
        folder.mkdir(parents=True, exist_ok=True)
        sweep_leftovers(folder)
    for subset in split(()):
        # A list says that all of its files are there. While they are made, it would be untrue.
        (maps / f'{subset}.txt').unlink(missing_ok=True)
    jobs = [(name, Job(root, maps, name)) for name in names]
    converted, failures = for_each(convert, jobs, 'Converting', workers, progress)
    findings.details['failed'] = failures
    if failures:
        reasons = [f'{name}: {reason}' for name, reason in failures.items()]
        findings.errors.append(
            f'annotations that cannot be converted, to be fetched again or deleted: '
            f'{len(failures):,}{listing(reasons)}'
        )
        return
    counts = {}
    for subset, members in split(names).items():
        content = coco({name: converted[name] for name in members})
        counts[subset] = Counter(dict.fromkeys(CCP_CLASSES, 0))
        counts[subset].update(CCP_CLASSES[each['category_id']] for each in content['annotations'])
        file = _annotation_file(out, subset)
        write_atomically(file, json.dumps(content, separators=(',', ':')).encode())
        write_list(maps / f'{subset}.txt', members)
        findings.notes.append(
            f'{subset}: {len(members):,} photographs, {len(content["annotations"]):,} instances'
        )
    findings.tables = {'CCP, instances': counts}
    findings.notes.append(f'label maps, annotations and lists are in {out}')


def _annotation_file(out: Path, subset: str) -> Path:
    return out / 'annotations' / f'instances_{subset}.json'


@dataclass(frozen=True)
class Job:
    """One photograph to convert.

    Attributes:
        root: Folder of the data set.
        maps: Folder of the label maps.
        name: Name of the photograph, without suffix.
    """

    root: Path
    maps: Path
    name: str


def convert(job: Job) -> dict[str, Any]:
    """Write the label map of a photograph, unless it is there, and find its instances.

    Returns:
        ``height`` and ``width`` in pixels, and ``instances`` (see `label_maps.instances_of`).

    Raises:
        ValueError: If the annotation holds other labels, or is not of the photograph's size.
    """
    labels = read_labels(job.root / _LABELS / f'{job.name}.mat')
    height, width = labels.shape
    size = image_size(job.root / 'photos' / f'{job.name}.jpg')
    if size != (height, width):
        msg = (
            f'the annotation has {width} x {height} pixels, but its photograph has {size[1]} x '
            f'{size[0]}'
        )
        raise ValueError(msg)
    # Modulo 256, so that 0, the background, becomes 255.
    indices = labels - np.uint8(1)
    path = job.maps / f'{job.name}.png'
    if not is_label_map(path, height, width) or not np.array_equal(_pixels(path), indices):
        write_label_map(path, indices)
    return {'height': height, 'width': width, 'instances': instances_of(indices)}


def coco(photos: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """A COCO data set.

    Args:
        photos: What `convert` returns, by name of the photograph.

    Returns:
        ``images`` (id = name as a number), ``annotations`` (ids from 1) and ``categories`` (ids
        from 0, in the order of CCP's labels).
    """
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for name, photo in photos.items():
        size = {'height': photo['height'], 'width': photo['width']}
        images.append({'id': int(name), 'file_name': f'{name}.jpg', **size})
        for instance in photo['instances']:
            annotations.append({'id': len(annotations) + 1, 'image_id': int(name), **instance})
    categories = [{'id': index, 'name': name} for index, name in enumerate(CCP_CLASSES)]
    return {
        'info': _INFO,
        'images': images,
        'annotations': annotations,
        'categories': categories,
    }


def read_labels(path: Path) -> np.ndarray:
    """The label map of a ``.mat`` file, uint8 of shape (H, W): 0 is the background.

    Raises:
        ValueError: If it is not what CCP has there.
    """
    from scipy.io import loadmat

    content = loadmat(io.BytesIO(path.read_bytes()))
    if 'groundtruth' not in content:
        names = sorted(name for name in content if not name.startswith('__'))
        msg = f'{path} must hold `groundtruth`, but holds {first_few(names) or "nothing"}'
        raise ValueError(msg)
    labels = content['groundtruth']
    if labels.ndim != 2 or labels.dtype.kind not in 'iu':
        msg = (
            f'`groundtruth` of {path} must be whole numbers of shape (height, width), but is '
            f'{labels.dtype} of shape {labels.shape}'
        )
        raise ValueError(msg)
    unknown = sorted({int(value) for value in np.unique(labels)} - set(range(len(CCP_CLASSES) + 1)))
    if unknown:
        msg = (
            f'`groundtruth` of {path} must hold labels from 0 to {len(CCP_CLASSES)}, but holds '
            f'{first_few([str(value) for value in unknown])}'
        )
        raise ValueError(msg)
    return labels.astype(np.uint8)


def read_label_list(path: Path) -> tuple[str, ...]:
    """Names of the labels, the background's first.

    Raises:
        PreparationError: If the file cannot be read.
    """
    from scipy.io import loadmat

    try:
        content = loadmat(io.BytesIO(path.read_bytes()))
        return tuple(str(cell[0]) for cell in content['label_list'].ravel())
    except Exception as err:
        # scipy raises what comes up while it decodes.
        msg = f'{path}, the list of the labels, cannot be read: {type(err).__name__}: {err}'
        raise PreparationError(msg) from err


def _pixels(path: Path) -> np.ndarray:
    try:
        with Image.open(path) as image:
            return np.asarray(image)
    except OSError:
        return np.full((0, 0), IGNORED, np.uint8)
