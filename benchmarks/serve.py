#!/usr/bin/env python
r"""Benchmark of the HTTP service beside rembg's: the same photos, by 1, 4 and 16 clients at once.

Both services run in processes of their own, and are asked in turn in each round, so that what else
the machine does falls on both. Printed are medians over the rounds, percentiles over all requests,
and the memory of each service after its last request.

    python benchmarks/serve.py data/ccp/photos --model u2net
    python benchmarks/serve.py data/ccp/photos --model u2net --ours --precision bf16 --requests 400
    python benchmarks/serve.py data/ccp/photos --model u2netp --soak 5000

rembg's service imports aiohttp, which rembg installs with its extra `cli` only.
"""

from __future__ import annotations

import argparse
import os
import re
import signal
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from io import BytesIO
from itertools import combinations, cycle, islice
from pathlib import Path
from typing import Any

import httpx
import numpy as np
from PIL import Image

from bgremoval_mm.removal import fetch_weights
from bgremoval_mm.utils.sampling import evenly_spaced

NAMES = ('rembg', 'ours')
# `rembg s`. Where rembg's extra `cli` is not installed, `asyncify` is what asyncer makes of it, a
# call in a thread of anyio, and the modules of its other commands are empty.
REMBG = """
import sys, types, unittest.mock, webbrowser
try:
    import asyncer
except ImportError:
    import anyio
    sys.modules['asyncer'] = types.SimpleNamespace(
        asyncify=lambda function: lambda *args: anyio.to_thread.run_sync(function, *args))
for name in ('filetype', 'watchdog', 'watchdog.events', 'watchdog.observers'):
    try:
        __import__(name)
    except ImportError:
        sys.modules[name] = unittest.mock.MagicMock()
webbrowser.open = lambda *_: True  # it opens one as it starts
from rembg.cli import main
main()
"""


class Service:
    """A service that runs, and what was measured of it.

    Attributes:
        address: Where requests go.
        fields: The form's fields besides the photo.
        process: The process.
        rates: Images per second of each round, by the number of clients.
        seconds: Duration of each request that was answered well, by the number of clients.
        errors: Requests that were not.
        references: The answer to each photo when nothing else was asked, by the photo's bytes.
        mixed_up: Answers that were another picture than the reference.
    """

    def __init__(self, address: str, fields: dict[str, str], process: Any) -> None:
        self.address = address
        self.fields = fields
        self.process = process
        self.rates: dict[int, list[float]] = {}
        self.seconds: dict[int, list[float]] = {}
        self.errors = 0
        self.references: dict[bytes, bytes] = {}
        self.mixed_up = 0

    def memory(self) -> float:
        """Return its resident memory in MiB."""
        status = Path(f'/proc/{self.process.pid}/status').read_text()
        return int(re.search(r'VmRSS:\s+(\d+)', status)[1]) / 1024  # type: ignore[index]

    def ask(self, client: httpx.Client, photo: bytes) -> float | None:
        """Return the duration of a request, None if it was not answered well."""
        started = time.perf_counter()
        try:
            answer = client.post(self.address, files={'file': photo}, data=self.fields)
        except httpx.HTTPError:
            return None
        seconds = time.perf_counter() - started
        well = answer.status_code == httpx.codes.OK and answer.content[:4] == b'\x89PNG'
        if well and photo in self.references:
            self.mixed_up += not same_picture(answer.content, self.references[photo])
        return seconds if well else None

    def learn(self, photos: list[bytes]) -> None:
        """Ask for each photo on its own; later answers are compared with these."""
        with httpx.Client(timeout=600) as client:
            for photo in photos:
                answer = client.post(self.address, files={'file': photo}, data=self.fields)
                self.references[photo] = answer.raise_for_status().content
        answers = list(self.references.values())
        alike = sum(same_picture(a, b) for a, b in combinations(answers, 2))
        print(f'{len(answers)} photos to compare with; {alike} pairs of them look the same')

    def measure(self, photos: list[bytes], clients: int, keep: bool = True) -> None:
        """Send the photos, by so many clients at once."""
        limits = httpx.Limits(max_connections=clients, max_keepalive_connections=clients)
        with (
            httpx.Client(timeout=600, limits=limits) as client,
            ThreadPoolExecutor(clients) as pool,
        ):
            started = time.perf_counter()
            found = list(pool.map(lambda photo: self.ask(client, photo), photos))
            seconds = time.perf_counter() - started
        good = [each for each in found if each is not None]
        self.errors += len(found) - len(good)
        if keep:
            self.rates.setdefault(clients, []).append(len(good) / seconds)
            self.seconds.setdefault(clients, []).extend(good)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('photos', type=Path)
    parser.add_argument('--model', default='u2net')
    parser.add_argument('--clients', type=int, nargs='+', default=[1, 4, 16])
    parser.add_argument('--requests', type=int, default=60, help='of each setting (default: 60)')
    parser.add_argument('--rounds', type=int, default=3, help='(default: 3)')
    parser.add_argument('--soak', type=int, default=0, help='further requests, by 16 clients')
    parser.add_argument('--edges', default='straight', help="rembg's (default), or clean")
    parser.add_argument('--only', choices=NAMES, help='measure one of the two')
    parser.add_argument(
        '--ours', nargs=argparse.REMAINDER, default=[], help='further options of bgremoval serve'
    )
    args = parser.parse_args()
    files = sorted(path for path in args.photos.rglob('*') if path.is_file())
    photos = [path.read_bytes() for path in evenly_spaced(files, min(args.requests, len(files)))]
    with started_rembg(args) as rembg, started_ours(args) as ours:
        services = {'rembg': rembg, 'ours': ours}
        services = {n: s for n, s in services.items() if args.only in (None, n)}
        for service in services.values():
            service.measure(photos[:2], 1, keep=False)  # loads the networks
        run_rounds(args, services, photos)
        report(args, services)
        if args.soak:
            for name, service in services.items():
                soak(name, service, photos, args.soak)


def run_rounds(args: argparse.Namespace, services: dict[str, Service], photos: list[bytes]) -> None:
    """Send every round's share of the requests to each service in turn."""
    share = max(1, args.requests // args.rounds)
    supply = cycle(photos)
    for number in range(args.rounds):
        for clients in args.clients:
            part = list(islice(supply, share))
            order = list(services.values())
            for service in order if number % 2 == 0 else order[::-1]:
                service.measure(part, clients)


def report(args: argparse.Namespace, services: dict[str, Service]) -> None:
    """Print rates, their ratio, percentiles, errors and memory."""
    print(f'{args.model}, {args.requests} requests of each setting, {args.rounds} rounds')
    print('clients  service  images/s  p50 s  p95 s  p99 s')
    for clients in args.clients:
        for name, service in services.items():
            seconds = service.seconds[clients] or [float('nan')]
            points = '  '.join(f'{each:5.2f}' for each in np.percentile(seconds, [50, 95, 99]))
            rate = statistics.median(service.rates[clients])
            print(f'{clients:7}  {name:7}  {rate:8.2f}  {points}')
        if len(services) == len(NAMES):
            pairs = zip(
                services['ours'].rates[clients], services['rembg'].rates[clients], strict=True
            )
            ratios = [ours / max(rembg, 1e-9) for ours, rembg in pairs]
            spread = f'({min(ratios):.2f} to {max(ratios):.2f})'
            print(f'{clients:7}  ours beside rembg: {statistics.median(ratios):.2f} {spread}')
    for name, service in services.items():
        print(f'{name}: {service.errors} errors, {service.memory():.0f} MiB', flush=True)


def soak(name: str, service: Service, photos: list[bytes], requests: int) -> None:
    """Send many requests, check every picture, and print the memory ten times meanwhile."""
    service.learn(photos)
    supply = cycle(photos)
    done = 0
    while done < requests:
        step = min(max(1, requests // 10), requests - done)
        service.measure(list(islice(supply, step)), 16, keep=False)
        done += step
        print(
            f'{name}: {done} requests, {service.errors} errors, {service.mixed_up} mixed up, '
            f'{service.memory():.0f} MiB',
            flush=True,
        )


def same_picture(first: bytes, second: bytes) -> bool:
    """Return whether two results show the same, but for the rounding of different runs."""
    if first == second:
        return True
    a, b = (Image.open(BytesIO(each)) for each in (first, second))
    if a.size != b.size:
        return False
    alphas = [np.asarray(each.getchannel('A'), np.int16) for each in (a, b)]
    return bool(np.abs(alphas[0] - alphas[1]).mean() < 1)


@contextmanager
def started_rembg(args: argparse.Namespace) -> Iterator[Service]:
    """Start `rembg s`, whose sessions are made by the first request of a model."""
    port = free_port()
    home = str(fetch_weights(args.model).parent)
    environment = {**os.environ, 'U2NET_HOME': home}
    command = [sys.executable, '-c', REMBG, 's', '--host', '127.0.0.1', '--port', str(port)]
    address = f'http://127.0.0.1:{port}'
    with started([*command, '--no-ui'], f'{address}/api', environment) as process:
        yield Service(f'{address}/api/remove', {'model': args.model}, process)


@contextmanager
def started_ours(args: argparse.Namespace) -> Iterator[Service]:
    """Start `bgremoval serve`."""
    port = free_port()
    command = [sys.executable, '-m', 'bgremoval_mm.cli.main', 'serve', '--port', str(port)]
    command += ['--model', args.model, *args.ours]
    address = f'http://127.0.0.1:{port}'
    with started(command, f'{address}/ready', dict(os.environ)) as process:
        yield Service(f'{address}/remove', {'edges': args.edges}, process)


@contextmanager
def started(command: list[str], probe: str, environment: dict[str, str]) -> Iterator[Any]:
    """Start a service and wait until it answers; end it afterwards."""
    with subprocess.Popen(
        command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as process:
        try:
            wait_for(probe, process)
            yield process
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(60)
            except subprocess.TimeoutExpired:
                process.kill()


def wait_for(probe: str, process: Any, limit: float = 600) -> None:
    """Wait until an address answers with status 200."""
    until = time.monotonic() + limit
    while time.monotonic() < until and process.poll() is None:
        try:
            if httpx.get(probe, timeout=10).status_code == httpx.codes.OK:
                return
        except httpx.HTTPError:
            pass
        time.sleep(0.2)
    code = process.poll()
    state = 'still runs' if code is None else f'ended with code {code}'
    msg = f'a service {state} and does not answer at {probe}: its arguments were {process.args[3:]}'
    raise SystemExit(msg)


def free_port() -> int:
    """Return a port of this machine on which nothing listens."""
    with socket.create_server(('127.0.0.1', 0)) as listening:
        return int(listening.getsockname()[1])


if __name__ == '__main__':
    main()
