"""Downloading a wheel for the files in it, without installing it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from bgremoval_mm.removal.errors import BgremovalError


class WheelError(BgremovalError, RuntimeError):
    """pip could not download a wheel; the message is the end of what pip said."""


def download_wheel(requirement: str, python_version: str, folder: Path) -> Path:
    """Download one wheel with this interpreter's pip, so that the user's index settings hold.

    Args:
        requirement: Pinned requirement, e.g. ``'name==1.0'``.
        python_version: Python whose wheels the package offers; need not be this one.
        folder: Empty folder for the wheel.

    Returns:
        Path of the wheel, unverified.

    Raises:
        WheelError: If pip fails or finds no wheel.
    """
    command = [sys.executable, '-m', 'pip', 'download', '--quiet', '--no-deps']
    command += ['--disable-pip-version-check', '--only-binary=:all:', '--dest', str(folder)]
    command += ['--python-version', python_version, requirement]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    wheels = list(folder.glob('*.whl'))
    if done.returncode or not wheels:
        said = (done.stderr or done.stdout).strip() or 'pip found no file'
        msg = '\n'.join(said.splitlines()[-5:])
        raise WheelError(msg)
    return wheels[0]
