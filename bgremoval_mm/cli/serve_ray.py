"""The options of `bgremoval serve --engine ray`, and which others do not go with it."""

from __future__ import annotations

import argparse
import math
import socket
from typing import TYPE_CHECKING

from bgremoval_mm.cli import arguments
from bgremoval_mm.removal.options import ENGINES

if TYPE_CHECKING:
    from bgremoval_mm.removal.remover import BackgroundRemover
    from bgremoval_mm.serving.limits import Limits
    from bgremoval_mm.serving.ray_engine import RayEngine

__all__ = ['add_ray_arguments', 'check_ray_arguments', 'make_ray_engine']

_OF_RAY = ('replicas', 'cpus_per_replica', 'gpus_per_replica')
# A replica has as many threads as cores.
_LOCAL_ONLY = {'workers': '--workers', 'num_threads': '--threads'}


def add_ray_arguments(parser: argparse.ArgumentParser) -> None:
    """Add `--engine` and what goes with `--engine ray`."""
    parser.add_argument(
        '--engine',
        choices=ENGINES,
        default='local',
        help='local (default): all in this process; ray: replicas on a Ray cluster, or on this '
        'machine',
    )
    parser.add_argument(
        '--replicas',
        type=arguments.at_least(1),
        metavar='N',
        help='of --engine ray (default: one a GPU, or one every four cores)',
    )
    parser.add_argument(
        '--cpus-per-replica',
        type=arguments.at_least(1),
        metavar='N',
        help='cores of each replica, and so its threads (default: shared out evenly)',
    )
    parser.add_argument(
        '--gpus-per-replica',
        type=_gpus,
        metavar='X',
        help='GPUs of each replica, such as 0.5 (default: 1, or shared out evenly)',
    )


def check_ray_arguments(parser: argparse.ArgumentParser, args: argparse.Namespace) -> None:
    """Refuse options that do not go with the engine, by their names."""
    if args.engine != 'ray':
        for name in _OF_RAY:
            if getattr(args, name) is not None:
                parser.error(f'--{name.replace("_", "-")} goes with --engine ray only')
        return
    for name, option in _LOCAL_ONLY.items():
        if getattr(args, name) is not None:
            parser.error(f'{option} does not go with --engine ray: use --cpus-per-replica')
    if args.device.startswith('cuda:'):
        msg = 'does not go with --engine ray, which gives out the GPUs: use --device cuda'
        parser.error(f'--device {args.device} {msg}')
    if args.gpus_per_replica is not None and args.device == 'cpu':
        parser.error('--gpus-per-replica does not go with --device cpu')


def make_ray_engine(
    args: argparse.Namespace, removers: dict[str, BackgroundRemover], limits: Limits, port: int
) -> RayEngine:
    """Return the engine; connects to Ray, or starts it."""
    from bgremoval_mm.serving.ray_engine import RayEngine

    return RayEngine(
        removers,
        limits,
        args.replicas or 0,
        args.cpus_per_replica or 0,
        args.gpus_per_replica or 0,
        one_run=args.one_run,
        name=f'bgremoval-{socket.gethostname()}-{port}',
    )


def _gpus(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not (0 < number < 1 or (number >= 1 and number == int(number))):
        msg = f'must be a part of a GPU such as 0.5, or a whole number, but got {text!r}'
        raise argparse.ArgumentTypeError(msg)
    return number
