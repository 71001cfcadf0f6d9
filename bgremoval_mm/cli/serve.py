"""`bgremoval serve`: background removal over HTTP, and a search by photo."""

from __future__ import annotations

import argparse
import logging
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from bgremoval_mm.cli import arguments
from bgremoval_mm.cli.errors import OK, OPENMMLAB
from bgremoval_mm.cli.serve_ray import add_ray_arguments, check_ray_arguments, make_ray_engine

if TYPE_CHECKING:
    from bgremoval_mm.serving.inbox import Inbox
    from bgremoval_mm.serving.limits import Limits
    from bgremoval_mm.serving.search.desk import SearchDesk
    from bgremoval_mm.serving.service import Service
    from bgremoval_mm.serving.tokens import Tokens

__all__ = [
    'add_address_arguments',
    'add_serve_arguments',
    'is_own_machine',
    'read_tokens_of',
    'run_serve',
]

_LAST_PORT = 65_535
# The options that are fields of Limits, by their names there.
_LIMITS = ('max_bytes', 'max_pixels', 'queue', 'upload_seconds', 'seconds')


def add_serve_arguments(parser: argparse.ArgumentParser) -> None:
    """Add where the service listens, what it runs, and what it accepts."""
    add_address_arguments(parser, 8000)
    parser.add_argument(
        '--url-host',
        action='append',
        default=[],
        metavar='HOST',
        help='let remove.bg clients name pictures on this host by image_url; may be repeated',
    )
    arguments.add_model_argument(parser)
    arguments.add_engine_arguments(parser)
    parser.add_argument(
        '--also',
        nargs='+',
        default=[],
        type=arguments.model_name,
        metavar='MODEL',
        help='further models that a request may choose',
    )
    parser.add_argument(
        '--batch-size',
        type=arguments.at_least(1),
        help='most images in one run of the network (default: 8 on a GPU, else 1)',
    )
    parser.add_argument(
        '--workers',
        type=arguments.at_least(1),
        help='threads that decode and encode (default: one a core)',
    )
    parser.add_argument(
        '--one-run',
        action='store_true',
        help='save memory on a CPU: keep one copy of each network, and run one batch at a time',
    )
    parser.add_argument(
        '--pipeline',
        type=Path,
        metavar='ROOT',
        help='receive uploads by POST /uploads, for `bgremoval pipeline work ROOT` to work on',
    )
    parser.add_argument(
        '--database', metavar='URL', help="of that pipeline's uploads (default: as there)"
    )
    _add_search_arguments(parser)
    add_ray_arguments(parser)
    _add_limit_arguments(parser)
    arguments.add_debug_argument(parser)


def add_address_arguments(parser: argparse.ArgumentParser, port: int) -> None:
    """Add where a service listens, and who is let in."""
    parser.add_argument(
        '--host', default='127.0.0.1', help='listen there (default: 127.0.0.1, this machine only)'
    )
    parser.add_argument(
        '--port',
        type=arguments.at_least(0, _LAST_PORT),  # a larger one would be taken modulo 65,536
        default=port,
        help=f'0: any (default: {port})',
    )
    parser.add_argument(
        '--tokens', type=Path, metavar='FILE', help='tokens, one a line; requests then need one'
    )


def is_own_machine(host: str) -> bool:
    """Return whether only this machine's programs reach who listens there."""
    from bgremoval_mm.serving.hosts import OWN_MACHINE

    return host in OWN_MACHINE


def read_tokens_of(args: argparse.Namespace) -> Tokens | None:
    """Return the tokens, None if there are none; warn if everybody may use the service then."""
    from bgremoval_mm.serving.tokens import read_tokens

    if args.tokens is not None:
        return read_tokens(args.tokens)
    if not is_own_machine(args.host):
        logging.getLogger(__name__).warning(
            'everybody who reaches %s may use this service: --tokens keeps others out', args.host
        )
    return None


def run_serve(parser: argparse.ArgumentParser, args: argparse.Namespace) -> int:
    """Serve until SIGTERM or Ctrl-C.

    Raises:
        BgremovalError: If the address is taken, a model cannot be loaded, or the like.
    """
    if args.calibration is not None and args.precision != 'int8':
        parser.error('--calibration goes with --precision int8 only')
    if args.database is not None and args.pipeline is None:
        parser.error('--database goes with --pipeline only')
    for name in ('k', 'search_checkpoint', 'search_config'):
        if getattr(args, name) is not None and args.search is None:
            shown = '-k' if name == 'k' else f'--{name.replace("_", "-")}'
            parser.error(f'{shown} goes with --search')
    if args.search_config is not None and args.search_checkpoint is None:
        parser.error('--search-config goes with --search-checkpoint')
    check_ray_arguments(parser, args)
    try:
        from bgremoval_mm.serving import run
    except ModuleNotFoundError as err:
        msg = f'serving needs {err.name}: `pip install "bgremoval_mm[serve]"`'
        raise ModuleNotFoundError(msg, name=err.name) from None
    from bgremoval_mm.serving.app import make_app
    from bgremoval_mm.serving.engine import Engine, make_removers
    from bgremoval_mm.serving.limits import Limits

    inbox = _inbox_of(args)
    tokens = read_tokens_of(args)
    models = list(dict.fromkeys([args.model, *args.also]))
    removers = make_removers(
        models, arguments.engine_options_of(args), args.batch_size, run_here=args.engine != 'ray'
    )
    given = {name: getattr(args, name) for name in _LIMITS}
    limits = Limits(**{name: value for name, value in given.items() if value is not None})
    desk = None if args.search is None else _open_desk(args, limits)
    listening = run.listen(args.host, args.port)
    host, port = listening.getsockname()[:2]
    engine: Service
    if args.engine == 'ray':
        engine = make_ray_engine(args, removers, limits, port)
    else:
        engine = Engine(removers, limits, args.workers or 0, one_run=args.one_run)
    any_host = not is_own_machine(args.host)
    app = make_app(engine, tokens, args.url_host, inbox, desk, any_host)
    shown = f'[{host}]' if ':' in host else host
    engine.ready.add_done_callback(
        lambda done: None if done.exception() else _say(f'Ready: {", ".join(engine.models)}')
    )
    if desk is not None:
        _say(f'/search searches {desk.total:,} photos')
    _say(f'Listening at http://{shown}:{port}; /docs describes the endpoints; Ctrl-C ends it')
    run.serve(app, engine, listening)
    _say('Stopped; everything that was accepted has been answered')
    return OK


def _inbox_of(args: argparse.Namespace) -> Inbox | None:
    if args.pipeline is None:
        return None
    from bgremoval_mm.cli.pipeline_root import open_root

    # As `run` does, it begins a pipeline where there is none.
    opened = argparse.Namespace(step='run', root=args.pipeline, database=args.database)
    queue, files = open_root(opened)
    from bgremoval_mm.serving.inbox import Inbox

    return Inbox(queue, files)


def _open_desk(args: argparse.Namespace, limits: Limits) -> SearchDesk:
    """Open the index, so that what does not fit is an error before anything is served."""
    from bgremoval_mm.cli.console import quiet
    from bgremoval_mm.search.query import Searcher
    from bgremoval_mm.serving.search.desk import DEFAULT_HITS, SearchDesk

    with quiet():
        searcher = Searcher.open(
            args.search,
            args.search_checkpoint,
            args.search_config,
            args.device,
            args.accept_licence,
        )
        desk = SearchDesk(searcher, limits, args.k or DEFAULT_HITS)
        desk.warm_up()
    return desk


def _add_search_arguments(parser: argparse.ArgumentParser) -> None:
    """Add which index is searched."""
    parser.set_defaults(checked_by=OPENMMLAB)  # they read the config of its checkpoint
    parser.add_argument(
        '--search',
        type=Path,
        metavar='INDEX',
        help='also search this index by photo, at /search: see `bgremoval search index`',
    )
    parser.add_argument(
        '-k',
        type=arguments.at_least(1),
        help='photos that a search finds unless it asks for another number (default: 10)',
    )
    parser.add_argument(
        '--search-checkpoint',
        type=Path,
        metavar='FILE.pth',
        help='where the checkpoint of the index is now',
    )
    parser.add_argument(
        '--search-config', type=Path, metavar='FILE.py', help='its config, if it carries none'
    )


def _add_limit_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what is accepted of a request, and how many."""
    parser.add_argument(
        '--max-bytes', type=arguments.at_least(1), help='of a picture (default: 25 MiB)'
    )
    parser.add_argument(
        '--max-pixels',
        type=arguments.at_least(1),
        help='of a picture and of a result (default: 50 million)',
    )
    parser.add_argument(
        '--queue',
        type=arguments.at_least(1),
        metavar='N',
        help='requests under way at once; more get status 503 (default: 64)',
    )
    parser.add_argument(
        '--upload-time',
        dest='upload_seconds',
        type=arguments.at_least(1),
        metavar='SECONDS',
        help='within which a request must arrive, and its answer be taken (default: 30)',
    )
    parser.add_argument(
        '--time-limit',
        dest='seconds',
        type=arguments.at_least(1),
        metavar='SECONDS',
        help='within which a picture must be done (default: 60)',
    )


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
