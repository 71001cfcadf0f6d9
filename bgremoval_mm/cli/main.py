"""The command `bgremoval`.

Only what every start needs is imported here: until `main` has taken over the signals, Ctrl-C ends
Python in its own way.
"""

from __future__ import annotations

import argparse
import logging
import os
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from bgremoval_mm.cli import signals

if TYPE_CHECKING:
    from bgremoval_mm.removal import TreeSummary

__all__ = ['main', 'make_parser', 'run_program']

_APPLY = 'review apply'
_REFERENCE = 'monitor reference'
_Run = Callable[[argparse.ArgumentParser, argparse.Namespace], int]


def make_parser() -> argparse.ArgumentParser:
    """Make the command line with all its commands."""
    from bgremoval_mm.cli import arguments
    from bgremoval_mm.cli.arguments import add_command
    from bgremoval_mm.cli.catalogue import add_catalogue_arguments
    from bgremoval_mm.cli.compare_models import add_comparison_arguments
    from bgremoval_mm.cli.export import add_export_arguments
    from bgremoval_mm.cli.mask_sheet import add_sheet_arguments
    from bgremoval_mm.cli.monitor import add_monitor_arguments, add_reference_arguments
    from bgremoval_mm.cli.pairs import add_pairs_commands
    from bgremoval_mm.cli.pipeline import add_pipeline_commands
    from bgremoval_mm.cli.replace import add_replace_arguments
    from bgremoval_mm.cli.retrain import add_retrain_arguments
    from bgremoval_mm.cli.review import add_apply_arguments, add_review_arguments
    from bgremoval_mm.cli.search import add_search_commands
    from bgremoval_mm.cli.serve import add_serve_arguments
    from bgremoval_mm.version import __version__

    class CommandParser(arguments.Parser):
        """Parser that takes the two words of `review apply` and the like for one command."""

        def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
            words = list(sys.argv[1:] if args is None else args)
            if ' '.join(words[:2]) in (_APPLY, _REFERENCE):
                words[:2] = [' '.join(words[:2])]
            return super().parse_known_args(words, namespace)

    parser = CommandParser(
        prog='bgremoval', description='Remove the background of photos: one, a folder, millions.'
    )
    parser.add_argument('--version', action='version', version=f'bgremoval_mm {__version__}')
    commands = parser.add_subparsers(
        dest='command', required=True, metavar='COMMAND', parser_class=arguments.Parser
    )

    remove = add_command(
        commands, 'remove', _remove, 'cut out one image, or every image of a folder'
    )
    remove.add_argument(
        'src', nargs='?', default='-', help='image or folder; - (default): standard input'
    )
    remove.add_argument(
        'dst', nargs='?', default='-', help='image or folder; - (default): standard output'
    )
    arguments.add_tree_arguments(remove, 'rgba')
    remove.add_argument(
        '--watch',
        action='store_true',
        help='go on until Ctrl-C: do images as they arrive in the folder, once they are complete',
    )

    masks = add_command(commands, 'masks', _masks, 'make masks of a folder, for training')
    arguments.add_masks_arguments(masks)

    text = 'write photos again before other backgrounds, by the masks of a store'
    add_replace_arguments(add_command(commands, 'replace', _replace, text))

    text = 'remove backgrounds over HTTP: for programs, and on a page for people'
    add_serve_arguments(add_command(commands, 'serve', _serve, text))

    text = 'receive photos, remove, check and publish each, with any number of workers'
    add_pipeline_commands(
        commands.add_parser('pipeline', help=text, description=text[0].upper() + text[1:] + '.')
    )

    text = 'watch the masks of a pipeline, and tell of each real drop once'
    add_monitor_arguments(add_command(commands, 'monitor', _monitor, text))
    text = 'measure the masks of a training set, which those of a pipeline are compared with'
    add_reference_arguments(add_command(commands, _REFERENCE, _reference, text))

    text = 'train with the masks that people corrected, and put the network live if it is better'
    add_retrain_arguments(add_command(commands, 'retrain', _retrain, text))

    listed = add_command(commands, 'models', _models, 'list the models, fetch those that are named')
    listed.add_argument(
        'models', nargs='*', metavar='MODEL', help='to be fetched; or .onnx files, to be described'
    )
    arguments.add_licence_argument(listed)
    arguments.add_debug_argument(listed)

    sheet = add_command(
        commands, 'sheet', _sheet, 'list and draw the least trustworthy masks of a store'
    )
    add_sheet_arguments(sheet)

    review = add_command(
        commands, 'review', _review, 'write a page on which to judge suspicious masks'
    )
    add_review_arguments(review)

    text = 'act on the verdicts of a review: delete, make again, leave out of training'
    add_apply_arguments(add_command(commands, _APPLY, _apply, text))

    text = 'check and cluster pairs of photo and mask, to train a model of your own'
    add_pairs_commands(
        commands.add_parser('pairs', help=text, description=text[0].upper() + text[1:] + '.')
    )

    text = 'check a catalogue of products, sample it, divide it into folds'
    add_catalogue_arguments(add_command(commands, 'catalogue', _catalogue, text))

    text = 'find the photos of a folder that are most similar to one'
    add_search_commands(
        commands.add_parser('search', help=text, description=text[0].upper() + text[1:] + '.')
    )

    text = 'write a trained model as an ONNX file that every command takes'
    add_export_arguments(add_command(commands, 'export', _export, text))

    text = 'score models on photos with masks by people, and say which is better'
    add_comparison_arguments(add_command(commands, 'compare-models', _compare_models, text))

    bench = add_command(commands, 'bench', _bench, 'measure which backend is the fastest here')
    arguments.add_bench_arguments(bench)
    text = 'check the installed stack and print a fix for everything that is broken'
    doctor = add_command(commands, 'doctor', _doctor, text)
    arguments.add_debug_argument(doctor)
    return parser


def main(argv: list[str] | None = None, command: str | None = None) -> int:
    """Run a command; return 0 if all went well, 1 if not, 2 on wrong options, 130 if interrupted.

    Args:
        argv: What follows the program's name. Default: as it was started.
        command: The one to run, where `argv` does not begin with it, as for a tool of its own.
    """
    words = sys.argv[1:] if argv is None else argv
    if argv is None:
        signals.install()
    from bgremoval_mm.cli import console
    from bgremoval_mm.cli.errors import guarded

    console.prepare(own_process=argv is None)
    console.log_to_stderr()
    args = make_parser().parse_args(words if command is None else [command, *words])
    checked_by = getattr(args, 'checked_by', ())
    return guarded(lambda: args.run(args.parser, args), args.debug, checked_by)


def _remove(parser: argparse.ArgumentParser, args: argparse.Namespace) -> int:
    """One image, or a folder, as what SRC and DST are."""
    from bgremoval_mm.cli import result_arguments, rules

    result_arguments.clean_by_default(args)
    if args.watch:
        rules.check_watch(parser, args)
        return _watch(args)
    if rules.goes_to_file(parser, args):
        from bgremoval_mm.cli.one import run_one

        rules.check_one(parser, args)
        return run_one(args)
    return _masks(parser, args)


def _watch(args: argparse.Namespace) -> int:
    from bgremoval_mm.cli.arguments import options_of
    from bgremoval_mm.cli.errors import FAILED, OK
    from bgremoval_mm.cli.tree import describe
    from bgremoval_mm.cli.watch import Watcher
    from bgremoval_mm.removal.jobs import run
    from bgremoval_mm.utils.text import printable

    engine, output, job = options_of(args)
    job = replace(job, progress=False)

    def remove(accept: Callable[[str], bool]) -> TreeSummary:
        return run.run_job(args.src, args.dst, engine, output, replace(job, accept=accept))

    code = OK
    try:
        with signals.raised():
            # What is wrong with the options is told now, not when the first image arrives.
            remove(lambda path: False)
            print(f'Watching {printable(args.src)}; Ctrl-C ends it.', file=sys.stderr)
            for summary in Watcher(Path(args.src)).run(lambda new: remove(new.__contains__)):
                if summary.failed:
                    code = FAILED
                if summary.done or summary.failed:
                    print(describe(summary), flush=True)
    except signals.Terminated:
        raise
    except KeyboardInterrupt:
        pass
    return code


def _masks(parser: argparse.ArgumentParser, args: argparse.Namespace) -> int:
    from bgremoval_mm.cli.rules import check_arguments
    from bgremoval_mm.cli.tree import run_tree

    check_arguments(parser, args)
    return run_tree(args)


def _replace(parser: argparse.ArgumentParser, args: argparse.Namespace) -> int:
    from bgremoval_mm.cli.replace import run_replace

    return run_replace(parser, args)


def _models(parser: argparse.ArgumentParser, args: argparse.Namespace) -> int:
    from bgremoval_mm.cli import models
    from bgremoval_mm.removal.zoo.catalogue import CATALOGUE, is_model_file

    for name in args.models:
        if name not in CATALOGUE and not is_model_file(name):
            parser.error(
                f'MODEL must be one of {", ".join(CATALOGUE)}, or an .onnx file, but got {name!r}'
            )
    files = [name for name in args.models if is_model_file(name)]
    if args.accept_licence and files:
        parser.error('--accept-licence goes with the names of models that are to be fetched')
    for name in files:
        print(models.describe(name))
    if args.models:
        names = [name for name in args.models if name not in files]
        return models.fetch(names, args.accept_licence)
    if args.accept_licence:
        parser.error('--accept-licence goes with the names of models that are to be fetched')
    print(models.listing())
    return 0


def _review(parser: argparse.ArgumentParser, args: argparse.Namespace) -> int:
    from bgremoval_mm.cli.review import run_review

    return run_review(parser, args)


def _apply(parser: argparse.ArgumentParser, args: argparse.Namespace) -> int:
    from bgremoval_mm.cli.review import run_apply

    return run_apply(parser, args)


def _export(parser: argparse.ArgumentParser, args: argparse.Namespace) -> int:
    from bgremoval_mm.cli.export import run_export

    return run_export(args)


def _compare_models(parser: argparse.ArgumentParser, args: argparse.Namespace) -> int:
    from bgremoval_mm.cli.compare_models import run_comparison

    return run_comparison(parser, args)


def _bench(parser: argparse.ArgumentParser, args: argparse.Namespace) -> int:
    from bgremoval_mm.cli.rules import check_bench_arguments, find_source

    check_bench_arguments(parser, args)
    find_source(str(args.photos))
    from bgremoval_mm.cli.bench import run_bench

    return run_bench(args)


def _sheet(parser: argparse.ArgumentParser, args: argparse.Namespace) -> int:
    from bgremoval_mm.cli.mask_sheet import run_sheet

    return run_sheet(args)


def _catalogue(parser: argparse.ArgumentParser, args: argparse.Namespace) -> int:
    from bgremoval_mm.cli.catalogue import run_catalogue

    return run_catalogue(args)


def _monitor(parser: argparse.ArgumentParser, args: argparse.Namespace) -> int:
    from bgremoval_mm.cli.monitor import run_monitor

    return run_monitor(parser, args)


def _retrain(parser: argparse.ArgumentParser, args: argparse.Namespace) -> int:
    from bgremoval_mm.cli.retrain import run_retrain

    return run_retrain(parser, args)


def _reference(parser: argparse.ArgumentParser, args: argparse.Namespace) -> int:
    from bgremoval_mm.cli.monitor import run_reference

    return run_reference(parser, args)


def _serve(parser: argparse.ArgumentParser, args: argparse.Namespace) -> int:
    from bgremoval_mm.cli.serve import run_serve

    return run_serve(parser, args)


def _doctor(parser: argparse.ArgumentParser, args: argparse.Namespace) -> int:
    from bgremoval_mm.cli.doctor import run_doctor

    return run_doctor()


def run_program() -> NoReturn:
    """Run as a program, and leave without taking the runtimes apart.

    That takes longer than many a command, and a thread that is stuck in one of them would hold the
    process. Ray is let go properly: it has processes of its own.
    """
    code = main()
    if 'ray' in sys.modules:
        sys.exit(code)
    logging.shutdown()
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError, AttributeError):  # closed, or none at all
            stream.flush()
    os._exit(code)


if __name__ == '__main__':
    run_program()
