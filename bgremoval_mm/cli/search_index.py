"""`bgremoval search index`: an index of a folder of photos, made or brought up to date."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bgremoval_mm.cli import signals
from bgremoval_mm.cli.argument_types import at_least, model_name, share
from bgremoval_mm.cli.arguments import add_device_argument, add_licence_argument
from bgremoval_mm.cli.console import quiet
from bgremoval_mm.cli.errors import FAILED, OK, OPENMMLAB, add_debug_argument
from bgremoval_mm.cli.result_arguments import fill_levels
from bgremoval_mm.removal.errors import ArgumentError
from bgremoval_mm.removal.options import PRECISIONS
from bgremoval_mm.utils.messages import first_few
from bgremoval_mm.utils.text import printable

if TYPE_CHECKING:
    from bgremoval_mm.search.build import IndexSummary
    from bgremoval_mm.search.network import Network
    from bgremoval_mm.search.removal import PhotoRemoval

__all__ = ['add_device_arguments', 'add_index_command', 'run_index']

_LISTED = 20


def add_index_command(commands: argparse._SubParsersAction[Any]) -> None:
    """Add `index`: of which photos, by which network, with which removal."""
    text = 'make an index of a folder of photos, or bring it up to date'
    index = commands.add_parser('index', help=text, description=f'M{text[1:]}.')
    index.set_defaults(run=run_index, parser=index, checked_by=OPENMMLAB)
    index.add_argument('photos', type=Path, metavar='PHOTOS', help='folder of photos, at any depth')
    index.add_argument('index', type=Path, metavar='INDEX', help='folder of the index')
    network = index.add_mutually_exclusive_group(required=True)
    network.add_argument(
        '--checkpoint', type=Path, metavar='FILE.pth', help='a network of mmpretrain, trained'
    )
    network.add_argument(
        '--backbone',
        metavar='NAME',
        help='ImageNet weights: efficientnet-lite0, efficientnet-lite2, or a classifier of '
        'mmpretrain by its name, such as resnet50_8xb32_in1k',
    )
    index.add_argument(
        '--config', type=Path, metavar='FILE.py', help='of the checkpoint, if it carries none'
    )
    index.add_argument(
        '--remove-background',
        type=model_name,
        metavar='MODEL',
        help='remove backgrounds first, also those of queries: a name that `bgremoval models` '
        'lists, or an .onnx file',
    )
    index.add_argument(
        '--fill',
        type=fill_levels,
        metavar='LEVEL|R,G,B',
        help="colour in the background's place (default: the one that the config trains with, else "
        '255)',
    )
    index.add_argument(
        '--threshold',
        type=share,
        metavar='SHARE',
        help='hard edges: foreground is what exceeds this share (default: as the config trains)',
    )
    precisions = [each for each in PRECISIONS if each != 'int8']  # which needs calibration
    index.add_argument('--precision', choices=precisions, help='of the removal (default: fp32)')
    index.add_argument(
        '--batch-size',
        type=at_least(1),
        default=32,
        help='photos at a time, fewer where they are large (default: 32)',
    )
    add_device_arguments(index)


def add_device_arguments(parser: argparse.ArgumentParser) -> None:
    """Add where networks run, and what every step has."""
    add_device_argument(parser)
    add_licence_argument(parser)
    add_debug_argument(parser)


def run_index(parser: argparse.ArgumentParser, args: argparse.Namespace) -> int:
    """Fill the index; return 1 if photos cannot be read."""
    if args.config is not None and args.checkpoint is None:
        parser.error('--config goes with --checkpoint')
    for name in ('fill', 'threshold', 'precision'):
        if getattr(args, name) is not None and args.remove_background is None:
            parser.error(f'--{name} goes with --remove-background')
    if args.accept_licence and args.remove_background is None:
        parser.error('--accept-licence goes with --remove-background')
    from bgremoval_mm.search.build import update_index
    from bgremoval_mm.search.network import Network

    with signals.raised(), quiet():
        if args.backbone is not None:
            network = Network.from_backbone(args.backbone, args.device)
        else:
            network = Network.from_checkpoint(args.checkpoint, args.config, args.device)
        removal = _removal(args, network)
        summary = update_index(args.photos, args.index, network, removal, args.batch_size)
    print(_describe(summary, args.index))
    return FAILED if summary.broken else OK


def _removal(args: argparse.Namespace, network: Network) -> PhotoRemoval | None:
    trained = network.definition.removes
    if args.remove_background is None:
        if trained.removes:
            print(
                'note: the config tests on photos without backgrounds, but this index keeps them: '
                f'see --remove-background {trained.arguments.get("model", "MODEL")}',
                file=sys.stderr,
            )
        return None
    from bgremoval_mm.search.removal import PhotoRemoval

    fill = args.fill
    if fill is None:
        if trained.kind == 'images':
            msg = (
                'the config tests on images whose backgrounds were removed before: give the colour '
                'behind their foreground by --fill'
            )
            raise ArgumentError(msg)
        fill = trained.arguments.get('fill', 255) if trained.removes else 255
    threshold = args.threshold
    if threshold is None and trained.removes:
        threshold = trained.arguments.get('threshold')
    if fill == 'mean':
        from bgremoval_mm.datasets.transforms.remove_background import IMAGENET_MEAN

        fill = IMAGENET_MEAN
    return PhotoRemoval(
        args.remove_background,
        fill,
        args.precision or 'fp32',
        device=args.device,
        accept_licence=args.accept_licence,
        threshold=threshold,
    )


def _describe(summary: IndexSummary, index: Path) -> str:
    """Return the closing lines of a run."""
    done = summary.added + summary.changed
    rate = f' ({done / summary.seconds:.1f} photos/s)' if done and summary.seconds else ''
    lines = [
        f'{summary.added:,} added, {summary.changed:,} changed{rate}, {summary.kept:,} kept, '
        f'{summary.renamed:,} renamed, {summary.gone:,} gone, {len(summary.broken):,} broken',
        f'{summary.total:,} photos in {printable(index)}',
    ]
    if summary.blank:
        lines += [
            f'{len(summary.blank):,} have no foreground, so that the search takes them for one '
            f'another: {printable(first_few(summary.blank))}'
        ]
    shown = list(summary.broken.items())[:_LISTED]
    lines += [f'  broken: {printable(path)}: {printable(reason)}' for path, reason in shown]
    if len(summary.broken) > _LISTED:
        lines.append(f'  broken: and {len(summary.broken) - _LISTED:,} more, see broken.csv')
    return '\n'.join(lines)
