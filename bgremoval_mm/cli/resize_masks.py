"""`bgremoval resize-masks`: the masks of a store at the size of their photos, for trainings."""

from __future__ import annotations

import argparse

from bgremoval_mm.cli import signals
from bgremoval_mm.cli.argument_types import at_least
from bgremoval_mm.cli.arguments import add_model_argument
from bgremoval_mm.cli.errors import FAILED, OK, add_debug_argument
from bgremoval_mm.cli.tree import listing
from bgremoval_mm.utils.text import printable

__all__ = ['add_resize_arguments', 'run_resize']


def add_resize_arguments(parser: argparse.ArgumentParser) -> None:
    """Add which store it is."""
    parser.add_argument('masks', help='DST of `bgremoval masks`, a folder or an address')
    add_model_argument(parser)
    parser.add_argument(
        '--workers', type=at_least(1), metavar='N', help='processes (default: one a core)'
    )
    add_debug_argument(parser)


def run_resize(parser: argparse.ArgumentParser, args: argparse.Namespace) -> int:
    """Resize the masks; return 1 if some could not be."""
    from bgremoval_mm.removal.jobs.resize_masks import resize_masks
    from bgremoval_mm.removal.outputs.png import PLAIN_PIXELS

    with signals.raised():
        found = resize_masks(args.masks, args.model, workers=args.workers)
    where = printable(found.store.storage.address)
    print(
        f'{found.done:,} masks resized, {found.skipped:,} resized before, '
        f'{len(found.failed):,} failed; in {where}'
    )
    if found.large:
        limit = PLAIN_PIXELS / 1e6
        print(
            f'{found.large:,} stay as they are: their photos have more than {limit:.1f} megapixels'
        )
    for line in listing('failed', found.failed, rest=''):
        print(line)
    return FAILED if found.failed else OK
