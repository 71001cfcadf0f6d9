"""DeepFashion Category and Attribute Prediction: check a copy that was fetched by hand."""

from __future__ import annotations

import argparse
from collections import Counter

from bgremoval_mm.datasets.base.classification import SUBSETS
from bgremoval_mm.datasets.deepfashion.category import DeepFashionCategory
from bgremoval_mm.datasets.prepare import deepfashion
from bgremoval_mm.datasets.prepare.check_report import CheckReport


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of the subcommand."""
    deepfashion.add_arguments(parser, 'data/deepfashion_category')


def run(args: argparse.Namespace) -> CheckReport:
    """Put the dataset in its place, if that was asked for, and check it."""
    notes = deepfashion.place(DeepFashionCategory, args)
    report = CheckReport('DeepFashionCategory', str(args.root), notes=notes)
    try:
        names, photos = DeepFashionCategory(args.root, lazy_init=True).find_photos(args.root)
    except ValueError as err:
        report.errors.append(str(err))
        return report
    deepfashion.report_size(
        report, DeepFashionCategory, {'photos': len(photos), 'categories': len(names)}
    )
    report.tables['DeepFashionCategory'] = {
        subset: Counter(label for label, part in photos.values() if part == subset)
        for subset in SUBSETS
    }
    deepfashion.report_files(report, args.root, list(photos), not args.names_only)
    return report
