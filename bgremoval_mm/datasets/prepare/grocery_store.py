"""Grocery Store: get it, or a part of it, and check it."""

from __future__ import annotations

import argparse
from collections import Counter
from pathlib import Path

from bgremoval_mm.datasets.base.classification import SUBSETS
from bgremoval_mm.datasets.grocery_store import GroceryStore
from bgremoval_mm.datasets.prepare.check_report import CheckReport
from bgremoval_mm.datasets.prepare.images import report_photos, survey
from bgremoval_mm.datasets.prepare.install import Layout, add_source_arguments, obtain_any

URL = f'{GroceryStore.PAGE}/archive/HEAD.zip'
#: The repository, then a part of it with fewer photos, then its folder `dataset` alone.
LAYOUTS = (
    Layout('GroceryStore', ('dataset',)),
    Layout('GroceryStore', ('classes.csv', 'natural')),
    Layout('GroceryStore', ('classes.csv', 'train', 'val', 'test')),
)
#: Photos of the whole dataset, in the repository.
PHOTOS = 5421


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of the subcommand."""
    add_source_arguments(parser, 'data/grocery_store')


def run(args: argparse.Namespace) -> CheckReport:
    """Get the dataset if it is not there yet, and check it."""
    note = obtain_any(LAYOUTS, URL, args)
    report = check(args.dst)
    report.notes.insert(0, note)
    return report


def check(root: Path, progress: bool = True) -> CheckReport:
    """Read a copy through, and count the photos of each class in its subset.

    Raises:
        FileNotFoundError: If the table of the classes or the folders are missing.
    """
    report = CheckReport('GroceryStore', str(root))
    try:
        photos = GroceryStore(root, lazy_init=True).find_photos(root)
    except ValueError as err:
        report.errors.append(str(err))
        return report
    report.tables = {
        'GroceryStore': {
            subset: Counter(photo.name for photo in photos if photo.subset == subset)
            for subset in SUBSETS
        }
    }
    report_photos(report, survey(root, [photo.path for photo in photos], progress))
    if len(photos) == PHOTOS:
        report.notes.append(f'all {PHOTOS:,} photos are there')
    else:
        report.warnings.append(
            f'{len(photos):,} photos instead of {PHOTOS:,}: results on a part are not comparable'
        )
    return report
