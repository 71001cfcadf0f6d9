"""Clothing10: get it, check it, compare it with the known copy."""

from __future__ import annotations

import argparse
from collections import Counter
from pathlib import Path

from bgremoval_mm.datasets.clothing10 import CLASSES, FOLDERS, check_root, find_images
from bgremoval_mm.datasets.prepare.check_report import CheckReport, listing
from bgremoval_mm.datasets.prepare.images import Survey, fingerprint, report_photos, survey
from bgremoval_mm.datasets.prepare.install import Layout, add_source_arguments, obtain
from bgremoval_mm.removal.io.scan import scan_tree

URL = 'https://github.com/alexeygrigorev/clothing-dataset-small/archive/HEAD.zip'
LAYOUT = Layout('Clothing10', tuple(FOLDERS.values()))

#: The copy that the results of this package come from: `photos.fingerprint` of all images, and
#: for each class the number of images and the first 16 digits of their fingerprint.
FINGERPRINT = 'e353bd3b39e2a1a50adf92dffa635388fec9cbef2acc6446fb04b87b7ed0e028'
KNOWN = {
    'train': {
        'dress': (241, '53cadab5e60744e1'),
        'hat': (123, 'cbc53384a94e9d48'),
        'longsleeve': (455, '122e394d13779de1'),
        'outwear': (184, '7093984b1747e69a'),
        'pants': (468, 'db8262c8b62eaa25'),
        'shirt': (290, '62a07eb81e57b7cb'),
        'shoes': (198, 'ca309d29a677e68f'),
        'shorts': (202, '69e68ec56feb9a2f'),
        'skirt': (112, 'f2ce7423aa64ee39'),
        't-shirt': (795, '79b8d0cc898bca20'),
    },
    'val': {
        'dress': (32, 'b7e536487e63840a'),
        'hat': (14, '39aaa6147f569b5e'),
        'longsleeve': (49, '912e894bdad2df28'),
        'outwear': (24, '841ca7e03c7895be'),
        'pants': (49, '924e1797421a0493'),
        'shirt': (29, '1b73a915856cea83'),
        'shoes': (26, '2f02f804fbe97c2f'),
        'shorts': (25, '6da6efaaade4d521'),
        'skirt': (12, 'd99f5e60dd1939bb'),
        't-shirt': (81, '8a9c79cf884df194'),
    },
    'test': {
        'dress': (15, '3533abb246fd60ec'),
        'hat': (12, '19dae465a650a9f0'),
        'longsleeve': (72, '8ebfc62dd0fbef55'),
        'outwear': (38, '9fce195cf6ad1a35'),
        'pants': (42, '3b8c9636b2cda2b5'),
        'shirt': (26, 'bf36697e9f5b04a7'),
        'shoes': (73, '0959fa366e695d3e'),
        'shorts': (30, '03763754058f62d5'),
        'skirt': (12, '9f47d5a687f4f608'),
        't-shirt': (52, 'fbe1bdc799a70b87'),
    },
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of the subcommand."""
    add_source_arguments(parser, 'data/clothing10')


def run(args: argparse.Namespace) -> CheckReport:
    """Get the dataset if it is not there yet, and check it."""
    note = obtain(LAYOUT, URL, args)
    report = check(args.dst)
    report.notes.insert(0, note)
    return report


def check(root: Path, progress: bool = True) -> CheckReport:
    """Read a copy through and compare it with the known one.

    Raises:
        FileNotFoundError: If one of the three folders is missing.
    """
    check_root(root)
    report = CheckReport('Clothing10', str(root))
    report.known = {
        subset: {label: number for label, (number, _) in classes.items()}
        for subset, classes in KNOWN.items()
    }
    images: dict[str, list[str]] = {}
    ignored: list[str] = []
    for subset, folder in FOLDERS.items():
        scan = scan_tree(root / folder)
        images[subset] = [f'{folder}/{path}' for path in scan.images]
        ignored += [f'{folder}/{path}' for path in scan.ignored]
        try:
            find_images(root, folder)
        except (ValueError, OSError) as err:
            report.errors.append(str(err))
    read = survey(root, [path for paths in images.values() for path in paths], progress)
    counts = {subset: count(paths) for subset, paths in images.items()}
    report.tables = {'Clothing10': counts}
    report_photos(report, read)
    if ignored:
        report.notes.append(f'files that are not images, and ignored: {len(ignored):,}')
    found = fingerprint(read.hashes)
    differences = differences_from_known(images, read)
    if found == FINGERPRINT:
        report.notes.append(f'this is the known copy (sha256 {found})')
    else:
        report.warnings.append(
            f'this is not the known copy, so results may differ (sha256 {found}, not '
            f'{FINGERPRINT}):{listing(differences)}'
        )
    report.details |= {
        'fingerprint': found,
        'known_copy': found == FINGERPRINT,
        'differences': differences,
        'ignored': ignored,
    }
    return report


def count(paths: list[str]) -> Counter[str]:
    """Count the images of each class of the dataset."""
    counts = Counter(dict.fromkeys(CLASSES, 0))
    counts.update(_label(path) for path in paths if path.count('/') > 1)
    return counts


def differences_from_known(images: dict[str, list[str]], read: Survey) -> list[str]:
    """Say in which classes a copy differs from the known one, and how."""
    differences = []
    for subset, classes in KNOWN.items():
        for label, (number, digest) in classes.items():
            paths = [path for path in images[subset] if _label(path) == label]
            whole = [path for path in paths if path in read.hashes]
            where = f'{FOLDERS[subset]}/{label}'
            if len(paths) != number:
                differences.append(f'{where}: {len(paths):,} images instead of {number:,}')
            elif fingerprint(read.hashes, whole)[:16] != digest:
                differences.append(f'{where}: {number:,} images, but not all of them the same')
    return differences


def _label(path: str) -> str:
    return path.split('/')[1]
