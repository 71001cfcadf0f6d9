#!/usr/bin/env python
"""Get a dataset and check it: counts by split and class, missing, unreadable and double images.

    python tools/prepare_dataset.py clothing10 [--dst data/clothing10] [--src FOLDER|ZIP]
    python tools/prepare_dataset.py fashionstyle14 data/FashionStyle14_v1 [--stratified]
    python tools/prepare_dataset.py ccp [--dst data/ccp] [--src FOLDER|ZIP] [--out FOLDER]
    python tools/prepare_dataset.py fashionpedia data/fashionpedia [--label-maps]
    python tools/prepare_dataset.py grocerystore [--dst data/grocery_store] [--src FOLDER|ZIP]
    python tools/prepare_dataset.py deepfashion-category data/deepfashion_category [--names-only]
    python tools/prepare_dataset.py deepfashion-inshop data/deepfashion_inshop [--names-only]
    python tools/prepare_dataset.py deepfashion-consumer2shop data/deepfashion_consumer2shop
    python tools/prepare_dataset.py luma [--dst data/luma_catalogue] [--src FOLDER|ZIP]

What is there already is only checked, never overwritten. The exit status is 0 if the dataset can
be used (with warnings, perhaps), 1 if not, 2 for a wrong command line.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from rich.console import Console

from bgremoval_mm.cli import console
from bgremoval_mm.cli.errors import FAILED, OK, add_debug_argument, guarded
from bgremoval_mm.datasets.prepare import (
    ccp,
    clothing10,
    deepfashion_category,
    deepfashion_consumer2shop,
    deepfashion_inshop,
    fashionpedia,
    fashionstyle14,
    grocery_store,
    luma,
)
from bgremoval_mm.datasets.prepare.check_report import CheckReport, counts_table
from bgremoval_mm.removal.errors import ArgumentError
from bgremoval_mm.removal.io.addresses import lies_in
from bgremoval_mm.utils.json_io import write_json
from bgremoval_mm.utils.text import printable

# A module with `add_arguments(parser)` and `run(args) -> CheckReport` for each subcommand.
COMMANDS = {
    'ccp': ccp,
    'clothing10': clothing10,
    'deepfashion-category': deepfashion_category,
    'deepfashion-consumer2shop': deepfashion_consumer2shop,
    'deepfashion-inshop': deepfashion_inshop,
    'fashionpedia': fashionpedia,
    'fashionstyle14': fashionstyle14,
    'grocerystore': grocery_store,
    'luma': luma,
}


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(dest='dataset', required=True, metavar='DATASET')
    for name, module in COMMANDS.items():
        about = (module.__doc__ or '').splitlines()[0]
        command = commands.add_parser(name, help=about, description=about)
        module.add_arguments(command)
        command.add_argument(
            '--json', type=Path, metavar='FILE', help='write what was found, with full lists'
        )
        add_debug_argument(command)
    args = parser.parse_args(argv)
    if getattr(args, 'link', False) and args.src is None:
        parser.error('--link needs --src FOLDER')
    _check_company(parser, args)
    return args


def _check_company(parser: argparse.ArgumentParser, args: argparse.Namespace) -> None:
    """Refuse options that do nothing without another one."""
    if args.dataset == 'fashionstyle14' and not args.stratified:
        alone, needed = ('seed', 'split_dir'), '--stratified'
    elif args.dataset == 'fashionpedia' and not (args.label_maps or args.with_background):
        alone, needed = ('redraw', 'out'), '--label-maps or --with-background'
    else:
        return
    for name in alone:
        value = getattr(args, name)
        if value is not None and value is not False:
            parser.error(f'--{name.replace("_", "-")} goes with {needed}')


def main(argv: list[str] | None = None) -> int:
    """Run; 0 if the dataset can be used, 1 if not, 130 if interrupted."""
    args = parse_args(argv)
    console.prepare(own_process=argv is None)
    return guarded(lambda: prepare(args), args.debug)


def prepare(args: argparse.Namespace) -> int:
    """Prepare the dataset, and tell what was found."""
    if args.json is not None:
        check_json_target(args.json, args.dst if 'dst' in args else args.root)
    report = COMMANDS[args.dataset].run(args)
    show(report)
    if args.json is not None:
        write_json(args.json, report.as_dict())
    return OK if report.usable else FAILED


def check_json_target(path: Path, root: Path) -> None:
    """Refuse a file of the dataset for what was found in it."""
    if path.exists() and lies_in(path, root):
        try:
            content = json.loads(path.read_bytes())
        except ValueError:
            content = None
        if not isinstance(content, dict) or not {'usable', 'tables', 'errors'} <= content.keys():
            msg = f'{printable(path)} is a file of the dataset: choose another --json'
            raise ArgumentError(msg)


def show(report: CheckReport) -> None:
    """Print tables, errors, warnings and notes."""
    console = Console(soft_wrap=True, highlight=False)
    for title, counts in report.tables.items():
        console.print(counts_table(title, counts, report.known))
    for line in report.lines():
        console.print(line, markup=False)
    verdict = 'can be used' if report.usable else 'can not be used as it is'
    console.print(f'{report.root} {verdict}.', markup=False)


if __name__ == '__main__':
    sys.exit(main())
