"""The command `bgremoval`."""

from __future__ import annotations

import argparse
import logging
import runpy
import sys
from collections.abc import Callable
from pathlib import Path

import bgremoval_mm
from bgremoval_mm.cli import models
from bgremoval_mm.cli.one import SUFFIXES, run_one
from bgremoval_mm.cli.tree import (
    add_masks_arguments,
    add_tree_arguments,
    check_arguments,
    describe,
    run_tree,
)
from bgremoval_mm.removal import CATALOGUE
from bgremoval_mm.version import __version__

__all__ = ['main', 'make_parser']

_Run = Callable[[argparse.ArgumentParser, argparse.Namespace], int]


def make_parser() -> argparse.ArgumentParser:
    """The command line with all its commands."""
    parser = argparse.ArgumentParser(
        prog='bgremoval', description='Remove the background of photos: one, a folder, millions.'
    )
    parser.add_argument('--version', action='version', version=f'bgremoval_mm {__version__}')
    commands = parser.add_subparsers(dest='command', required=True, metavar='COMMAND')

    remove = _add(commands, 'remove', _remove, 'cut out one image, or every image of a folder')
    remove.add_argument(
        'src', nargs='?', default='-', help='image or folder; - (default): standard input'
    )
    remove.add_argument(
        'dst', nargs='?', default='-', help='image or folder; - (default): standard output'
    )
    add_tree_arguments(remove, 'rgba')
    remove.add_argument(
        '--watch',
        action='store_true',
        help='go on until Ctrl-C: do images as they arrive in the folder, once they are complete',
    )

    masks = _add(commands, 'masks', _masks, 'make masks of a folder, for training')
    add_masks_arguments(masks)

    listed = _add(commands, 'models', _models, 'list the models, or fetch those that are named')
    listed.add_argument('models', nargs='*', metavar='MODEL', help='to be fetched')
    listed.add_argument(
        '--accept-licence',
        action='store_true',
        help='accept weights whose licence forbids commercial use',
    )

    review = _add(commands, 'review', _review, 'write a page on which to judge suspicious masks')
    review.add_argument('results', help='DST of a job')
    review.add_argument('images', type=Path, help='SRC of that job')
    review.add_argument('--out', type=Path, default=Path('review'), help='default: review')
    review.add_argument('--model', default='u2net', choices=list(CATALOGUE))
    review.add_argument('--all', action='store_true', help='show masks without a flag, too')

    from bgremoval_mm.cli.bench import add_bench_arguments

    bench = _add(commands, 'bench', _bench, 'measure which backend is the fastest here')
    add_bench_arguments(bench)
    _add(commands, 'doctor', _doctor, 'show what is installed, and whether it works')
    return parser


def main(argv: list[str] | None = None) -> int:
    """Run a command; 0 if all went well, 1 if not, 2 on wrong options, 130 if interrupted."""
    parser = make_parser()
    args = parser.parse_args(argv)
    logging.basicConfig(level=logging.INFO, format='%(message)s', stream=sys.stderr)
    run: _Run = args.run
    del args.run
    return run(parser, args)


def _add(
    commands: argparse._SubParsersAction, name: str, run: _Run, text: str
) -> argparse.ArgumentParser:
    made: argparse.ArgumentParser = commands.add_parser(
        name, help=text, description=text[0].upper() + text[1:] + '.'
    )
    made.set_defaults(run=run)
    return made


def _remove(parser: argparse.ArgumentParser, args: argparse.Namespace) -> int:
    """One image, or a folder, as what SRC and DST are."""
    to_file = args.dst == '-' or (
        Path(args.dst).suffix.lower() in SUFFIXES and not Path(args.dst).is_dir()
    )
    if args.watch:
        if not Path(args.src).is_dir():
            parser.error(f'--watch needs a folder, but SRC is {args.src}')
        return _watch(parser, args)
    if args.src == '-' or (to_file and not Path(args.src).is_dir()):
        if not to_file:
            parser.error('one image from standard input goes to a file: give DST with its suffix')
        if args.src == '-' and sys.stdin.isatty():
            parser.error('give SRC and DST, or an image on standard input')
        if args.dst == '-' and sys.stdout.isatty():
            parser.error('standard output is a terminal: give DST, or redirect it')
        if args.dst.lower().endswith(('.jpg', '.jpeg')) and args.output == 'rgba':
            parser.error('JPEG has no transparency: add --output rgb, with --fill for the colour')
        return run_one(args)
    if to_file:
        parser.error(f'SRC is a folder, so DST must be one, but got {args.dst}')
    check_arguments(parser, args)
    return run_tree(args)


def _watch(parser: argparse.ArgumentParser, args: argparse.Namespace) -> int:
    from bgremoval_mm.cli.tree import options_of
    from bgremoval_mm.cli.watch import Watcher
    from bgremoval_mm.removal import remove_tree

    check_arguments(parser, args)
    options = {**options_of(args), 'progress': False}
    print(f'Watching {args.src}; Ctrl-C ends it.', file=sys.stderr)
    failed = 0
    try:
        for summary in Watcher(Path(args.src)).run(
            lambda new: remove_tree(**options, accept=new.__contains__)
        ):
            failed += len(summary.failed)
            if summary.done or summary.failed:
                print(describe(summary), flush=True)
    except KeyboardInterrupt:
        return 1 if failed else 0
    except (OSError, RuntimeError, ValueError, ImportError) as err:
        print(f'error: {err}', file=sys.stderr)
        return 1
    return 0


def _masks(parser: argparse.ArgumentParser, args: argparse.Namespace) -> int:
    check_arguments(parser, args)
    return run_tree(args)


def _models(parser: argparse.ArgumentParser, args: argparse.Namespace) -> int:
    for name in args.models:
        if name not in CATALOGUE:
            parser.error(f'MODEL must be one of {", ".join(CATALOGUE)}, but got {name!r}')
    if args.models:
        return models.fetch(args.models, args.accept_licence)
    print(models.listing())
    return 0


def _review(parser: argparse.ArgumentParser, args: argparse.Namespace) -> int:
    from bgremoval_mm.reports.review import open_results, write_review

    try:
        results = open_results(args.results, args.model)
        page = write_review(args.out, results, args.images, args.all)
    except (OSError, ValueError) as err:
        print(f'error: {err}', file=sys.stderr)
        return 1
    print(f'Look at {page}')
    return 0


def _bench(parser: argparse.ArgumentParser, args: argparse.Namespace) -> int:
    from bgremoval_mm.cli.bench import run_bench

    return run_bench(args)


def _doctor(parser: argparse.ArgumentParser, args: argparse.Namespace) -> int:
    tool = Path(bgremoval_mm.__file__).parent / '.mim' / 'tools' / 'doctor.py'
    code: int = runpy.run_path(str(tool), run_name='doctor')['main']()
    return code


if __name__ == '__main__':
    sys.exit(main())
