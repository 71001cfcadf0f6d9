"""`bgremoval retrain`: a network trained with people's corrections, live if it is better."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from bgremoval_mm.cli import arguments, signals
from bgremoval_mm.cli.errors import OK
from bgremoval_mm.cli.pipeline_root import check_root, open_queue
from bgremoval_mm.utils.text import printable

if TYPE_CHECKING:
    from bgremoval_mm.monitoring.retraining import Outcome

__all__ = ['add_retrain_arguments', 'run_retrain']


def add_retrain_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what is trained with, how, and what is live."""
    parser.add_argument('root', type=Path, metavar='ROOT', help='folder of the pipeline')
    parser.add_argument(
        '--database', metavar='URL', help='of the pipeline (default: pipeline.db in ROOT)'
    )
    parser.add_argument(
        '--manifest',
        type=Path,
        metavar='FILE.csv',
        help='training set, of `bgremoval pairs check`; its split val is held back',
    )
    parser.add_argument(
        '--config', type=Path, metavar='FILE.py', help='of the training (default: U2-NetP, 2k)'
    )
    parser.add_argument(
        '--cfg-options', nargs='+', default=[], metavar='KEY=VALUE', help='changes of the config'
    )
    parser.add_argument('--amp', action='store_true', help='train in mixed precision')
    parser.add_argument(
        '--held-back',
        type=float,
        default=0.2,
        metavar='SHARE',
        help='of corrected photos, to compare networks on (default: 0.2)',
    )
    parser.add_argument(
        '--least',
        type=arguments.at_least(1),
        default=20,
        metavar='N',
        help='corrections since the last retraining that make another one worth it (default: 20)',
    )
    parser.add_argument('--licence', metavar='TEXT', help='of the new weights, for their card')
    parser.add_argument(
        '--workers', type=arguments.at_least(1), metavar='N', help='processes (default: one a core)'
    )
    parser.add_argument(
        '--afresh', action='store_true', help='leave a retraining that has not ended as it is'
    )
    which = parser.add_mutually_exclusive_group()
    which.add_argument('--put', metavar='MODEL', help='put this network live, and do no more')
    which.add_argument(
        '--put-back', action='store_true', help='put the network before the live one back'
    )
    which.add_argument('--history', action='store_true', help='list what was live, and why')
    arguments.add_engine_arguments(parser)
    arguments.add_debug_argument(parser)


def run_retrain(parser: argparse.ArgumentParser, args: argparse.Namespace) -> int:
    """Retrain, or change what is live.

    Raises:
        BgremovalError: If the training fails, the pipeline cannot be read, or the like.
    """
    if args.put or args.put_back or args.history:
        if args.manifest is not None:
            parser.error('--manifest is for a training: leave out --put, --put-back and --history')
        return _change(args)
    if args.manifest is None:
        parser.error('give --manifest, the training set that corrections are added to')
    queue = open_queue(args)
    from bgremoval_mm.monitoring.retraining import retrain
    from bgremoval_mm.monitoring.training import Settings, find_config

    config = find_config() if args.config is None else args.config.resolve()
    settings = Settings(
        str(args.manifest.resolve()),
        str(config),
        tuple(args.cfg_options),
        args.held_back,
        args.amp,
    )
    with signals.raised():
        outcome = retrain(
            args.root,
            queue,
            settings,
            arguments.engine_options_of(args),
            least=args.least,
            licence=args.licence,
            afresh=args.afresh,
            workers=args.workers,
            say=lambda line: print(line, flush=True),
        )
    _tell(outcome)
    return OK


def _tell(outcome: Outcome) -> None:
    if outcome.folder is None or outcome.model is None:
        print(f'Nothing to do: {outcome.reason}')
        return
    what = 'is live' if outcome.live else 'was kept, and is not live'
    print(f'{printable(outcome.model)} {what}: {printable(outcome.reason)}')
    print(f'By cluster: {printable(outcome.folder / "comparison.md")}')


def _change(args: argparse.Namespace) -> int:
    from bgremoval_mm.pipeline.live import FIRST, live_history, put_back, put_live

    check_root(args.root)
    if args.history:
        entries = live_history(args.root)
        for each in entries:
            print(f'{each.at}  {printable(each.model)}: {printable(each.reason)}')
        if not entries:
            print(f'{FIRST}, from the beginning')
        return OK
    if args.put_back:
        entry = put_back(args.root)
    else:
        entry = put_live(args.root, args.put, 'put live by hand')
    print(f'{printable(entry.model)} is live: {printable(entry.reason)}')
    return OK
