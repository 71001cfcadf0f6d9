#!/usr/bin/env python
"""Show the service of a shop on 40 photos: upload, remove, check, publish, review, watch, serve.

    python tools/demo_service.py [--out demo_service] [--photos FOLDER] [--open]

Needs no network once `make setup` has run. Two of the photos are broken, and six show no object, so
that there is something to see. With --open the pages stay up until Ctrl-C. A second run deletes
what the first one made, and starts again; docs/pipeline.md explains each step.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import queue
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

from bgremoval_mm.cli.demo_ending import guarded
from bgremoval_mm.cli.errors import add_debug_argument
from bgremoval_mm.demo.training import StepError
from bgremoval_mm.demo.uploads import BROKEN, ROUTES, make_uploads
from bgremoval_mm.removal.errors import ArgumentError
from bgremoval_mm.removal.io.scan import scan_tree

MARK = 'made by tools/demo_service.py'  # in the folder that a later run may delete
START = 120  # seconds within which a page must answer
STOP = 60  # seconds within which it must end


class Service:
    """One run of the demo.

    Args:
        args: Parsed command line.
    """

    def __init__(self, args: argparse.Namespace) -> None:
        self.args = args
        self.out = Path(args.out).resolve()
        self.photos = self.out / 'photos' if args.photos is None else Path(args.photos).resolve()
        self.shop = self.out / 'shop'
        self.routes = self.out / 'routes.toml'
        self.failed: set[str] = set()  # names of photos
        self.started = time.monotonic()

    def say(self, step: int, text: str) -> None:
        """Print a progress line."""
        print(f'[{step}/5] {time.monotonic() - self.started:4.0f} s  {text}', flush=True)

    def run(self) -> None:
        """Take all five steps."""
        self.prepare()
        counts = self.upload()
        self.watch()
        with contextlib.ExitStack() as pages:
            review = self.review(pages)
            service = self.serve(pages)
            self.tell(counts, review, service)
            if self.args.open:
                print('\nCtrl-C ends it.', flush=True)
                wait_for_interrupt()

    def prepare(self) -> None:
        """Write photos and routes (step 1)."""
        self.say(1, f'Writing photos and routes to {self.out}')
        self._empty()
        self.routes.write_text(ROUTES, encoding='utf-8')
        if self.args.photos is None:
            names = make_uploads(self.photos)
            self.say(1, f'{len(names)} photos, {len(BROKEN)} of them broken')

    def upload(self) -> dict[str, int]:
        """Lead every photo to its end (step 2); return how many ended where."""
        self.say(2, 'bgremoval pipeline run: receive, remove, check and publish')
        command = ['pipeline', 'run', self.photos, self.shop, '--once', '--routes', self.routes]
        if bgremoval(*command) not in (0, 1):  # 1: some have failed, as they should
            msg = 'bgremoval pipeline run has failed; its message is above'
            raise StepError(msg)
        found = json.loads(bgremoval_output('pipeline', 'status', self.shop, '--json'))
        counts = {name: number for name, number in found['counts'].items() if number}
        self.say(2, ', '.join(f'{number} {name}' for name, number in counts.items()))
        self.failed = failed = {
            each['name'] for each in found['uploads'] if each['state'] == 'failed'
        }
        if self.args.photos is None and failed != set(BROKEN):
            msg = f'the broken photos should have failed, and no others, but {sorted(failed)} did'
            raise StepError(msg)
        return counts

    def watch(self) -> None:
        """Write the page of the monitor (step 3)."""
        self.say(3, 'bgremoval monitor: a page on masks and verdicts')
        if bgremoval(
            'monitor', self.shop, '--html', self.out / 'monitor.html', '--look', quiet=True
        ):
            msg = 'bgremoval monitor has failed; its message is above'
            raise StepError(msg)

    def review(self, pages: contextlib.ExitStack) -> str:
        """Serve the page on which people decide (step 4); return its address."""
        self.say(4, 'bgremoval pipeline review: what waits for a person')
        address = pages.enter_context(
            served('pipeline', 'review', self.shop, '--routes', self.routes, '--port', '0')
        )
        fetch(address)
        return address

    def serve(self, pages: contextlib.ExitStack) -> str:
        """Serve removal over HTTP, and ask for one (step 5); return its address."""
        self.say(5, 'bgremoval serve: removal over HTTP')
        address = pages.enter_context(served('serve', '--model', 'u2netp', '--port', '0'))
        wait_until_ready(address)
        good = [name for name in scan_tree(self.photos).images if name not in self.failed]
        if not good:
            msg = f'{self.photos} must have a photo that can be read, but has none'
            raise StepError(msg)
        made = fetch(f'{address}/remove', (self.photos / good[0]).read_bytes())
        (self.out / 'from_service.png').write_bytes(made)
        return address

    def tell(self, counts: dict[str, int], review: str, service: str) -> None:
        """Print where to look."""
        self.say(5, 'Done')
        print(f'\nResults            {self.shop / "published"}')
        print(f'What happened      bgremoval pipeline status {self.shop}')
        print(f'Monitor            {self.out / "monitor.html"}')
        print(f'One from HTTP      {self.out / "from_service.png"}')
        waiting = counts.get('review', 0)
        if self.args.open:
            print(f'Review             {review}  ({waiting} wait)')
            print(f'Service            {service}')
        else:
            print(f'{waiting} wait for a person: make demo-service ARGS=--open keeps the pages up')

    def _empty(self) -> None:
        for inner, outer in ((self.photos, self.out), (self.out, self.photos)):
            if self.args.photos is not None and inner.is_relative_to(outer):
                msg = (
                    '--photos and --out, which is emptied, must be two folders beside each other, '
                    f'but got {self.photos} and {self.out}'
                )
                raise ArgumentError(msg)
        mark = self.out / 'README.txt'
        if self.out.exists() and any(self.out.iterdir()):
            if not mark.is_file() or MARK not in mark.read_text(encoding='utf-8', errors='replace'):
                msg = (
                    f'--out must be a new or empty folder, or one of this demo, but got {self.out}'
                )
                raise ArgumentError(msg)
            shutil.rmtree(self.out)
        self.out.mkdir(parents=True, exist_ok=True)
        mark.write_text(f'Everything here was {MARK}, which deletes it when it is run again.\n')


def bgremoval(*words: object, quiet: bool = False) -> int:
    """Run a command of `bgremoval`; return its exit code."""
    return subprocess.run(
        _command(words), check=False, stdout=subprocess.DEVNULL if quiet else None
    ).returncode


def bgremoval_output(*words: object) -> str:
    """Return what a command of `bgremoval` prints, whatever its exit code."""
    done = subprocess.run(_command(words), check=False, stdout=subprocess.PIPE, text=True)
    return done.stdout


@contextlib.contextmanager
def served(*words: object) -> Iterator[str]:
    """Serve by a command of `bgremoval` that prints its address; stop it in the end.

    Raises:
        StepError: If it prints none within two minutes, or does not stop within one.
    """
    process = subprocess.Popen(
        _command(words), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )
    lines: queue.SimpleQueue[str] = queue.SimpleQueue()

    def read() -> None:
        assert process.stderr is not None
        for line in process.stderr:
            lines.put(line)
        lines.put('')

    threading.Thread(target=read, daemon=True).start()
    try:
        yield _address(' '.join(map(str, words[:2])), lines)
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(STOP)
        except subprocess.TimeoutExpired:
            process.kill()
            msg = f'bgremoval {words[0]} has not stopped within {STOP} s'
            raise StepError(msg) from None


def _address(name: str, lines: queue.SimpleQueue[str]) -> str:
    said: list[str] = []
    end = time.monotonic() + START
    while True:
        try:
            line = lines.get(timeout=max(0.0, end - time.monotonic()))
        except queue.Empty:
            line = ''
        if found := re.search(r'http://[^\s;]+', line):
            return found[0]
        if not line:
            text = ''.join(said[-5:]) or 'nothing'
            msg = f'bgremoval {name} should have told its address, but said: {text}'
            raise StepError(msg)
        said.append(line)


def wait_until_ready(address: str) -> None:
    """Wait until the service's network is loaded.

    Raises:
        StepError: If it is not within two minutes.
    """
    end = time.monotonic() + START
    while time.monotonic() < end:
        try:
            fetch(f'{address}/ready')
        except OSError:
            time.sleep(0.5)
        else:
            return
    msg = f'{address}/ready did not say that the network is loaded within {START} s'
    raise StepError(msg)


def fetch(address: str, content: bytes | None = None) -> bytes:
    """Ask an address of this machine, with a picture as the request's body if there is one."""
    headers = {} if content is None else {'Content-Type': 'image/jpeg'}
    request = urllib.request.Request(address, content, headers)
    with urllib.request.urlopen(request, timeout=60) as answer:
        found: bytes = answer.read()
    return found


def wait_for_interrupt() -> None:
    """Return at Ctrl-C."""
    with contextlib.suppress(KeyboardInterrupt):
        while True:
            time.sleep(3600)


def _command(words: tuple[object, ...]) -> list[str]:
    return [sys.executable, '-m', 'bgremoval_mm.cli.main', *map(str, words)]


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or '').split('\n\n')[0])
    parser.add_argument(
        '--out', default='demo_service', help='folder for everything (default: demo_service)'
    )
    parser.add_argument('--photos', help='folder of photos of your own, in place of the 40')
    parser.add_argument('--open', action='store_true', help='keep the pages up until Ctrl-C')
    add_debug_argument(parser)
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> int:
    """Run the demo; return the exit code."""
    args = parse_args(argv)
    return guarded(lambda: Service(args).run(), args.debug)


if __name__ == '__main__':
    sys.exit(main())
