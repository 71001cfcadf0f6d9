"""Luma, a demonstration shop: get its product photos, write its manifest, check it."""

from __future__ import annotations

import argparse
import csv
import re
import tempfile
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path

from bgremoval_mm.datasets.prepare.check_report import CheckReport, PreparationError
from bgremoval_mm.datasets.prepare.install import (
    Layout,
    add_source_arguments,
    can_be_copied,
    download,
    install,
    is_there,
    obtain_any,
)
from bgremoval_mm.datasets.products.checks import check_catalogue
from bgremoval_mm.datasets.products.manifest import Columns, read_manifest
from bgremoval_mm.removal.errors import ArgumentError
from bgremoval_mm.utils.atomic import write_atomically
from bgremoval_mm.utils.tables import csv_bytes

COLUMNS = Columns('file', 'item_id', 'category')
HEADER = ('file', 'item_id', 'name', 'gender', 'category', 'colour', 'view', 'person_in_photo')
#: Photos by gender and category, in the revision of the URL.
KNOWN = {
    'men': {
        'Hoodies & Sweatshirts': 65,
        'Jackets': 55,
        'Pants': 59,
        'Shorts': 53,
        'Tanks': 35,
        'Tees': 59,
        'Watches': 5,
    },
    'unisex': {
        'Bags': 18,
        'Fitness Equipment': 16,
    },
    'women': {
        'Bras & Tanks': 64,
        'Hoodies & Sweatshirts': 56,
        'Jackets': 62,
        'Pants': 62,
        'Shorts': 52,
        'Tees': 51,
        'Watches': 5,
    },
}
PRODUCTS = 185
URL = (
    'https://github.com/magento/magento2-sample-data/archive/'
    '53807565ba9f23c9409268c02bb995cf39ef553d.zip'
)
MANIFEST = 'products.csv'
LAYOUT = Layout('Luma', (MANIFEST, 'images'))
REPOSITORY = Layout('the repository magento2-sample-data', ('app', 'pub'))

_PHOTOS = 'pub/media/catalog/product'
# The first letters of an article number.
_KINDS = {
    'b': 'Bras & Tanks',
    'h': 'Hoodies & Sweatshirts',
    'j': 'Jackets',
    'p': 'Pants',
    's': 'Tees',
    'sh': 'Shorts',
    't': 'Tanks',
}
_GENDERS = {'m': 'men', 'w': 'women', 'u': 'unisex'}
_GARMENT = re.compile(
    r'(?P<item>(?P<who>[mw])(?P<kind>sh|[bhjpst])\d\d)-(?P<colour>[a-z]+)_(?P<view>.+)'
)
_GEAR = re.compile(r'(?P<item>(?P<who>[muw])(?P<kind>[bg])\d\d)-[a-z]+-0(?P<view>_.+)?')


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of the subcommand."""
    add_source_arguments(parser, 'data/luma_catalogue')


def run(args: argparse.Namespace) -> CheckReport:
    """Get the dataset if it is not there yet, and check it."""
    if is_there(args.dst) or args.link or _is_prepared(args.src):
        note = obtain_any((LAYOUT,), URL, args)
    else:
        number = _convert(args)
        note = (
            f'{args.src or URL} was copied to {args.dst}; {number:,} photos that are not of '
            'products were left out'
        )
    report = check(args.dst)
    report.notes.insert(0, note)
    return report


def check(root: Path, progress: bool = True) -> CheckReport:
    """Check a copy, and compare its counts with the known ones.

    Raises:
        FileNotFoundError: If the manifest is missing.
        ArgumentError: If it is not one of Luma.
    """
    manifest = read_manifest(root / MANIFEST, COLUMNS)
    if 'gender' not in manifest.header:
        msg = f'{root / MANIFEST} must have the columns of Luma, but has no gender'
        raise ArgumentError(msg)
    report = check_catalogue(manifest, root, progress=progress)
    report.name, report.root = 'Luma', str(root)
    found = Counter((row['gender'], row['category']) for row in manifest.rows)
    counts = {
        gender: {name: found[gender, name] for name in manifest.classes if found[gender, name]}
        for gender in sorted({gender for gender, _ in found})
    }
    report.tables = {'Luma': counts}
    report.known = KNOWN if set(counts) <= set(KNOWN) else None
    number = len(manifest.products())
    if (counts, number) != (KNOWN, PRODUCTS):
        report.warnings.append(
            f'the numbers of photos, or {number:,} products, are not those that are known '
            f'({PRODUCTS:,} products)'
        )
    return report


def row_of(file: str, names: Mapping[str, str]) -> dict[str, str] | None:
    """Return the row of a photo, from its name alone; None if it is not of a product.

    Args:
        file: Name of the photo's file, such as ``'mh01-gray_alt1.jpg'``: men's hoodie 01, gray.
        names: Name of each product, by its article number in lower case.
    """
    stem = Path(file).stem
    colour, person = '', '0'
    if found := _GARMENT.fullmatch(stem):
        item, colour, person = found['item'], found['colour'], '1'
        gender, category = _GENDERS[found['who']], _KINDS[found['kind']]
        if (found['who'], category) == ('w', 'Tanks'):
            category = 'Bras & Tanks'
    elif found := _GEAR.fullmatch(stem):
        item = f'24-{found["item"]}'
        is_watch = found['kind'] == 'g' and found['who'] != 'u'
        gender = _GENDERS[found['who']] if is_watch else 'unisex'
        category = 'Bags' if found['kind'] == 'b' else 'Fitness Equipment'
        category = 'Watches' if is_watch else category
    elif stem.startswith('luma-'):
        item, gender, category = stem, 'unisex', 'Fitness Equipment'
    else:
        return None
    view = (found['view'] or 'main').strip('_') if found else 'main'
    return {
        'file': f'images/{file}',
        'item_id': item,
        'name': names.get(item, ''),
        'gender': gender,
        'category': category,
        'colour': colour,
        'view': view if view in ('main', 'back') else 'alt',
        'person_in_photo': person,
    }


def convert(repository: Path, new: Path) -> int:
    """Move the photos out of a copy of the repository, and write their manifest.

    Args:
        repository: The copy; its photos are gone then.
        new: The folder to make.

    Returns:
        Number of photos that are not of products.

    Raises:
        PreparationError: If there are no photos of products.
    """
    photos = sorted((repository / _PHOTOS).rglob('*.jpg'), key=lambda path: path.name)
    names = _names(repository.glob('app/code/Magento/*/fixtures/**/*.csv'))
    rows = []
    (new / 'images').mkdir(parents=True)
    for photo in photos:
        row = row_of(photo.name, names)
        if row is not None:
            rows.append(row)
            photo.rename(new / row['file'])
    if not rows:
        msg = f'{repository} must have photos of products below {_PHOTOS}, but has none'
        raise PreparationError(msg)
    for text in repository.glob('LICENSE*'):
        text.rename(new / text.name)
    write_atomically(new / MANIFEST, csv_bytes(HEADER, rows))
    return len(photos) - len(rows)


def _names(files: Iterable[Path]) -> dict[str, str]:
    """Return the names of products by article number, from all tables that have both."""
    names: dict[str, str] = {}
    for file in sorted(files):
        with file.open(encoding='utf-8', newline='') as stream:
            for row in csv.DictReader(stream):
                if row.get('sku') and row.get('name'):
                    names[row['sku'].lower()] = row['name']
    return names


def _is_prepared(src: Path | None) -> bool:
    return src is not None and can_be_copied(LAYOUT, src)


def _convert(args: argparse.Namespace) -> int:
    args.dst.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(
        dir=args.dst.parent, prefix=f'.tmp-{args.dst.name}-'
    ) as folder:
        copy, new = Path(folder, 'repository'), Path(folder, args.dst.name)
        if args.src is None:
            download(REPOSITORY, URL, copy)
        else:
            install(REPOSITORY, args.src, copy)
        number = convert(copy, new)
        if args.dst.is_dir():
            args.dst.rmdir()  # empty, see is_there
        new.rename(args.dst)
    return number
