"""What is wrong with a catalogue, before it is trained on."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from pathlib import Path

from bgremoval_mm.datasets.base.checks import missing_files
from bgremoval_mm.datasets.prepare.check_report import CheckReport, listing
from bgremoval_mm.datasets.prepare.images import Survey, report_damage, survey
from bgremoval_mm.datasets.products.folds import Folds, absent_classes
from bgremoval_mm.datasets.products.manifest import Manifest

__all__ = ['check_catalogue', 'photo_problems', 'photos_by_fold']


def check_catalogue(
    manifest: Manifest,
    root: Path,
    folds: Folds | None = None,
    read: bool = True,
    progress: bool = True,
) -> CheckReport:
    """Check a catalogue: its photos, its products, its classes, and its folds.

    Errors: photos that are missing or cannot be read, a product with two labels, products without a
    fold. Warnings: photos that are damaged but can be decoded in part, photos without a label, one
    class only, classes of one product, the same photo (by content) under two products, a class that
    is not in every fold.

    Args:
        manifest: The catalogue.
        root: Folder that the paths of the photos are relative to.
        folds: Its folds, if there are any.
        read: Whether photos are decoded and compared; otherwise, only that they are there.
        progress: Show a progress bar, if there is a terminal.
    """
    report = CheckReport(manifest.path.stem, str(manifest.path))
    columns = manifest.columns
    photos = Counter(row[columns.label] or '(none)' for row in manifest.rows)
    missing, seen = photo_problems(manifest, root, read, progress)
    if missing:
        report.errors.append(f'missing photos: {len(missing):,}{listing(missing)}')
    if seen.unreadable:
        broken = [f'{path}: {reason}' for path, reason in seen.unreadable.items()]
        report.errors.append(f'broken photos: {len(broken):,}{listing(broken)}')
    report_damage(report, seen)
    products = _check_labels(report, manifest)
    report.tables['catalogue'] = {'photos': photos, 'products': products}
    _check_duplicates(report, manifest, seen, folds)
    if folds is not None:
        _check_folds(report, manifest, folds)
    report.details |= {'missing': missing, 'unreadable': seen.unreadable}
    return report


def photo_problems(
    manifest: Manifest, root: Path, read: bool = True, progress: bool = False
) -> tuple[list[str], Survey]:
    """Find the photos of a manifest that are missing, and those that are broken.

    Args:
        manifest: The catalogue.
        root: Folder that the paths of the photos are relative to.
        read: Whether photos are decoded; otherwise nothing is known to be broken.
        progress: Show a progress bar, if there is a terminal.

    Returns:
        Paths of missing photos, as in the manifest; and what reading the others gave.
    """
    paths = {str(root / row[manifest.columns.image]): row for row in manifest.rows}
    missing = [paths[path][manifest.columns.image] for path in missing_files(paths)]
    gone = set(missing)
    there = [row[manifest.columns.image] for row in paths.values()]
    there = [path for path in there if path not in gone]
    return missing, survey(root, there, progress) if read else Survey({}, {})


def _check_labels(report: CheckReport, manifest: Manifest) -> dict[str, int]:
    """Check the labels; return the number of products of each class."""
    columns = manifest.columns
    labels: dict[str, set[str]] = defaultdict(set)
    products: dict[str, set[str]] = defaultdict(set)
    for row in manifest.labelled():
        labels[row[columns.product]].add(row[columns.label])
        products[row[columns.label]].add(row[columns.product])
    several = {name: sorted(each) for name, each in labels.items() if len(each) > 1}
    if several:
        shown = [f'{name}: {", ".join(each)}' for name, each in several.items()]
        report.errors.append(
            f'products with more than one {columns.label}: {len(several):,}{listing(shown)}'
        )
    if len(products) < 2:
        alike = f'all labels of {columns.label} are {"".join(products) or "empty"}'
        report.warnings.append(f'{alike}: there is nothing to tell apart')
    single = sorted(label for label, names in products.items() if len(names) == 1)
    if single:
        shown = [f'{label}: {next(iter(products[label]))}' for label in single]
        report.warnings.append(
            'classes of one product, which cannot be trained on and tested on: '
            f'{len(single):,}{listing(shown)}'
        )
    unlabelled = [row[columns.image] for row in manifest.rows if not row[columns.label]]
    if unlabelled:
        report.warnings.append(
            f'photos without a {columns.label}, which are left out: {len(unlabelled):,}'
            f'{listing(unlabelled)}'
        )
    report.details |= {'several_labels': several, 'single_product': single}
    return {label: len(names) for label, names in products.items()}


def _check_duplicates(
    report: CheckReport, manifest: Manifest, seen: Survey, folds: Folds | None
) -> None:
    columns = manifest.columns
    product_of = {row[columns.image]: row[columns.product] for row in manifest.rows}
    shared: list[list[str]] = []
    across: list[list[str]] = []
    for group in seen.same_content():
        products = {product_of[path] for path in group}
        if len(products) > 1:
            shared.append(group)
            known = {folds.fold_of.get(name) for name in products} if folds else set()
            if len(known) > 1:
                across.append(group)

    def described(groups: list[list[str]]) -> str:
        return listing(' = '.join(f'{p} ({product_of[p]})' for p in group) for group in groups)

    if shared:
        report.warnings.append(
            f'photos with the same content under two products: {len(shared):,}{described(shared)}'
        )
    if across:
        report.warnings.append(
            'of these, photos that are in two folds, so that a test knows photos of the training: '
            f'{len(across):,}{described(across)}'
        )
    same = len(seen.same_content()) - len(shared)
    if same:
        report.notes.append(f'photos that are twice under the same product: {same:,}')
    report.details |= {'same_content': shared}


def _check_folds(report: CheckReport, manifest: Manifest, folds: Folds) -> None:
    labels: Mapping[str, str] = {
        row[manifest.columns.product]: row[manifest.columns.label] for row in manifest.labelled()
    }
    lost = sorted(set(labels) - set(folds.fold_of))
    if lost:
        report.errors.append(
            f'products that {folds.source} has no fold for: {len(lost):,}{listing(lost)}'
        )
    extra = sorted(set(folds.fold_of) - set(manifest.products()))
    if extra:
        report.warnings.append(
            f'products of {folds.source} that are not in the catalogue: {len(extra):,}'
            f'{listing(extra)}'
        )
    absent = absent_classes(folds, labels)
    if absent:
        report.warnings.append(
            f'classes that are not in every fold: {len(absent):,}{listing(absent)}'
        )
    report.tables['photos by fold'] = photos_by_fold(manifest, folds)
    report.details |= {'absent': absent, 'folds': folds.digest}


def photos_by_fold(manifest: Manifest, folds: Folds) -> dict[str, dict[str, int]]:
    """Return the number of photos of each class in ``'fold 0'``, ``'fold 1'`` and so on."""
    columns = manifest.columns
    counts = Counter(
        (folds.fold_of.get(row[columns.product]), row[columns.label]) for row in manifest.labelled()
    )
    return {
        f'fold {number}': {label: counts[number, label] for label in manifest.classes}
        for number in range(folds.count)
    }
