"""Fashionpedia: check a copy that was fetched by hand; draw its label maps."""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bgremoval_mm.datasets.formats.categories import FASHIONPEDIA_CLASSES, prepared_folder
from bgremoval_mm.datasets.formats.coco import check_coco, read_coco
from bgremoval_mm.datasets.formats.label_maps import draw_label_map
from bgremoval_mm.datasets.prepare.check_report import CheckReport, PreparationError, listing
from bgremoval_mm.datasets.prepare.label_map_files import (
    image_size,
    is_label_map,
    write_label_map,
    write_list,
)
from bgremoval_mm.datasets.prepare.prepared import claim
from bgremoval_mm.removal.errors import ArgumentError
from bgremoval_mm.utils.atomic import sweep_leftovers
from bgremoval_mm.utils.messages import what_is_at
from bgremoval_mm.utils.parallel import add_workers_argument, for_each

PAGE = 'https://github.com/cvdfoundation/fashionpedia'
#: Number of images by subset.
IMAGES = {'train': 45_623, 'val': 1_158}
#: Folder of the images; those of validation and test are in one archive.
FOLDERS = {'train': 'train', 'val': 'test'}
_SUFFIX = '.jpg'


def annotation_file(subset: str) -> str:
    """Return the path of an annotation file below the dataset's folder."""
    return f'annotations/instances_attributes_{subset}2020.json'


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of the subcommand."""
    parser.epilog = f'Fetch images and annotations by hand, see {PAGE}'
    parser.add_argument('root', type=Path, help='its folder, e.g. data/fashionpedia')
    parser.add_argument(
        '--label-maps', action='store_true', help='draw label maps, for semantic segmentation'
    )
    parser.add_argument(
        '--with-background',
        action='store_true',
        help='make the background class 46 instead of 255, which is ignored (own folder)',
    )
    parser.add_argument(
        '--out', type=Path, metavar='FOLDER', help='for label maps (default: ROOT-prepared)'
    )
    parser.add_argument('--redraw', action='store_true', help='also draw those that are there')
    add_workers_argument(parser)


def run(args: argparse.Namespace) -> CheckReport:
    """Check the dataset, and draw label maps if that was asked for."""
    report, contents = check(args.root, args.workers)
    if not (args.label_maps or args.with_background):
        return report
    if not report.usable:
        report.notes.append('no label map was drawn')
        return report
    top = 'label_maps_with_background' if args.with_background else 'label_maps'
    out = (args.out or prepared_folder(args.root)) / top
    stems = {
        subset: (out / subset, [_stem(image) for image in content['images']])
        for subset, content in contents.items()
    }
    claim(out, stems)
    for subset, content in contents.items():
        draw_all(
            content, out, subset, report, args.with_background, args.redraw, args.workers
        )  # fmt: skip
    return report


def check(
    root: Path, workers: int | None = None, progress: bool = True
) -> tuple[CheckReport, dict[str, Any]]:
    """Look at annotation files, and at each image's size.

    Args:
        root: Folder of the dataset.
        workers: Number of processes.
        progress: Show progress bars, if there is a terminal.

    Returns:
        What was found, and the content of the annotation files that are right, by subset.

    Raises:
        PreparationError: If there is no such folder.
    """
    if not root.is_dir():
        msg = f'{root} must be the folder of Fashionpedia, but {what_is_at(root)}. See {PAGE}'
        raise PreparationError(msg)
    report = CheckReport('Fashionpedia', str(root))
    counts, contents = {}, {}
    for subset, expected in IMAGES.items():
        file = root / annotation_file(subset)
        try:
            content = read_coco(file)
            tally = check_coco(content, FASHIONPEDIA_CLASSES, file)
        except FileNotFoundError:
            strays = [str(path) for path in root.rglob(file.name)]
            hint = f'move {strays[0]} there' if strays else f'fetch it, see {PAGE}'
            report.errors.append(f'{file} is missing: {hint}')
            continue
        except ValueError as err:
            report.errors.append(str(err))
            continue
        report.notes.append(f'{subset}: {tally}')
        if tally.images != expected:
            report.warnings.append(
                f'{file} has {tally.images:,} images; the published one has {expected:,}, so '
                'results differ'
            )
        if any(each['id'] == 0 for each in content['annotations']):
            report.warnings.append(
                f'{file}: an annotation has the id 0, which COCOeval takes for "not found"; even '
                'perfect predictions score a little below 1'
            )
        counts[subset] = Counter(dict.fromkeys(FASHIONPEDIA_CLASSES, 0))
        counts[subset].update(
            FASHIONPEDIA_CLASSES[each['category_id']] for each in content['annotations']
        )
        check_images(root, subset, content['images'], report, workers, progress)
        contents[subset] = content
    if counts:
        report.tables = {'Fashionpedia, instances': counts}
    return report, contents


def check_images(
    root: Path,
    subset: str,
    images: Sequence[dict[str, Any]],
    report: CheckReport,
    workers: int | None = None,
    progress: bool = True,
) -> None:
    """Say which images are missing, unreadable, or not of the size that annotations say."""
    folder = root / FOLDERS[subset]
    there = {path.name for path in folder.iterdir()} if folder.is_dir() else set()
    names = [image['file_name'] for image in images]
    odd = [name for name in names if '/' in name or not name.endswith(_SUFFIX)]
    missing = [name for name in names if name not in there]
    jobs = [
        (image['file_name'], (folder / image['file_name'], image['height'], image['width']))
        for image in images
        if image['file_name'] in there
    ]
    _, wrong = for_each(check_size, jobs, f'Looking at {subset} images', workers, progress)
    for what, found in (
        (f'file names that are not NAME{_SUFFIX}', odd),
        (f'images missing in {folder}', missing),
        (f'images in {folder} that do not fit', [f'{name}: {wrong[name]}' for name in wrong]),
    ):
        if found:
            report.errors.append(f'{subset}: {what}: {len(found):,}{listing(found)}')
    report.details[subset] = {'odd_names': odd, 'missing': missing, 'wrong': wrong}


def check_size(job: tuple[Path, int, int]) -> None:
    """Raise ValueError if an image has not the size in its annotation."""
    path, height, width = job
    found = image_size(path)
    if found != (height, width):
        msg = f'{found[1]} x {found[0]} pixels, but {width} x {height} in the annotations'
        raise ArgumentError(msg)


@dataclass(frozen=True)
class Drawing:
    """One label map to draw.

    Attributes:
        path: The file.
        annotations: The image's.
        height: Height of the image in pixels.
        width: Width of the image in pixels.
        with_background: Whether the background is a class.
    """

    path: Path
    annotations: list[dict[str, Any]]
    height: int
    width: int
    with_background: bool


def draw(drawing: Drawing) -> None:
    """Draw a label map and write it."""
    labels = draw_label_map(
        drawing.annotations, drawing.height, drawing.width, drawing.with_background
    )
    write_label_map(drawing.path, labels)


def _stem(image: dict[str, Any]) -> str:
    return str(image['file_name']).removesuffix(_SUFFIX)


def draw_all(
    content: dict[str, Any],
    out: Path,
    subset: str,
    report: CheckReport,
    with_background: bool = False,
    redraw: bool = False,
    workers: int | None = None,
    progress: bool = True,
) -> None:
    """Draw the label maps of a subset into ``<out>/<subset>``, then list them.

    What is there is left alone unless `redraw` is set. The list is only written if every map could
    be drawn.
    """
    folder = out / subset
    folder.mkdir(parents=True, exist_ok=True)
    sweep_leftovers(folder)
    (out / f'{subset}.txt').unlink(missing_ok=True)
    by_image: dict[Any, list[dict[str, Any]]] = {image['id']: [] for image in content['images']}
    for each in content['annotations']:
        by_image[each['image_id']].append(
            {key: each[key] for key in ('id', 'category_id', 'segmentation')}
        )
    jobs, names = [], []
    for image in content['images']:
        name = _stem(image)
        names.append(name)
        path, height, width = folder / f'{name}.png', image['height'], image['width']
        if redraw or not is_label_map(path, height, width):
            drawing = Drawing(path, by_image[image['id']], height, width, with_background)
            jobs.append((name, drawing))
    _, failures = for_each(draw, jobs, f'Drawing {subset} label maps', workers, progress)
    report.details.setdefault('not_drawn', {})[subset] = failures
    if failures:
        reasons = [f'{name}: {reason}' for name, reason in failures.items()]
        report.errors.append(
            f'{subset}: label maps that cannot be drawn: {len(failures):,}{listing(reasons)}'
        )
        return
    write_list(out / f'{subset}.txt', names)
    report.notes.append(
        f'{subset}: {len(jobs):,} label maps drawn, {len(names) - len(jobs):,} were there, in '
        f'{folder}'
    )
