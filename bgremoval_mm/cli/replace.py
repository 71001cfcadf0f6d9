"""`bgremoval replace`: the photos of a folder, written again before other backgrounds."""

from __future__ import annotations

import argparse
from dataclasses import fields

from bgremoval_mm.cli import signals
from bgremoval_mm.cli.argument_types import at_least
from bgremoval_mm.cli.arguments import add_model_argument
from bgremoval_mm.cli.errors import FAILED, OK, add_debug_argument
from bgremoval_mm.cli.rules import find_source
from bgremoval_mm.removal.errors import BgremovalError
from bgremoval_mm.removal.options import EDGES, PRECISIONS, JobOptions

__all__ = ['add_replace_arguments', 'run_replace']


def add_replace_arguments(parser: argparse.ArgumentParser) -> None:
    """Add which photos, masks and backgrounds are taken, and how they are put together."""
    parser.add_argument('src', help='folder of photos, or one photo; or an address like s3://...')
    parser.add_argument(
        'dst', help='folder for the results, which have the names of their photos; or an address'
    )
    parser.add_argument(
        '--masks',
        dest='mask_dir',
        required=True,
        metavar='DIR',
        help='a mask store of these photos, as `bgremoval masks` makes it',
    )
    parser.add_argument(
        '--bank',
        required=True,
        nargs='+',
        metavar='PATH',
        help='photos of backgrounds: folders, or list files with one name a line',
    )
    add_model_argument(parser, 'whose masks are taken: ')
    parser.add_argument(
        '--precision',
        default='fp32',
        choices=[each for each in PRECISIONS if each != 'auto'],
        help='what the masks were computed in (default: fp32)',
    )
    parser.add_argument(
        '--seed',
        type=at_least(0),
        default=0,
        help="a photo's background depends on this and on its path alone (default: 0)",
    )
    parser.add_argument(
        '--scale',
        nargs=2,
        type=float,
        default=(0.16, 1.0),
        metavar=('MIN', 'MAX'),
        help='area of the crop, as a share of the largest one (default: 0.16 1)',
    )
    parser.add_argument(
        '--flip-prob',
        type=float,
        default=0.5,
        metavar='SHARE',
        help='of the crops that are mirrored, left to right (default: 0.5)',
    )
    parser.add_argument(
        '--edges',
        default='clean',
        choices=EDGES,
        help="colours of soft edges: clean (default): the foreground's, without the old background "
        "in them; straight: the photo's, as ReplaceBackground has them in training",
    )
    parser.add_argument(
        '--overwrite', action='store_true', default=None, help='do again what is done'
    )
    parser.add_argument(
        '--checksum',
        action='store_true',
        default=None,
        help='find changed photos by their content, not by size and time of modification',
    )
    add_debug_argument(parser)


def run_replace(parser: argparse.ArgumentParser, args: argparse.Namespace) -> int:
    """Write the photos.

    Returns:
        0 if every photo has its result, 1 if not.

    Raises:
        BgremovalError, OSError: If nothing can be done, or there is no photo.
    """
    least, greatest = args.scale
    if not 0 < least <= greatest <= 1:
        parser.error(
            f'--scale must be two numbers in (0, 1], the smaller first, but got {least} {greatest}'
        )
    if not 0 <= args.flip_prob <= 1:
        parser.error(f'--flip-prob must be a number in [0, 1], but got {args.flip_prob}')
    find_source(args.src)
    from bgremoval_mm.cli.tree import describe
    from bgremoval_mm.datasets.replaced import replace_tree

    given = {each.name: getattr(args, each.name, None) for each in fields(JobOptions)}
    with signals.raised():
        summary = replace_tree(
            args.src,
            args.dst,
            args.mask_dir,
            args.bank,
            args.model,
            precision=args.precision,
            seed=args.seed,
            scale=args.scale,
            flip_prob=args.flip_prob,
            edges=args.edges,
            job=JobOptions(**{name: value for name, value in given.items() if value is not None}),
        )
    if not (summary.done or summary.skipped or summary.failed):
        msg = f'there is no photo in {args.src}'
        raise BgremovalError(msg)
    print(describe(summary))
    return FAILED if summary.failed else OK
