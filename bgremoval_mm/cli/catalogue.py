"""`bgremoval catalogue`: check a product catalogue, sample it, divide it into folds, and more."""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bgremoval_mm.cli import console
from bgremoval_mm.cli.argument_types import at_least
from bgremoval_mm.cli.errors import FAILED, OK, add_debug_argument
from bgremoval_mm.cli.script import add_sheet_argument
from bgremoval_mm.removal.errors import ArgumentError
from bgremoval_mm.utils.text import printable

if TYPE_CHECKING:
    from bgremoval_mm.datasets.products.manifest import Manifest

__all__ = ['add_catalogue_arguments', 'run_catalogue']

_FORMATS = ('csv', 'styles')
_Task = Callable[[argparse.Namespace], int]


def add_catalogue_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the tasks, and the options of each."""
    tasks = parser.add_subparsers(dest='task', required=True, metavar='TASK')

    check = _add(tasks, 'check', _check, 'list what is wrong with photos, products and folds')
    check.add_argument(
        '--root', type=Path, metavar='FOLDER', help='of the photos (default: that of MANIFEST)'
    )
    check.add_argument('--folds', type=Path, metavar='FILE', help='check this file of folds, too')
    check.add_argument(
        '--no-read',
        action='store_true',
        help='look only whether photos are there; do not search for broken and identical ones',
    )
    check.add_argument('--json', type=Path, metavar='FILE', help='write all of it, in full lists')

    sample = _add(tasks, 'sample', _sample, 'draw a share of the products of each class')
    sample.add_argument('out', type=Path, metavar='OUT', help='the manifest of the sample')
    sample.add_argument('--share', type=float, default=0.1, help='of the products (default: 0.1)')
    sample.add_argument(
        '--min-photos',
        type=at_least(1),
        default=100,
        help='drop classes with fewer photos, and keep as many of the others (default: 100)',
    )
    sample.add_argument(
        '--min-per-product',
        type=at_least(1),
        default=2,
        help='leave out products with fewer photos (default: 2)',
    )
    sample.add_argument('--seed', type=at_least(0), default=0, help='(default: 0)')

    folds = _add(tasks, 'folds', _folds, 'divide the products into folds for cross-validation')
    folds.add_argument('out', type=Path, metavar='OUT', help='the file of the folds')
    folds.add_argument('--count', type=at_least(2), default=3, help='of folds (default: 3)')
    folds.add_argument(
        '--val-share',
        type=float,
        default=0.0,
        help='share of the products of training that are for validation (default: 0)',
    )
    folds.add_argument('--seed', type=at_least(0), default=0, help='(default: 0)')

    label = _add(tasks, 'label', _label, 'add what a model has predicted as a column')
    label.add_argument('predictions', type=Path, metavar='IMAGES.csv', help='of ProductAccuracy')
    label.add_argument('out', type=Path, metavar='OUT', help='the new manifest')
    label.add_argument('--column', required=True, help='name of the new column')
    label.add_argument(
        '--root', type=Path, metavar='FOLDER', help='of the photos (default: that of MANIFEST)'
    )

    text = 'draw a confusion matrix that ProductAccuracy has written'
    confusion = tasks.add_parser('confusion', help=text, description=f'D{text[1:]}.')
    confusion.set_defaults(do=_confusion)
    confusion.add_argument('matrix', type=Path, metavar='CSV', help='confusion_products.csv')
    add_sheet_argument(confusion, 'confusion.png')
    add_debug_argument(confusion)

    text = 'draw the products that are wrong in every photo'
    wrong = tasks.add_parser('wrong', help=text, description=f'D{text[1:]}.')
    wrong.set_defaults(do=_wrong)
    wrong.add_argument(
        'images',
        type=Path,
        nargs='+',
        metavar='IMAGES.csv',
        help='of ProductAccuracy, of one test or of all folds and seeds',
    )
    wrong.add_argument(
        '--product', default='product_id', metavar='COLUMN', help='(default: product_id)'
    )
    wrong.add_argument(
        '--number', type=at_least(1), default=40, help='of products that are shown (default: 40)'
    )
    add_sheet_argument(wrong, 'wrong_products.jpg')
    add_debug_argument(wrong)


def run_catalogue(parser: argparse.ArgumentParser, args: argparse.Namespace) -> int:
    """Do the task; return the exit code."""
    task: _Task = args.do
    return task(args)


def _add(
    tasks: argparse._SubParsersAction[Any], name: str, do: _Task, text: str
) -> argparse.ArgumentParser:
    made: argparse.ArgumentParser = tasks.add_parser(
        name, help=text, description=text[0].upper() + text[1:] + '.'
    )
    made.set_defaults(do=do)
    made.add_argument('manifest', type=Path, metavar='MANIFEST', help='CSV, a row for each photo')
    made.add_argument(
        '--form',
        choices=_FORMATS,
        default='csv',
        help="styles: styles.csv of Kaggle's Fashion Product Images (default: csv)",
    )
    for column, usual in (('image', 'image'), ('product', 'product_id'), ('label', 'category')):
        made.add_argument(
            f'--{column}', metavar='COLUMN', help=f'column of the {column} (default: {usual})'
        )
    add_debug_argument(made)
    return made


def _read(args: argparse.Namespace) -> Manifest:
    from bgremoval_mm.datasets.products.manifest import columns_of, read_manifest

    columns = columns_of(args.form, args.image, args.product, args.label)
    return read_manifest(args.manifest, columns, args.form)


def _check(args: argparse.Namespace) -> int:
    from bgremoval_mm.datasets.products.checks import check_catalogue
    from bgremoval_mm.datasets.products.folds import read_folds
    from bgremoval_mm.utils.json_io import write_json

    manifest = _read(args)
    folds = None if args.folds is None else read_folds(args.folds, manifest.columns.product)
    root = args.manifest.parent if args.root is None else args.root
    report = check_catalogue(manifest, root, folds, not args.no_read)
    for title, counts in report.tables.items():
        print(console.escape_lines(_table(title, counts)))
    for line in report.lines():
        print(console.escape_lines(line))
    verdict = 'can be used' if report.usable else 'can not be used as it is'
    print(f'{printable(report.root)} {verdict}.')
    if args.json is not None:
        write_json(args.json, report.as_dict())
    return OK if report.usable else FAILED


def _sample(args: argparse.Namespace) -> int:
    from bgremoval_mm.datasets.products.sampling import sample_products
    from bgremoval_mm.utils.tables import csv_bytes

    manifest = _read(args)
    sample = sample_products(manifest, args.share, args.min_photos, args.min_per_product, args.seed)
    drawn = sample.manifest
    _write(args.out, csv_bytes(drawn.header, drawn.rows))
    for text, photos in (
        (f'classes with fewer than {args.min_photos:,} photos, dropped', sample.dropped),
        (f'classes with fewer than {args.min_photos:,} photos in the sample', sample.few),
    ):
        if photos:
            shown = ', '.join(f'{name} ({count:,})' for name, count in photos.items())
            print(f'{text}: {len(photos):,}: {printable(shown)}')
    if sample.small_products:
        print(
            f'products with fewer than {args.min_per_product:,} photos, left out: '
            f'{sample.small_products:,}'
        )
    if sample.unlabelled:
        print(f'photos without a {manifest.columns.label}, left out: {sample.unlabelled:,}')
    print(
        f'{printable(args.out)}: {len(drawn.rows):,} of {len(manifest.rows):,} photos, '
        f'{len(drawn.products()):,} of {len(manifest.products()):,} products, '
        f'{len(drawn.classes):,} of {len(manifest.classes):,} classes'
    )
    return OK


def _folds(args: argparse.Namespace) -> int:
    from bgremoval_mm.datasets.products.checks import photos_by_fold
    from bgremoval_mm.datasets.products.folds import make_folds

    manifest = _read(args)
    folds = make_folds(manifest, args.count, args.val_share, args.seed)
    _write(args.out, folds.content(manifest.columns.product))
    print(console.escape_lines(_table('photos by fold', photos_by_fold(manifest, folds))))
    print(f'{printable(args.out)}: {len(folds.fold_of):,} products in {folds.count} folds')
    return OK


def _label(args: argparse.Namespace) -> int:
    from bgremoval_mm.datasets.products.selection import with_predictions
    from bgremoval_mm.utils.tables import csv_bytes

    manifest = _read(args)
    root = args.manifest.parent if args.root is None else args.root
    new = with_predictions(manifest, root, args.predictions, args.column)
    _write(args.out, csv_bytes(new.header, new.rows))
    counts = Counter(row[args.column] for row in new.rows)
    shown = ', '.join(f'{name} {count:,}' for name, count in sorted(counts.items()))
    print(f'{printable(args.out)}: {args.column}: {printable(shown)}')
    return OK


def _confusion(args: argparse.Namespace) -> int:
    from bgremoval_mm.removal.io.targets import check_sheet
    from bgremoval_mm.visualization.canvas import save_sheet
    from bgremoval_mm.visualization.confusion import draw_confusion, read_confusion

    names, matrix = read_confusion(args.matrix)
    check_sheet(args.out, named=args.named)
    save_sheet(draw_confusion(names, matrix, args.matrix.name), args.out)
    print(f'Look at {printable(args.out)}')
    return OK


def _wrong(args: argparse.Namespace) -> int:
    from bgremoval_mm.removal.io.targets import check_sheet
    from bgremoval_mm.visualization.canvas import save_sheet
    from bgremoval_mm.visualization.wrong_products import draw_wrong_products, read_wrong_products

    wrong, total = read_wrong_products(args.images, args.product)
    print(f'{len(wrong):,} of {total:,} products are wrong in every photo')
    if wrong:
        check_sheet(args.out, named=args.named)
        save_sheet(draw_wrong_products(wrong, total, args.number), args.out)
        print(f'Look at {printable(args.out)}')
    return OK


def _write(path: Path, content: bytes) -> None:
    """Write a file that runs will name, so that it never changes under them.

    Raises:
        ArgumentError: If there is another one.
    """
    from bgremoval_mm.utils.atomic import write_atomically

    if path.exists():
        if path.is_file() and path.read_bytes() == content:
            return
        msg = f'OUT must be a new file, but {path} is there with other content'
        raise ArgumentError(msg)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, content)


def _table(title: str, counts: Mapping[str, Mapping[str, int]]) -> str:
    """Return a table with a line for each class, and sums."""
    names = sorted({name for each in counts.values() for name in each})
    rows = [[title, *counts]]
    rows += [[name, *(f'{each.get(name, 0):,}' for each in counts.values())] for name in names]
    rows.append(['all', *(f'{sum(each.values()):,}' for each in counts.values())])
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return '\n'.join(
        '  '.join(
            [f'{first:<{widths[0]}}', *(f'{c:>{w}}' for c, w in zip(rest, widths[1:], strict=True))]
        )
        for first, *rest in rows
    )
