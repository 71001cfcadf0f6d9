"""Headless Chromium, which shows the pages that this package makes."""

from __future__ import annotations

import re
import subprocess
import threading
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue

import pytest

_OPTIONS = ('--headless', '--no-sandbox', '--disable-gpu', '--enable-logging=stderr')
_LIMIT = 120  # seconds
_SAID = 'script said: '


@dataclass(frozen=True)
class Browser:
    """A browser with a profile of its own.

    Attributes:
        program: Its file.
        profile: Folder for the profile.
    """

    program: str
    profile: Path

    def run(self, page: Path, script: str) -> tuple[str, str]:
        """Show a file with a script at its end, 500 pixels wide, until that calls `say(text)`.

        It runs in real time: pictures are decoded beside the page's own clock, so that a budget of
        `--virtual-time-budget` is used up before them where the machine has other work.

        Returns:
            What the script said, and what else the browser logged until then.
        """
        probe = page.with_name('probe.html')
        say = f'const say = text => console.log({_SAID!r} + text);'
        probe.write_text(
            page.read_text().replace('</body>', f'<script>{say}{script}</script></body>')
        )
        process = self._start(500, '--allow-file-access-from-files', probe.as_uri())
        limit = threading.Timer(_LIMIT, process.kill)
        limit.start()
        log: list[str] = []
        assert process.stderr is not None
        try:
            for line in process.stderr:
                if said := re.search(rf'"{_SAID}(.*?)", source:', line):
                    return said[1], ''.join(log)
                log.append(line)
        finally:
            limit.cancel()
            process.terminate()
            process.communicate(timeout=60)
        pytest.fail(f'the script said nothing within {_LIMIT} s; the log:\n{"".join(log)}')

    def visit(self, address: str, width: int, said: SimpleQueue[str]) -> None:
        """Show a served page until its script has said 'ok'.

        Args:
            address: Of the page.
            width: Pixels; headless windows are 500 at least, so that the page's script sees to it.
            said: What the page's script sends to its server.
        """
        process = self._start(max(width, 500), address)
        try:
            assert said.get(timeout=_LIMIT) == 'ok'
        finally:
            process.terminate()
            _, errors = process.communicate(timeout=60)
        assert 'Uncaught' not in errors
        assert 'Refused' not in errors, 'the page breaks its own content security policy'

    def _start(self, width: int, *arguments: str) -> subprocess.Popen[str]:
        size = f'--window-size={width},900'
        return subprocess.Popen(
            [self.program, *_OPTIONS, size, f'--user-data-dir={self.profile}', *arguments],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
