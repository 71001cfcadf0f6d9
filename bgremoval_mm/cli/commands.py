"""The commands of `bgremoval`, in the order of its help: what each is called, takes and runs.

What a command needs is imported as the command line is made, not before: see ``main``.
"""

from __future__ import annotations

import argparse
import sys
from typing import Any

__all__ = ['make_parser']

_APPLY = 'review apply'
_REFERENCE = 'monitor reference'


def make_parser() -> argparse.ArgumentParser:
    """Make the command line with all its commands."""
    from bgremoval_mm.cli import arguments
    from bgremoval_mm.cli.catalogue import add_catalogue_arguments, run_catalogue
    from bgremoval_mm.cli.compare_models import add_comparison_arguments, run_comparison
    from bgremoval_mm.cli.export import add_export_arguments, run_export
    from bgremoval_mm.cli.mask_sheet import add_sheet_arguments, run_sheet
    from bgremoval_mm.cli.models import run_models
    from bgremoval_mm.cli.monitor import (
        add_monitor_arguments,
        add_reference_arguments,
        run_monitor,
        run_reference,
    )
    from bgremoval_mm.cli.pairs import add_pairs_commands
    from bgremoval_mm.cli.parser import Parser, add_command, add_command_group
    from bgremoval_mm.cli.pipeline import add_pipeline_commands
    from bgremoval_mm.cli.remove import run_masks, run_remove
    from bgremoval_mm.cli.replace import add_replace_arguments, run_replace
    from bgremoval_mm.cli.resize_masks import add_resize_arguments, run_resize
    from bgremoval_mm.cli.retrain import add_retrain_arguments, run_retrain
    from bgremoval_mm.cli.review import (
        add_apply_arguments,
        add_review_arguments,
        run_apply,
        run_review,
    )
    from bgremoval_mm.cli.search import add_search_commands
    from bgremoval_mm.cli.serve import add_serve_arguments, run_serve
    from bgremoval_mm.version import __version__

    class CommandParser(Parser):
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
        dest='command', required=True, metavar='COMMAND', parser_class=Parser
    )

    remove = add_command(
        commands, 'remove', run_remove, 'cut out one image, or every image of a folder'
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

    masks = add_command(commands, 'masks', run_masks, 'make masks of a folder, for training')
    arguments.add_masks_arguments(masks)

    text = 'bring the masks of a store to the size of their photos: trainings read them faster'
    add_resize_arguments(add_command(commands, 'resize-masks', run_resize, text))

    text = 'write photos again before other backgrounds, by the masks of a store'
    add_replace_arguments(add_command(commands, 'replace', run_replace, text))

    text = 'remove backgrounds over HTTP: for programs, and on a page for people'
    add_serve_arguments(add_command(commands, 'serve', run_serve, text))

    text = 'receive photos, remove, check and publish each, with any number of workers'
    add_pipeline_commands(add_command_group(commands, 'pipeline', text))

    text = 'watch the masks of a pipeline, and tell of each real drop once'
    add_monitor_arguments(add_command(commands, 'monitor', run_monitor, text))
    text = 'measure the masks of a training set, which those of a pipeline are compared with'
    add_reference_arguments(add_command(commands, _REFERENCE, run_reference, text))

    text = 'train with the masks that people corrected, and put the network live if it is better'
    add_retrain_arguments(add_command(commands, 'retrain', run_retrain, text))

    listed = add_command(
        commands, 'models', run_models, 'list the models, fetch those that are named'
    )
    listed.add_argument(
        'models', nargs='*', metavar='MODEL', help='to be fetched; or .onnx files, to be described'
    )
    arguments.add_licence_argument(listed)
    arguments.add_debug_argument(listed)

    sheet = add_command(
        commands, 'sheet', run_sheet, 'list and draw the least trustworthy masks of a store'
    )
    add_sheet_arguments(sheet)

    review = add_command(
        commands, 'review', run_review, 'write a page on which to judge suspicious masks'
    )
    add_review_arguments(review)

    text = 'act on the verdicts of a review: delete, make again, leave out of training'
    add_apply_arguments(add_command(commands, _APPLY, run_apply, text))

    text = 'check and cluster pairs of photo and mask, to train a model of your own'
    add_pairs_commands(add_command_group(commands, 'pairs', text))

    text = 'check a catalogue of products, sample it, divide it into folds'
    add_catalogue_arguments(add_command(commands, 'catalogue', run_catalogue, text))

    text = 'find the photos of a folder that are most similar to one'
    add_search_commands(add_command_group(commands, 'search', text))

    text = 'write a trained model as an ONNX file that every command takes'
    add_export_arguments(add_command(commands, 'export', run_export, text))

    text = 'score models on photos with masks by people, and say which is better'
    add_comparison_arguments(add_command(commands, 'compare-models', run_comparison, text))

    bench = add_command(commands, 'bench', _bench, 'measure which backend is the fastest here')
    arguments.add_bench_arguments(bench)
    text = 'check the installed stack and print a fix for everything that is broken'
    doctor = add_command(commands, 'doctor', _doctor, text)
    arguments.add_debug_argument(doctor)
    return parser


# These two have modules that other commands need not load.
def _bench(parser: argparse.ArgumentParser, args: argparse.Namespace) -> int:
    from bgremoval_mm.cli.rules import check_bench_arguments, find_source

    check_bench_arguments(parser, args)
    find_source(str(args.photos))
    from bgremoval_mm.cli.bench import run_bench

    return run_bench(args)


def _doctor(parser: argparse.ArgumentParser, args: argparse.Namespace) -> int:
    from bgremoval_mm.cli.doctor import run_doctor

    return run_doctor()
