"""`bgremoval remove` and `bgremoval masks`: one image, a folder, or one that is watched."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from bgremoval_mm.cli import signals

if TYPE_CHECKING:
    from bgremoval_mm.removal import TreeSummary

__all__ = ['run_masks', 'run_remove']


def run_remove(parser: argparse.ArgumentParser, args: argparse.Namespace) -> int:
    """Cut out one image, or each of a folder, as what SRC and DST are."""
    from bgremoval_mm.cli import result_arguments, rules

    result_arguments.clean_by_default(args)
    if args.watch:
        rules.check_watch(parser, args)
        return _watch(args)
    if rules.goes_to_file(parser, args):
        from bgremoval_mm.cli.one import run_one

        rules.check_one(parser, args)
        return run_one(args)
    return run_masks(parser, args)


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
            # Between two images, too, jobs of other settings are kept out.
            with run.claimed(run.open_target(args.dst, engine, output)):
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


def run_masks(parser: argparse.ArgumentParser, args: argparse.Namespace) -> int:
    """Make what is asked for of each image of a folder."""
    from bgremoval_mm.cli.rules import check_arguments
    from bgremoval_mm.cli.tree import run_tree

    check_arguments(parser, args)
    return run_tree(args)
