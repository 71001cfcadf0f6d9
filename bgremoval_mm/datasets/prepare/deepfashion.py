"""What the checks of DeepFashion's benchmarks have in common."""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bgremoval_mm.datasets.base.checks import missing_files
from bgremoval_mm.datasets.base.published import PublishedDataset
from bgremoval_mm.datasets.base.retrieval import RetrievalDataset, photos_of_subset
from bgremoval_mm.datasets.deepfashion.agreement import PAGE
from bgremoval_mm.datasets.prepare.check_report import CheckReport, PreparationError, listing
from bgremoval_mm.datasets.prepare.images import report_photos, survey
from bgremoval_mm.datasets.prepare.install import is_there
from bgremoval_mm.utils.messages import what_is_at

__all__ = ['add_arguments', 'check_items', 'place', 'report_files', 'report_size']


def add_arguments(parser: argparse.ArgumentParser, example: str) -> None:
    """Declare the options of a subcommand.

    Args:
        parser: Its parser.
        example: A folder, for the help.
    """
    parser.epilog = f'The dataset is given to those who sign an agreement: {PAGE}'
    parser.add_argument('root', type=Path, help=f'its folder, e.g. {example}')
    parser.add_argument('--src', type=Path, metavar='FOLDER', help='link ROOT to this folder first')
    parser.add_argument(
        '--names-only',
        action='store_true',
        help='see whether the photos are there, but do not read them, which takes minutes',
    )


def place(dataset: Any, args: argparse.Namespace) -> list[str]:
    """Link the dataset to its place, if that was asked for, and return what was done.

    Args:
        dataset: The dataset's class.
        args: Those of the subcommand.

    Raises:
        PreparationError: If the folder to link to is not the dataset's.
    """
    if args.src is None:
        return []
    if is_there(args.root):
        return [f'{args.root} was there already; to take {args.src} instead, move it away']
    if not (args.src / 'Eval').is_dir():
        msg = f'--src must be a folder with Eval in it, but {what_is_at(args.src)}. '
        raise PreparationError(msg + dataset.how_to_get())
    args.root.parent.mkdir(parents=True, exist_ok=True)
    if args.root.is_dir():
        args.root.rmdir()  # empty, see is_there
    args.root.symlink_to(args.src.resolve())
    return [f'{args.src} was linked to {args.root}']


def report_files(report: CheckReport, root: Path, paths: list[str], read: bool) -> None:
    """Say which photos are missing, and which cannot be read.

    Args:
        report: Where to say it.
        root: Folder of the dataset.
        paths: The photos, below it.
        read: Whether to read them.
    """
    missing = missing_files(root / path for path in paths)
    if missing:
        report.errors.append(f'photos that are missing: {len(missing):,}{listing(missing)}')
        report.details['missing'] = missing
    if read:
        lost = set(missing)
        report_photos(report, survey(root, [p for p in paths if str(root / p) not in lost]))


def check_items(
    kind: type[RetrievalDataset], root: Path, subsets: tuple[str, ...], read: bool
) -> CheckReport:
    """Check a copy of a benchmark of retrieval.

    Args:
        kind: Class of the dataset.
        root: Its folder.
        subsets: Columns of the table of counts.
        read: Whether to read every photo.

    Raises:
        FileNotFoundError: If the list is missing.
    """
    report = CheckReport(kind.__name__, str(root))
    dataset = kind(root, lazy_init=True)
    try:
        photos = dataset.find_photos(root)
    except ValueError as err:
        report.errors.append(str(err))
        return report
    found = dataset.count(photos)
    report_size(report, kind, found)
    report.notes.append(', '.join(f'{number:,} {name}' for name, number in found.items()))
    report.tables[kind.__name__] = {
        subset: Counter(photo.category for photo in photos_of_subset(photos, subset))
        for subset in subsets
    }
    items = {photo.item for photo in photos if photo.role == 'gallery'}
    alone = sorted({p.path for p in photos if p.role == 'query' and p.item not in items})
    if alone:
        report.warnings.append(
            f'queries whose item is not in the gallery: {len(alone):,}{listing(alone)}'
        )
        report.details['queries_without_item'] = alone
    report_files(report, root, list(dict.fromkeys(photo.path for photo in photos)), read)
    return report


def report_size(
    report: CheckReport, kind: type[PublishedDataset], found: Mapping[str, int]
) -> None:
    """Report numbers that differ from those of the published dataset.

    Args:
        report: Where errors are added.
        kind: The dataset.
        found: How many the copy has of what.
    """
    for name, number in found.items():
        expected = kind.SIZE.get(name, number)
        if number != expected:
            report.errors.append(
                f'{number:,} {name} instead of {expected:,}; complete=False uses what is there'
            )
