"""FashionStyle14: check a copy that was fetched by hand; make its stratified re-split."""

from __future__ import annotations

import argparse
from collections import Counter
from pathlib import Path

from bgremoval_mm.datasets.base.classification import SUBSETS
from bgremoval_mm.datasets.fashionstyle14 import (
    CLASSES,
    PAGE,
    how_to_get,
    read_subsets,
    split_files,
    split_name,
)
from bgremoval_mm.datasets.formats.split_lists import (
    TOP,
    ImageTree,
    Subset,
    match_with_disk,
    nfc,
    parse_list,
    shared_paths,
)
from bgremoval_mm.datasets.formats.stratified import split_folder
from bgremoval_mm.datasets.prepare.check_report import CheckReport, PreparationError, listing
from bgremoval_mm.datasets.prepare.images import report_photos, survey
from bgremoval_mm.datasets.prepare.install import Layout, install, is_there, link
from bgremoval_mm.removal.io.scan import Scan, scan_tree
from bgremoval_mm.utils.messages import what_is_at

LAYOUT = Layout('FashionStyle14', (TOP, *(f'{subset}.csv' for subset in SUBSETS)))
#: Number of images that the dataset's authors state, and that a user of the archive counted.
EXPECTED = {13_126: 'its paper', 13_234: 'a user of the archive'}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of the subcommand."""
    parser.epilog = f'Fetch the archive by hand from {PAGE}'
    parser.add_argument('root', type=Path, help='its folder, e.g. data/FashionStyle14_v1')
    parser.add_argument(
        '--src',
        type=Path,
        metavar='FOLDER|ZIP',
        help='put this copy, a folder or the zip file, to ROOT first',
    )
    parser.add_argument('--link', action='store_true', help='link ROOT to the --src folder')
    parser.add_argument(
        '--stratified',
        action='store_true',
        help='write the re-split of the images that are there: 60/5/35 %% of each class',
    )
    parser.add_argument('--seed', type=_seed, help='which re-split (default: 0)')
    parser.add_argument(
        '--split-dir', type=Path, metavar='FOLDER', help='for re-splits (default: ROOT/splits)'
    )


def run(args: argparse.Namespace) -> CheckReport:
    """Put the dataset in its place, if that was asked for, and check it."""
    notes = []
    if args.src is not None and is_there(args.root):
        notes.append(f'{args.root} was there already; to take {args.src} instead, move it away')
    elif args.src is not None:
        (link if args.link else install)(LAYOUT, args.src, args.root)
        notes.append(f'{args.src} was {"linked" if args.link else "copied"} to {args.root}')
    report = check(args.root, args.stratified, args.seed or 0, args.split_dir)
    report.notes = notes + report.notes
    return report


def check(
    root: Path,
    stratified: bool = False,
    seed: int = 0,
    split_dir: Path | None = None,
    progress: bool = True,
) -> CheckReport:
    """Read a copy through and compare it with its lists.

    Args:
        root: Folder of the dataset.
        stratified: Make the re-split, too. Errors in the official lists are warnings then.
        seed: Which re-split.
        split_dir: Folder for re-splits in place of ``<root>/splits``.
        progress: Show a progress bar.

    Raises:
        PreparationError: If it is no FashionStyle14.
    """
    if not (root / TOP).is_dir():
        msg = (
            f'{root} must be the folder of FashionStyle14, with {", ".join(LAYOUT.needed)} in it, '
            f'but {what_is_at(root)}. {how_to_get(root)}'
        )
        raise PreparationError(msg)
    report = CheckReport('FashionStyle14', str(root))
    scan = scan_tree(root / TOP)
    images = [f'{TOP}/{path}' for path in scan.images]
    _check_folders(report, scan)
    report_photos(report, survey(root, images, progress))
    official = _check_lists(report, root, stratified)
    _compare_with_lists(report, images, official, stratified)
    report.tables['on disk'] = {'images': _count(images)}
    if stratified:
        try:
            subsets = read_subsets(root, split_files(root, 'stratified', seed, split_dir))
        except (ValueError, OSError) as err:
            report.errors.append(f'no re-split: {err}')
        else:
            _add_split(report, split_name('stratified', seed, subsets), subsets)
            report.notes.append(f'the re-split is in {split_folder(root, seed, split_dir)}')
    return report


def _check_folders(report: CheckReport, scan: Scan) -> None:
    """Report what is in the folder of images, whatever the lists say."""
    stray = [path for path in scan.images if path.partition('/')[0] not in CLASSES]
    if stray:
        report.warnings.append(f'images in no folder of a class: {len(stray):,}{listing(stray)}')
    number = len(scan.images) - len(stray)
    stated = ' and '.join(f'{expected:,} ({who})' for expected, who in EXPECTED.items())
    text = f'{number:,} images are there; stated are {stated}'
    (report.notes if number in EXPECTED else report.warnings).append(text)
    if scan.unreadable:
        reasons = [f'{path}: {reason}' for path, reason in scan.unreadable.items()]
        report.errors.append(f'not everything can be opened:{listing(reasons)}')
    report.details |= {'images': number, 'stray': stray}


def _check_lists(report: CheckReport, root: Path, stratified: bool) -> dict[str, Subset]:
    """Read the official lists, as far as they can be read."""
    blame = report.warnings if stratified else report.errors
    tree = ImageTree.of(root, CLASSES)
    subsets = {}
    for name in SUBSETS:
        file = root / f'{name}.csv'
        if not file.is_file():
            blame.append(f'{file} is missing; --stratified makes lists of the images on disk')
            continue
        paths, problems = parse_list(file, CLASSES)
        subsets[name] = found = match_with_disk(file, paths, tree)
        if problems:
            blame.append(f'wrong lines in {file}: {len(problems):,}{listing(problems)}')
        if not found.paths:
            blame.append(f'no image that {file} lists is there')
            continue
        absent = [label for label in CLASSES if label not in found.counts]
        if absent:
            report.warnings.append(f'{file} has no image of {", ".join(absent)}')
        if found.missing:
            report.warnings.append(
                f'missing files of {file}: {len(found.missing):,}{listing(found.missing)}'
            )
        if found.duplicates:
            report.warnings.append(f'repeated lines in {file}: {found.duplicates:,}')
        report.details[name] = {
            'wrong_lines': problems,
            'missing': found.missing,
            'duplicate_lines': found.duplicates,
            'absent_classes': absent,
        }
    if len(subsets) == len(SUBSETS):
        _add_split(report, split_name('official', 0, subsets), subsets)
    return subsets


def _compare_with_lists(
    report: CheckReport, images: list[str], official: dict[str, Subset], stratified: bool
) -> None:
    """Report images in no list, and in several, and what is listed but no image."""
    listed = {nfc(path) for subset in official.values() for path in subset.paths}
    unlisted = [path for path in images if nfc(path) not in listed]
    # A name may have no suffix: then the content alone says that it is an image.
    strange = sorted(listed - set(map(nfc, images)))
    if strange:
        (report.warnings if stratified else report.errors).append(
            f'listed files that are not images, to be fetched again: {len(strange):,}'
            f'{listing(strange)}'
        )
    shared = shared_paths(official)
    if unlisted and official:
        report.warnings.append(f'images in no list: {len(unlisted):,}{listing(unlisted)}')
    if shared:
        report.warnings.append(f'images in more than one list: {len(shared):,}{listing(shared)}')
    report.details |= {
        'in_no_list': unlisted,
        'in_several_lists': shared,
        'listed_but_no_image': strange,
    }


def _add_split(report: CheckReport, name: str, subsets: dict[str, Subset]) -> None:
    report.tables[name] = {subset: _count(found.paths) for subset, found in subsets.items()}


def _count(paths: list[str] | tuple[str, ...]) -> Counter[str]:
    """Count the images of each class of the dataset."""
    counts = Counter(dict.fromkeys(CLASSES, 0))
    counts.update(label for path in paths if (label := path.split('/')[1]) in CLASSES)
    return counts


def _seed(text: str) -> int:
    if not text.isdecimal():
        msg = f'must be a whole number of at least 0, but got {text!r}'
        raise argparse.ArgumentTypeError(msg)
    return int(text)
