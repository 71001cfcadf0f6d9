"""`bgremoval monitor`: watch the masks of a pipeline, and tell of each real drop once."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from bgremoval_mm.cli import arguments, signals
from bgremoval_mm.cli.errors import FAILED, OK, print_error, writing_to
from bgremoval_mm.cli.pipeline_root import open_queue
from bgremoval_mm.utils.text import printable

if TYPE_CHECKING:
    from bgremoval_mm.monitoring.drift import Reference
    from bgremoval_mm.monitoring.gauges import Gauges
    from bgremoval_mm.monitoring.shifts import Rule
    from bgremoval_mm.monitoring.summary import Summary
    from bgremoval_mm.pipeline.queue import UploadQueue
    from bgremoval_mm.pipeline.tables import Shift

__all__ = [
    'add_monitor_arguments',
    'add_reference_arguments',
    'run_monitor',
    'run_reference',
]

EXTRA = '`pip install "bgremoval_mm[monitor]"`'


def add_monitor_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what is watched, when that is an alarm, and where it is told."""
    parser.add_argument('root', type=Path, metavar='ROOT', help='folder of the pipeline')
    parser.add_argument(
        '--database',
        metavar='URL',
        help='of the pipeline (default: pipeline.db in ROOT)',
    )
    parser.add_argument(
        '--window', type=float, default=28, metavar='DAYS', help='of all figures (default: 28)'
    )
    parser.add_argument(
        '--reference',
        type=Path,
        metavar='FILE.json',
        help='of `bgremoval monitor reference`: tell whether masks differ from those',
    )
    parser.add_argument(
        '--false-alarms',
        type=float,
        default=0.01,
        metavar='RATE',
        help='that are allowed a year, over all clusters (default: 0.01)',
    )
    parser.add_argument(
        '--smallest',
        type=float,
        default=0.01,
        metavar='IOU',
        help='drop of the mean IoU that is told (default: 0.01)',
    )
    parser.add_argument(
        '--webhook', metavar='URL', help='POST each drop there as JSON, once, until it is taken'
    )
    parser.add_argument('--json', action='store_true', help='print JSON instead of the tables')
    parser.add_argument('--html', type=Path, metavar='FILE', help='write a page with plots')
    parser.add_argument(
        '--metrics', type=Path, metavar='FILE.prom', help="write a file for Prometheus's collector"
    )
    parser.add_argument(
        '--prometheus',
        type=arguments.at_least(1, 65535),
        metavar='PORT',
        help='serve metrics at 127.0.0.1:PORT; with --every',
    )
    parser.add_argument(
        '--every', type=arguments.at_least(1), metavar='SECONDS', help='go on until Ctrl-C'
    )
    parser.add_argument(
        '--look', action='store_true', help='record and send nothing, and exit with 0'
    )
    arguments.add_debug_argument(parser)


def add_reference_arguments(parser: argparse.ArgumentParser) -> None:
    """Add whose masks are measured, and where to."""
    parser.add_argument(
        'source',
        type=Path,
        metavar='MASKS|MANIFEST.csv',
        help="folder of the network's masks of the training photos; or manifest of pairs",
    )
    parser.add_argument('out', type=Path, metavar='FILE.json', help='the reference')
    parser.add_argument(
        '--workers', type=arguments.at_least(1), metavar='N', help='default: one a core'
    )
    arguments.add_debug_argument(parser)


def run_reference(parser: argparse.ArgumentParser, args: argparse.Namespace) -> int:
    """Write the figures of a training set's masks; exit code 1 if some cannot be read."""
    _need()
    from bgremoval_mm.monitoring.drift import write_reference
    from bgremoval_mm.monitoring.reference import measure_masks

    with signals.raised():
        reference, failures = measure_masks(args.source, args.workers)
    with writing_to(str(args.out)):
        write_reference(args.out, reference)
    print(f'{reference.count:,} masks measured; written to {printable(args.out)}')
    for name, reason in list(failures.items())[:5]:
        print(f'  {printable(name)}: {printable(reason)}', file=sys.stderr)
    return FAILED if failures else OK


def run_monitor(parser: argparse.ArgumentParser, args: argparse.Namespace) -> int:
    """Tell what there is to see; exit code 1 if a new drop was found.

    Raises:
        BgremovalError: If the pipeline or the reference cannot be read, or the webhook fails.
    """
    if args.prometheus is not None and args.every is None:
        parser.error('--prometheus goes with --every; for single runs there is --metrics FILE')
    if args.look and args.webhook is not None:
        parser.error('--look sends nothing: leave out --webhook')
    if not 1 <= args.window <= 366:
        parser.error(f'--window must be from 1 to 366 days, but got {args.window:g}')
    _need()
    from bgremoval_mm.monitoring.alarms import check_webhook
    from bgremoval_mm.monitoring.drift import read_reference
    from bgremoval_mm.monitoring.gauges import Gauges
    from bgremoval_mm.monitoring.shifts import Rule

    rule = Rule(args.false_alarms, args.smallest)
    if args.webhook is not None:
        check_webhook(args.webhook)
    reference = None if args.reference is None else read_reference(args.reference)
    queue, gauges = open_queue(args), Gauges()
    if args.every is None:
        return _once(args, queue, rule, reference, gauges)
    if args.prometheus is not None:
        _serve(args.prometheus, gauges)
    return _watch(args, queue, rule, reference, gauges)


def _watch(
    args: argparse.Namespace,
    queue: UploadQueue,
    rule: Rule,
    reference: Reference | None,
    gauges: Gauges,
) -> int:
    from sqlalchemy.exc import OperationalError

    from bgremoval_mm.pipeline.database import explained

    code = OK
    try:
        with signals.raised():
            while True:
                try:
                    code = _once(args, queue, rule, reference, gauges) or code
                except OperationalError as err:  # it may come back
                    print_error(explained(err))
                sys.stdout.flush()
                time.sleep(args.every)
    except signals.Terminated:
        return code
    except KeyboardInterrupt:
        return code


def _once(
    args: argparse.Namespace,
    queue: UploadQueue,
    rule: Rule,
    reference: Reference | None,
    gauges: Gauges,
) -> int:
    """Look once, and tell; return 1 if a new drop was found."""
    from bgremoval_mm.monitoring import alarms
    from bgremoval_mm.monitoring.series import DAY, read_watched
    from bgremoval_mm.monitoring.shifts import find_shifts, week_of
    from bgremoval_mm.monitoring.summary import summarise

    now = queue.clock()
    year = now - (366 + args.window) * DAY
    watched = read_watched(queue.engine, year, now - args.window * DAY)
    known = alarms.last_known(queue.engine)
    found = find_shifts(watched.series(), week_of(now), rule, known)
    summary = summarise(watched, now, args.window, reference, args.html is not None)
    new = [each for each in found if args.look or alarms.record(queue.engine, each, now)]
    # First of all: a drop is printed by the run that records it, even if a file cannot be written.
    _print(args, summary, [alarms.describe(each) for each in new])
    shifts = alarms.known_shifts(queue.engine)
    gauges.set(summary, shifts)
    if args.metrics is not None:
        from bgremoval_mm.utils.atomic import write_atomically

        with writing_to(str(args.metrics)):
            write_atomically(args.metrics, gauges.text())
    if args.html is not None:
        _write_page(args, summary, shifts)
    code = FAILED if any(each.is_drop for each in new) and not args.look else OK
    if args.webhook is not None:
        try:
            alarms.send_due(queue.engine, args.webhook)
        except alarms.WebhookError as err:
            if args.every is None:
                raise
            print_error(err)  # it may come back
    return code


def _print(args: argparse.Namespace, summary: Summary, new: list[str]) -> None:
    import json

    if args.json:
        print(json.dumps({**summary.as_json(), 'new': new}, indent=2))
        return
    from bgremoval_mm.monitoring.tables import DRIFT_HEAD, ROW_HEAD, as_text, drift_cells, row_cells

    print(as_text(ROW_HEAD, [row_cells(row) for row in (*summary.rows, summary.total)]))
    if summary.drift is not None:
        print(as_text(DRIFT_HEAD, [drift_cells(each) for each in summary.drift]))
    for line in new:
        print(printable(f'New: {line}'))


def _write_page(args: argparse.Namespace, summary: Summary, shifts: Sequence[Shift]) -> None:
    from bgremoval_mm.monitoring.page import make_page
    from bgremoval_mm.utils.atomic import write_atomically

    page = make_page(summary, shifts, args.root.resolve().name)
    with writing_to(str(args.html)):
        write_atomically(args.html, page.encode())


def _serve(port: int, gauges: Gauges) -> None:
    from prometheus_client import start_http_server

    from bgremoval_mm.removal.errors import BgremovalError

    try:
        start_http_server(port, '127.0.0.1', gauges.registry)
    except OSError as err:
        msg = f'cannot listen at 127.0.0.1:{port}: {err.strerror}'
        raise BgremovalError(msg) from err
    print(f'Metrics at http://127.0.0.1:{port}/metrics; Ctrl-C ends it', file=sys.stderr)


def _need() -> None:
    try:
        for name in ('matplotlib', 'prometheus_client', 'scipy', 'sqlalchemy'):
            import_module(name)
    except ModuleNotFoundError as err:
        msg = f'watching needs {err.name}: {EXTRA}'
        raise ModuleNotFoundError(msg, name=err.name) from None
