"""FashionStyle14: check a copy that was fetched by hand; make its stratified re-split."""

from __future__ import annotations

import argparse
from collections import Counter
from pathlib import Path

from bgremoval_mm.datasets.base.classification import SUBSETS, what_is_at
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
    compare,
    nfc,
    parse_list,
    shared_paths,
)
from bgremoval_mm.datasets.formats.stratified import split_folder
from bgremoval_mm.datasets.prepare.check_report import Findings, PreparationError, listing
from bgremoval_mm.datasets.prepare.images import report_photos, survey
from bgremoval_mm.datasets.prepare.install import Layout, install, is_there, link
from bgremoval_mm.removal.io.scan import Scan, scan_tree

LAYOUT = Layout('FashionStyle14', (TOP, *(f'{subset}.csv' for subset in SUBSETS)))
#: Number of images that the data set's authors state, and that a user of the archive counted.
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
    parser.add_argument('--seed', type=_seed, default=0, help='which re-split (default: 0)')
    parser.add_argument(
        '--split-dir', type=Path, metavar='FOLDER', help='for re-splits (default: ROOT/splits)'
    )


def run(args: argparse.Namespace) -> Findings:
    """Put the data set in its place, if that was asked for, and check it."""
    notes = []
    if args.src is not None and is_there(args.root):
        notes.append(f'{args.root} was there already; to take {args.src} instead, move it away')
    elif args.src is not None:
        (link if args.link else install)(LAYOUT, args.src, args.root)
        notes.append(f'{args.src} was {"linked" if args.link else "copied"} to {args.root}')
    findings = check(args.root, args.stratified, args.seed, args.split_dir)
    findings.notes = notes + findings.notes
    return findings


def check(
    root: Path,
    stratified: bool = False,
    seed: int = 0,
    split_dir: Path | None = None,
    progress: bool = True,
) -> Findings:
    """Read a copy through and compare it with its lists.

    Args:
        root: Folder of the data set.
        stratified: Make the re-split, too. What is wrong with the official lists is no error then.
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
    findings = Findings('FashionStyle14', str(root))
    scan = scan_tree(root / TOP)
    images = [f'{TOP}/{path}' for path in scan.images]
    _check_folders(findings, scan)
    report_photos(findings, survey(root, images, progress))
    official = _check_lists(findings, root, stratified)
    _compare_with_lists(findings, images, official)
    findings.tables['on disk'] = {'images': _count(images)}
    if stratified:
        try:
            subsets = read_subsets(root, split_files(root, 'stratified', seed, split_dir))
        except (ValueError, OSError) as err:
            findings.errors.append(f'no re-split: {err}')
        else:
            _add_split(findings, split_name('stratified', seed, subsets), subsets)
            findings.notes.append(f'the re-split is in {split_folder(root, seed, split_dir)}')
    return findings


def _check_folders(findings: Findings, scan: Scan) -> None:
    """What is in the folder of images, whatever the lists say."""
    stray = [path for path in scan.images if path.partition('/')[0] not in CLASSES]
    if stray:
        findings.warnings.append(f'images in no folder of a class: {len(stray):,}{listing(stray)}')
    number = len(scan.images) - len(stray)
    stated = ' and '.join(f'{expected:,} ({who})' for expected, who in EXPECTED.items())
    text = f'{number:,} images are there; stated are {stated}'
    (findings.notes if number in EXPECTED else findings.warnings).append(text)
    if scan.unreadable:
        reasons = [f'{path}: {reason}' for path, reason in scan.unreadable.items()]
        findings.errors.append(f'not everything can be opened:{listing(reasons)}')
    findings.details |= {'images': number, 'stray': stray}


def _check_lists(findings: Findings, root: Path, stratified: bool) -> dict[str, Subset]:
    """Read the official lists, as far as they can be read."""
    blame = findings.warnings if stratified else findings.errors
    tree = ImageTree.of(root, CLASSES)
    subsets = {}
    for name in SUBSETS:
        file = root / f'{name}.csv'
        if not file.is_file():
            blame.append(f'{file} is missing; --stratified makes lists of the images on disk')
            continue
        paths, problems = parse_list(file, CLASSES)
        subsets[name] = found = compare(file, paths, tree)
        if problems:
            blame.append(f'wrong lines in {file}: {len(problems):,}{listing(problems)}')
        if not found.paths:
            blame.append(f'no image that {file} lists is there')
            continue
        absent = [label for label in CLASSES if label not in found.counts]
        if absent:
            findings.warnings.append(f'{file} has no image of {", ".join(absent)}')
        if found.missing:
            findings.warnings.append(
                f'missing files of {file}: {len(found.missing):,}{listing(found.missing)}'
            )
        if found.duplicates:
            findings.warnings.append(f'repeated lines in {file}: {found.duplicates:,}')
        findings.details[name] = {
            'wrong_lines': problems,
            'missing': found.missing,
            'duplicate_lines': found.duplicates,
            'absent_classes': absent,
        }
    if len(subsets) == len(SUBSETS):
        _add_split(findings, split_name('official', 0, subsets), subsets)
    return subsets


def _compare_with_lists(findings: Findings, images: list[str], official: dict[str, Subset]) -> None:
    """Images in no list, and in several."""
    listed = {nfc(path) for subset in official.values() for path in subset.paths}
    unlisted = [path for path in images if nfc(path) not in listed]
    shared = shared_paths(official)
    if unlisted and official:
        findings.warnings.append(f'images in no list: {len(unlisted):,}{listing(unlisted)}')
    if shared:
        findings.warnings.append(f'images in more than one list: {len(shared):,}{listing(shared)}')
    findings.details |= {'in_no_list': unlisted, 'in_several_lists': shared}


def _add_split(findings: Findings, name: str, subsets: dict[str, Subset]) -> None:
    findings.tables[name] = {subset: _count(found.paths) for subset, found in subsets.items()}


def _count(paths: list[str] | tuple[str, ...]) -> Counter[str]:
    """Number of images by class, every class of the data set among them."""
    counts = Counter(dict.fromkeys(CLASSES, 0))
    counts.update(label for path in paths if (label := path.split('/')[1]) in CLASSES)
    return counts


def _seed(text: str) -> int:
    if not text.isdecimal():
        msg = f'must be a whole number of at least 0, but got {text!r}'
        raise argparse.ArgumentTypeError(msg)
    return int(text)
