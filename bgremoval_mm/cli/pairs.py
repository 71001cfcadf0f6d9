"""`bgremoval pairs`: check pairs of photo and mask, and cluster them, before a training."""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bgremoval_mm.cli import signals
from bgremoval_mm.cli.argument_types import at_least, share
from bgremoval_mm.cli.errors import FAILED, OK, add_debug_argument, writing_to
from bgremoval_mm.utils.text import printable

if TYPE_CHECKING:
    from bgremoval_mm.removal.pairs.manifest import Pair

__all__ = ['add_pairs_commands', 'run_check', 'run_cluster']

_NAMED = 5


def add_pairs_commands(parser: argparse.ArgumentParser) -> None:
    """Add `check` and `cluster`."""
    commands = parser.add_subparsers(dest='step', required=True, metavar='STEP')
    _add_check(commands)
    _add_cluster(commands)


def _add_check(commands: argparse._SubParsersAction[Any]) -> None:
    text = 'pair photos with masks, reject what cannot be used, and write a manifest'
    check = commands.add_parser('check', help=text, description=text[0].upper() + text[1:] + '.')
    check.set_defaults(run=run_check, parser=check)
    check.add_argument('images', type=Path, help='folder of photos, at any depth')
    check.add_argument('masks', type=Path, help='folder of masks, with the same names')
    check.add_argument(
        '--list',
        type=Path,
        metavar='FILE.csv',
        help='take only these photos: column image, and any of mask, item, cluster, split; '
        'photos of one item stay in one split',
    )
    check.add_argument(
        '--mask-suffix',
        default='',
        metavar='TEXT',
        help='what names of masks have before the file suffix, such as _mask',
    )
    check.add_argument(
        '--out',
        type=Path,
        default=Path('pairs'),
        metavar='DIR',
        help='folder for manifest.csv, rejected.csv and oddest.png (default: pairs)',
    )
    check.add_argument(
        '--number', type=at_least(0), default=40, help='pairs on the sheet (default: 40; 0: none)'
    )
    check.add_argument('--seed', type=at_least(0), help='of the split (default: 0)')
    _add_common(check)


def _add_cluster(commands: argparse._SubParsersAction[Any]) -> None:
    text = 'cluster the photos of a manifest, and deal its splits out by cluster'
    cluster = commands.add_parser(
        'cluster', help=text, description=text[0].upper() + text[1:] + '.'
    )
    cluster.set_defaults(run=run_cluster, parser=cluster)
    cluster.add_argument('manifest', type=Path, help='manifest.csv of `bgremoval pairs check`')
    cluster.add_argument(
        '--clusters', type=at_least(1), default=5, help='beside the white one (default: 5)'
    )
    cluster.add_argument(
        '--overrides',
        type=Path,
        metavar='FILE.csv',
        help='columns image,cluster: these photos are in these clusters, whatever they look like',
    )
    cluster.add_argument(
        '--number',
        type=at_least(0),
        default=40,
        help='photos on the sheet of each cluster (default: 40; 0: no sheets)',
    )
    cluster.add_argument(
        '--seed', type=at_least(0), default=0, help='of k-means and the split (default: 0)'
    )
    _add_common(cluster)


def _add_common(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        '--val-share',
        type=share,
        metavar='SHARE',
        help='part of each cluster that validates (default: 0.2)',
    )
    parser.add_argument(
        '--workers', type=at_least(1), metavar='N', help='processes (default: one a core)'
    )
    add_debug_argument(parser)


def run_check(parser: argparse.ArgumentParser, args: argparse.Namespace) -> int:
    """Write manifest, rejections and sheet; return 1 if pairs were rejected."""
    from bgremoval_mm.removal.errors import ArgumentError
    from bgremoval_mm.removal.io.addresses import lies_in
    from bgremoval_mm.removal.io.targets import check_sheet
    from bgremoval_mm.removal.pairs.check import check_pairs
    from bgremoval_mm.removal.pairs.manifest import (
        check_manifest_target,
        check_rejections_target,
        write_manifest,
        write_rejections,
    )

    manifest = args.out / 'manifest.csv'
    for folder in (args.images, args.masks):
        if lies_in(args.out.resolve(), folder):
            msg = (
                f'--out must lie outside the photos and masks, but {printable(args.out)} is in '
                f'{printable(folder)}'
            )
            raise ArgumentError(msg)
    check_manifest_target(manifest)
    check_rejections_target(args.out / 'rejected.csv')
    if args.number:
        check_sheet(args.out / 'oddest.png', named=False)
    draw = _drawing(args.number)
    with signals.raised():
        report = check_pairs(
            args.images,
            args.masks,
            manifest,
            args.list,
            args.mask_suffix,
            args.val_share,
            args.seed,
            args.workers,
        )
        with writing_to(str(args.out)):
            write_rejections(args.out / 'rejected.csv', report.rejections)
            if report.pairs:
                write_manifest(manifest, report.pairs)
            if report.pairs and draw is not None:
                sheet = draw.draw_odd_sheet(report.pairs, report.odd, args.out, args.number)
                _save(sheet, args.out / 'oddest.png')
    splits = Counter(pair.split for pair in report.pairs)
    dealt = ', '.join(f'{count:,} {name}' for name, count in sorted(splits.items()))
    print(f'{len(report.pairs):,} pairs' + (f' ({dealt})' if dealt else ''))
    if report.pairs:
        print(f'Written to {printable(manifest)}')
    if not report.rejections:
        return OK
    print(f'{len(report.rejections):,} rejected; all in {printable(args.out / "rejected.csv")}')
    for kind, count in report.counts().items():
        print(f'  {count:>6,} {printable(kind)}')
    for each in report.rejections[:_NAMED]:
        name = printable(each.image or each.mask)
        print(f'  {name}: {printable(each.kind)}: {printable(each.reason)}', file=sys.stderr)
    return FAILED


def run_cluster(parser: argparse.ArgumentParser, args: argparse.Namespace) -> int:
    """Write the clusters and splits into the manifest, and a sheet of each cluster."""
    from bgremoval_mm.removal.pairs.clusters import (
        WHITE_RULE,
        cluster_pairs,
        given_clusters,
        read_overrides,
    )
    from bgremoval_mm.removal.pairs.manifest import read_manifest, write_manifest

    pairs = read_manifest(args.manifest)
    overrides = {} if args.overrides is None else read_overrides(args.overrides, pairs)
    draw, folder = _drawing(args.number), args.manifest.parent
    with signals.raised():
        found = cluster_pairs(
            pairs,
            folder,
            args.clusters,
            overrides,
            args.val_share,
            args.seed,
            args.workers,
        )
        by_cluster: dict[str, list[Pair]] = {}
        for pair in found:
            by_cluster.setdefault(pair.cluster, []).append(pair)
        with writing_to(str(folder)):
            write_manifest(args.manifest, found)
            for name in {pair.cluster for pair in pairs}:  # what they show is out of date
                (folder / f'cluster_{name}.png').unlink(missing_ok=True)
            for name, members in by_cluster.items() if draw is not None else ():
                sheet = draw.draw_cluster_sheet(name, members, folder, args.number)
                _save(sheet, folder / f'cluster_{name}.png')
    print(_counts(by_cluster))
    given = len(given_clusters(pairs) | overrides)
    print(f'Written to {printable(args.manifest)}; {given:,} clusters were given')
    print(f'White: {WHITE_RULE}')
    return OK


def _counts(by_cluster: dict[str, list[Pair]]) -> str:
    width = max(len('cluster'), *map(len, by_cluster))
    lines = [f'{"cluster":<{width}}  photos  train    val   foreground']
    for name, members in sorted(by_cluster.items()):
        splits = Counter(pair.split for pair in members)
        share = sum(pair.foreground for pair in members) / len(members)
        lines.append(
            f'{name:<{width}}  {len(members):>6}  {splits["train"]:>5}  {splits["val"]:>5}   '
            f'{share:>9.1%}'
        )
    return '\n'.join(lines)


def _drawing(number: int) -> Any:
    """Return the module that draws, None if nothing is to be drawn.

    It is imported before the work, so that a missing matplotlib is told at once.
    """
    if number == 0:
        return None
    from bgremoval_mm.visualization import pair_sheet

    return pair_sheet


def _save(sheet: Any, path: Path) -> None:
    from bgremoval_mm.visualization.canvas import save_png

    save_png(sheet, path)
