"""`bgremoval review`: the page on which masks are judged; `review apply`: what is done about it."""

from __future__ import annotations

import argparse
from pathlib import Path

from bgremoval_mm.cli import arguments, signals
from bgremoval_mm.cli.errors import FAILED, OK
from bgremoval_mm.utils.text import printable

__all__ = ['add_apply_arguments', 'add_review_arguments', 'run_apply', 'run_review']


def add_review_arguments(parser: argparse.ArgumentParser) -> None:
    """Add which results are shown, and where the page goes."""
    parser.add_argument('results', help='DST of a job')
    parser.add_argument('images', type=Path, help='SRC of that job')
    parser.add_argument('--out', type=Path, default=Path('review'), help='default: review')
    _add_model_argument(parser)
    parser.add_argument('--all', action='store_true', help='show masks without a flag, too')
    parser.add_argument(
        '--side',
        type=arguments.at_least(1),
        default=1280,
        metavar='PIXELS',
        help='longer side of the pictures, unless the photos are smaller (default: 1280)',
    )
    arguments.add_debug_argument(parser)


def add_apply_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the verdicts, and what is done with the rejected results."""
    parser.add_argument('verdicts', type=Path, metavar='VERDICTS.csv', help='from the page')
    parser.add_argument('results', help='DST of the job that was reviewed')
    _add_model_argument(parser)
    result = parser.add_mutually_exclusive_group()
    result.add_argument('--delete', action='store_true', help='delete the rejected results')
    result.add_argument(
        '--remake',
        type=arguments.model_name,
        metavar='MODEL',
        help='make them again with another model; needs --images',
    )
    parser.add_argument(
        '--leave-out',
        type=Path,
        metavar='FILE.txt',
        help='enter the rejected images into a list for RembgDataset(exclude=...)',
    )
    parser.add_argument('--images', type=Path, metavar='SRC', help='SRC of that job')
    parser.add_argument(
        '--calibration', metavar='DIR', help='photos for results in int8 (default: SRC)'
    )
    arguments.add_licence_argument(parser)
    arguments.add_debug_argument(parser)


def run_review(parser: argparse.ArgumentParser, args: argparse.Namespace) -> int:
    """Write the page."""
    from bgremoval_mm.removal.review.page import open_results, write_review

    with signals.raised():
        results = open_results(args.results, args.model)
        page = write_review(args.out, results, args.images, args.all, side=args.side)
    print(f'Look at {printable(page)}')
    return OK


def run_apply(parser: argparse.ArgumentParser, args: argparse.Namespace) -> int:
    """Do what was asked for; return 1 if an image could not be made again."""
    if not (args.delete or args.remake or args.leave_out):
        parser.error('say what to do with the rejected results: --delete, --remake, --leave-out')
    if (args.images is None) != (args.remake is None):
        parser.error('--remake and --images go together')
    if args.accept_licence and args.remake is None:
        parser.error('--accept-licence goes with --remake')
    if args.calibration is not None and args.remake is None:
        parser.error('--calibration goes with --remake')
    from bgremoval_mm.cli.tree import describe
    from bgremoval_mm.removal.review import apply
    from bgremoval_mm.removal.review.page import open_results
    from bgremoval_mm.removal.review.verdicts import read_verdicts

    code = OK
    with signals.raised():
        verdicts = read_verdicts(args.verdicts)
        results = open_results(args.results, args.model)
        rejected = apply.rejected_records(results, verdicts)
        if args.leave_out is not None:
            new, number = apply.leave_out(args.leave_out, verdicts)
            print(f'{new} images entered, {number} now listed in {printable(args.leave_out)}')
        if args.delete:
            print(f'{apply.delete_results(results, rejected)} results deleted')
        if args.remake is not None:
            summaries = apply.make_again(
                results,
                rejected,
                args.images,
                args.remake,
                args.accept_licence,
                calibration=args.calibration,
            )
            for summary in summaries:
                print(describe(summary))
                code = FAILED if summary.failed else code
            if not summaries:
                print('nothing to make again: no result was rejected')
    return code


def _add_model_argument(parser: argparse.ArgumentParser) -> None:
    arguments.add_model_argument(parser, 'whose masks, if DST is a mask store: ')
