"""Removal jobs over folders: the run, its reports and its closing lines.

Shared by tools/remove_background.py, `bgremoval masks` and `bgremoval remove`.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from bgremoval_mm.cli import signals
from bgremoval_mm.cli.arguments import options_of
from bgremoval_mm.cli.errors import FAILED, OK, is_expected
from bgremoval_mm.cli.rules import find_source
from bgremoval_mm.removal.errors import BgremovalError
from bgremoval_mm.removal.options import EngineOptions, choice
from bgremoval_mm.utils.text import printable

if TYPE_CHECKING:
    from bgremoval_mm.removal import TreeSummary

__all__ = ['describe', 'listing', 'run_tree']

_LISTED = 20
_NAMED = 3


def run_tree(args: argparse.Namespace) -> int:
    """Do the job; the options are known to go together.

    Returns:
        0 if every image has its result, 1 if not.

    Raises:
        BgremovalError, OSError: If the job cannot be done, or there is no image.
    """
    find_source(args.src)
    from bgremoval_mm.removal.jobs import run

    if args.sheet is not None:
        _check_sheet(args)
    if args.review is not None:
        from bgremoval_mm.removal.review.page import check_folder

        check_folder(args.review, _image_root(args.src), args.dst)
    engine, output, job = options_of(args)
    if args.precision is None and args.mask_dir is None:  # nobody has chosen how it is computed
        _print_hint(engine)
    with signals.raised():
        summary = run.run_job(args.src, args.dst, engine, output, job)
        if args.shard is None and not (summary.done or summary.skipped or summary.failed):
            raise BgremovalError(_nothing_found(args.src, summary.ignored))
        print(describe(summary))
        _write_reports(args)
    return FAILED if summary.failed else OK


def describe(summary: TreeSummary) -> str:
    """Return the closing lines of a run."""
    where = f'results and manifest.jsonl in {printable(summary.folder)}'
    failed = len(summary.failed)
    if summary.done:
        rate = f' ({summary.done / summary.seconds:.2f} images/s)' if summary.seconds else ''
        lines = [
            f'{summary.done} done{rate}, {summary.skipped} done before, {failed} failed; {where}'
        ]
    elif failed:
        lines = [f'0 done, {summary.skipped} done before, {failed} failed; {where}']
    else:
        lines = [f'nothing to do: {summary.skipped} done before, 0 failed; {where}']
    if summary.ignored:
        lines.append(f'skipped {_count_others(len(summary.ignored))}')
    lines += listing('note', summary.noted)
    flags = {path: f'mask is {", ".join(flags)}' for path, flags in summary.flagged.items()}
    lines += listing('suspicious', flags)
    lines += listing('failed', summary.failed)
    return '\n'.join(lines)


def listing(what: str, texts: dict[str, str], rest: str = ', see manifest.jsonl') -> list[str]:
    """Return a line for each image, up to a limit, and one that says how many more there are."""
    lines = [
        f'  {what}: {printable(path)}: {printable(text)}'
        for path, text in list(texts.items())[:_LISTED]
    ]
    if len(texts) > _LISTED:
        lines.append(f'  {what}: and {len(texts) - _LISTED} more{rest}')
    return lines


def _count_others(number: int) -> str:
    return f'{number} non-image file' + ('' if number == 1 else 's')


def _nothing_found(src: str, others: list[str]) -> str:
    """Return what to tell somebody who may have named the wrong folder."""
    if not others:
        return f'there is no image in {src}: it holds no file'
    names = ', '.join(others[:_NAMED]) + (' ...' if len(others) > _NAMED else '')
    return f'there is no image in {src}, only {_count_others(len(others))}: {names}'


def _print_hint(engine: EngineOptions) -> None:
    """Say how much faster the job could be."""
    asked = engine.precision, engine.backend, engine.device
    if hint := choice.faster_precision_hint(engine.spec, *asked):
        print(hint, file=sys.stderr)


def _write_reports(args: argparse.Namespace) -> None:
    """Write the reports that were asked for."""
    if args.sheet is not None:
        with _naming('sheet'):
            _draw_sheet(args)
        print(f'Look at {printable(args.sheet)}')
    if args.review is not None:
        from bgremoval_mm.removal.review.page import open_results, write_review

        with _naming('review'):
            results = open_results(args.dst, args.model, args.output)
            page = write_review(args.review, results, _image_root(args.src))
        print(f'Look at {printable(page)}')


@contextmanager
def _naming(report: str) -> Iterator[None]:
    """Say of an error which report was not written: the job itself is done.

    Raises:
        BgremovalError: In the place of an expected error.
    """
    try:
        yield
    except Exception as err:
        if not is_expected(err):
            raise
        msg = f'no {report}: {err}'
        raise BgremovalError(msg) from err


def _check_sheet(args: argparse.Namespace) -> None:
    """Find out whether the sheet can be drawn before the long run, not after it."""
    from bgremoval_mm.removal import MaskStore
    from bgremoval_mm.removal.review.ranking import rank
    from bgremoval_mm.visualization.mask_sheet import check_target

    check_target(args.sheet, MaskStore(args.dst, args.model), _image_root(args.src), rank([]))


def _draw_sheet(args: argparse.Namespace) -> None:
    """Draw the least trustworthy masks of the store, of this run and of earlier ones."""
    from bgremoval_mm.removal import MaskStore
    from bgremoval_mm.removal.review.ranking import read_ranking
    from bgremoval_mm.visualization.mask_sheet import write_mask_sheet

    ranking = read_ranking(args.dst, args.model)
    store = MaskStore(args.dst, args.model, ranking.precision)
    write_mask_sheet(args.sheet, ranking, store, _image_root(args.src))


def _image_root(src: str) -> Path:
    """Return the folder that the results mirror."""
    path = Path(src)
    return path.parent if path.is_file() else path
