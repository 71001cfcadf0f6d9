"""DeepFashion In-Shop: check a copy that was fetched by hand."""

from __future__ import annotations

import argparse

from bgremoval_mm.datasets.deepfashion.in_shop import DeepFashionInShop
from bgremoval_mm.datasets.prepare import deepfashion
from bgremoval_mm.datasets.prepare.check_report import CheckReport


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of the subcommand."""
    deepfashion.add_arguments(parser, 'data/deepfashion_inshop')


def run(args: argparse.Namespace) -> CheckReport:
    """Put the dataset in its place, if that was asked for, and check it."""
    notes = deepfashion.place(DeepFashionInShop, args)
    subsets = ('train', 'query', 'gallery')
    report = deepfashion.check_items(DeepFashionInShop, args.root, subsets, not args.names_only)
    report.notes = notes + report.notes
    return report
