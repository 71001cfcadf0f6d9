"""Clothing Co-Parsing (CCP): get it, check it, make label maps, instances and a split.

What is made goes to a folder beside the dataset, which itself is only read:

    data/ccp-prepared/
      label_maps/<photo>.png              class index = CCP's label - 1; 255 is the background
      label_maps/{train,val}.txt          names of the photographs of each subset
      annotations/instances_{train,val}.json   COCO: all pixels of a label are one instance
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from bgremoval_mm.datasets.formats.categories import CCP_CLASSES, IGNORED, prepared_folder
from bgremoval_mm.datasets.formats.ccp import INFO, coco, read_label_list, read_labels
from bgremoval_mm.datasets.formats.label_maps import instances_of
from bgremoval_mm.datasets.prepare.check_report import CheckReport, PreparationError, listing
from bgremoval_mm.datasets.prepare.images import report_photos, survey
from bgremoval_mm.datasets.prepare.install import Layout, add_source_arguments, obtain
from bgremoval_mm.datasets.prepare.label_map_files import (
    image_size,
    is_label_map,
    write_label_map,
    write_list,
)
from bgremoval_mm.datasets.prepare.prepared import check_annotations, claim
from bgremoval_mm.removal.errors import ArgumentError
from bgremoval_mm.removal.io.scan import is_litter
from bgremoval_mm.utils.atomic import sweep_leftovers, write_atomically
from bgremoval_mm.utils.messages import first_few, what_is_at
from bgremoval_mm.utils.parallel import add_workers_argument, for_each
from bgremoval_mm.utils.sampling import hash_order

URL = 'https://github.com/bearpaw/clothing-co-parsing/archive/HEAD.zip'
LAYOUT = Layout('CCP', ('photos', 'annotations', 'label_list.mat'))
#: Number of photographs with pixel-level annotation in the public set.
PUBLIC = 1_004
VAL_SHARE = 0.2
SEED = 0

_BEGINNING = json.dumps({'info': INFO}, separators=(',', ':')).encode()[:-1]
_LABELS = Path('annotations/pixel-level')


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of the subcommand."""
    add_source_arguments(parser, 'data/ccp')
    parser.add_argument(
        '--out',
        type=Path,
        metavar='FOLDER',
        help='for label maps and annotations (default: beside the dataset, DST-prepared)',
    )
    add_workers_argument(parser)


def run(args: argparse.Namespace) -> CheckReport:
    """Get the dataset if it is not there yet, check it, and prepare it."""
    note = obtain(LAYOUT, URL, args)
    report = check(args.dst)
    report.notes.insert(0, note)
    if report.usable:
        prepare(args.dst, args.out or prepared_folder(args.dst), report, args.workers)
    else:
        report.notes.append('nothing was prepared')
    return report


def check(root: Path, progress: bool = True) -> CheckReport:
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
    report = CheckReport('CCP', str(root))
    labels = read_label_list(root / 'label_list.mat')
    if labels != ('null', *CCP_CLASSES):
        report.errors.append(
            f'{root / "label_list.mat"} must hold null and the {len(CCP_CLASSES)} labels of CCP, '
            f'but holds {len(labels)}: {first_few(labels)}'
        )
    photos = set(_stems(root / 'photos', '*.jpg'))
    names = annotated(root)
    alone = sorted(set(names) - photos)
    if alone:
        report.errors.append(
            f'annotations without a photograph, to be fetched: {len(alone):,}{listing(alone)}'
        )
    # The number is the id of the image.
    numbers = Counter(int(name) if name.isdecimal() else None for name in names)
    odd = [name for name in names if not name.isdecimal() or numbers[int(name)] > 1]
    if odd:
        report.errors.append(
            f'annotations that must have a number of their own as name: {len(odd):,}{listing(odd)}'
        )
    if not names:
        report.errors.append(f'{root / _LABELS} holds no annotation (.mat)')
    spare = len(photos - set(names))
    if spare:
        report.notes.append(f'photographs without annotation, and ignored: {spare:,}')
    if len(names) != PUBLIC:
        report.warnings.append(
            f'the public set has {PUBLIC:,} annotated photographs, this copy {len(names):,}, so '
            'its split and its results differ'
        )
    report_photos(
        report, survey(root, [f'photos/{name}.jpg' for name in names if name in photos], progress)
    )
    return report


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
    dealt = sorted(set(names), key=lambda name: hash_order(name, seed))
    vals = round(VAL_SHARE * len(dealt))
    return {'train': sorted(dealt[vals:]), 'val': sorted(dealt[:vals])}


def prepare(
    root: Path, out: Path, report: CheckReport, workers: int | None = None, progress: bool = True
) -> None:
    """Write label maps, then annotations and lists, and say what went wrong.

    What is there and right already is left alone. Annotations and lists are written only if every
    photograph could be converted, so that no dataset is smaller than it seems.

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
        # They say that all of their files are there. While those are made, it would be untrue.
        (maps / f'{subset}.txt').unlink(missing_ok=True)
        _annotation_file(out, subset).unlink(missing_ok=True)
    jobs = [(name, Conversion(root, maps, name)) for name in names]
    converted, failures = for_each(convert, jobs, 'Converting', workers, progress)
    report.details['failed'] = failures
    if failures:
        reasons = [f'{name}: {reason}' for name, reason in failures.items()]
        report.errors.append(
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
        report.notes.append(
            f'{subset}: {len(members):,} photographs, {len(content["annotations"]):,} instances'
        )
    report.tables = {'CCP, instances': counts}
    report.notes.append(f'label maps, annotations and lists are in {out}')


def _annotation_file(out: Path, subset: str) -> Path:
    return out / 'annotations' / f'instances_{subset}.json'


@dataclass(frozen=True)
class Conversion:
    """One photograph to convert.

    Attributes:
        root: Folder of the dataset.
        maps: Folder of the label maps.
        name: Name of the photograph, without suffix.
    """

    root: Path
    maps: Path
    name: str


def convert(job: Conversion) -> dict[str, Any]:
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
        raise ArgumentError(msg)
    # Modulo 256, so that 0, the background, becomes 255.
    indices = labels - np.uint8(1)
    path = job.maps / f'{job.name}.png'
    if not is_label_map(path, height, width) or not np.array_equal(_pixels(path), indices):
        write_label_map(path, indices)
    return {'height': height, 'width': width, 'instances': instances_of(indices)}


def _pixels(path: Path) -> np.ndarray:
    try:
        with Image.open(path) as image:
            return np.asarray(image)
    except OSError:
        return np.full((0, 0), IGNORED, np.uint8)
