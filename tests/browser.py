"""Headless Chromium, which shows the pages that this package makes."""

from __future__ import annotations

import re
import subprocess
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue

_OPTIONS = ('--headless', '--no-sandbox', '--disable-gpu', '--enable-logging=stderr')


@dataclass(frozen=True)
class Browser:
    """A browser with a profile of its own.

    Attributes:
        program: Its file.
        profile: Folder for the profile.
    """

    program: str
    profile: Path

    def title_of(self, page: Path, script: str) -> tuple[str, str]:
        """Show a file with a script at its end, 500 pixels wide, for twenty seconds of its time.

        Returns:
            The title that the page has then, and what the browser logged.
        """
        probe = page.with_name('probe.html')
        probe.write_text(page.read_text().replace('</body>', f'<script>{script}</script></body>'))
        command = [*self._command(500), '--virtual-time-budget=20000', '--dump-dom']
        done = subprocess.run(
            [*command, '--allow-file-access-from-files', probe.as_uri()],
            capture_output=True,
            text=True,
            timeout=120,
            check=True,
        )
        title = re.search(r'<title>(.*?)</title>', done.stdout)
        assert title is not None
        return title[1], done.stderr

    def visit(self, address: str, width: int, said: SimpleQueue[str]) -> None:
        """Show a served page until its script has said 'ok'.

        Args:
            address: Of the page.
            width: Pixels; headless windows are 500 at least, so that the page's script sees to it.
            said: What the page's script sends to its server.
        """
        process = subprocess.Popen(
            [*self._command(max(width, 500)), address],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        try:
            assert said.get(timeout=120) == 'ok'
        finally:
            process.terminate()
            _, errors = process.communicate(timeout=60)
        assert 'Uncaught' not in errors
        assert 'Refused' not in errors, 'the page breaks its own content security policy'

    def _command(self, width: int) -> list[str]:
        size = f'--window-size={width},900'
        return [self.program, *_OPTIONS, size, f'--user-data-dir={self.profile}']
