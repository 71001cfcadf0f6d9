"""Initialisation weights by URL, taken from a folder where there is no network."""

from __future__ import annotations

import hashlib
import logging
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from mmengine.dist import all_gather_object
from mmengine.logging import print_log
from mmengine.runner.checkpoint import CheckpointLoader

from bgremoval_mm.removal.errors import BgremovalError
from bgremoval_mm.utils.text import printable

__all__ = [
    'FOLDER_VARIABLE',
    'HOSTS',
    'PretrainedWeightsError',
    'cache_folder',
    'find_together',
    'load_from_pretrained',
    'load_tensors',
]

FOLDER_VARIABLE = 'BGREMOVAL_MM_PRETRAINED'
"""Environment variable: a folder that is searched, by file name, before anything is downloaded."""

HOSTS = (
    'https://download.openmmlab.com/',
    'https://github.com/SwinTransformer/storage/releases/',
    'https://github.com/whai362/PVT/releases/',
    'http://data.lip6.fr/cadene/pretrainedmodels/',
)
"""Beginnings of the URLs that are loaded this way: where our configs' weights lie."""

# Published files carry the beginning of their sha256 in their name, as torch.hub reads it.
_HASH_IN_NAME = re.compile(r'-([0-9a-f]{8,64})\.pth?$')


class PretrainedWeightsError(BgremovalError, RuntimeError):
    """Initialisation weights are neither in a folder nor to be downloaded, or unreadable."""


# Longer prefixes win over mmengine's own 'https://'. `force`, because a reload is harmless.
@CheckpointLoader.register_scheme(prefixes=HOSTS, force=True)
def load_from_pretrained(url: str, map_location: Any = None) -> dict[str, Any]:
    """Load a published checkpoint; mmengine calls this for ``init_cfg.checkpoint`` and others.

    Looked for by its file name in ``$BGREMOVAL_MM_PRETRAINED``, then in torch's cache
    (``$TORCH_HOME/hub/checkpoints``), then downloaded into that cache. Only tensors and plain
    values are unpickled (``weights_only=True``). A file whose sha256 does not begin as its name
    says is used with a warning.

    Args:
        url: URL of the file.
        map_location: As in ``torch.load``.

    Returns:
        The checkpoint: a dict of parameters, or one with a key ``state_dict``.

    Raises:
        PretrainedWeightsError: If the file is nowhere, in any process of a distributed job: then in
            all of them. Or if it is no checkpoint.
    """
    return load_tensors(url, _download, map_location)


def load_tensors(
    url: str, download: Callable[[str], Path], map_location: Any = None
) -> dict[str, Any]:
    """Find a file of weights, or download it, and load its tensors, in all processes of a job.

    Args:
        url: What the config calls it; its last part is the name of the file.
        download: Takes `url`, puts the file into :func:`cache_folder` and returns its path. Called
            in one process of each machine, where the file is not there.
        map_location: As in ``torch.load``.

    Raises:
        PretrainedWeightsError: As :func:`load_from_pretrained` does.
    """
    path = find_together(url, download)
    _warn_of_another_hash(path)
    try:
        checkpoint: dict[str, Any] = torch.load(path, map_location, weights_only=True)
    except Exception as err:
        # torch raises what zipfile, pickle and its own reader raise.
        msg = printable(
            f'{path} is damaged or no checkpoint of tensors ({type(err).__name__}: {err}). '
            f'Delete it, or replace it by {url}'
        )
        raise PretrainedWeightsError(msg) from err
    return checkpoint


def find_together(url: str, download: Callable[[str], Path]) -> Path:
    """Find the file in all processes of a job, of which one on each machine downloads it.

    A process that fails tells the others, which would wait for it for ever, and all of them raise.
    """
    path: Path | None = None
    failure: Exception | None = None
    try:
        path = _find(url)
        if path is None and int(os.environ.get('LOCAL_RANK', '0')) == 0:
            path = download(url)
    except Exception as err:  # noqa: BLE001  # raised below, when the others know
        failure = err
    failures = all_gather_object('' if failure is None else str(failure) or repr(failure))
    if failure is not None:
        raise failure
    for rank, message in enumerate(failures):
        if message:
            msg = f'in process {rank} of {len(failures)}: {message}'
            raise PretrainedWeightsError(msg)
    path = path or _find(url)
    if path is None:
        where = cache_folder()
        msg = f'{url} was downloaded by another process of this machine, but is not in {where}'
        raise PretrainedWeightsError(msg)
    return path


def _find(url: str) -> Path | None:
    """Find the file of that URL in the folder or in torch's cache."""
    folders = [*_folder(), cache_folder()]
    return next((path for f in folders if (path := f / Path(url).name).is_file()), None)


def _folder() -> list[Path]:
    """Return the folder that the user has named, as a list of none or one."""
    named = os.environ.get(FOLDER_VARIABLE)
    if not named:
        return []
    folder = Path(named).expanduser()
    if not folder.is_dir():
        msg = f'{FOLDER_VARIABLE} must name a folder with weights, but {printable(named)} is none'
        raise PretrainedWeightsError(msg)
    return [folder]


def cache_folder() -> Path:
    """Return the folder of torch's cache that downloads go to."""
    return Path(torch.hub.get_dir()) / 'checkpoints'


def _download(url: str) -> Path:
    """Download into torch's cache, under a temporary name first."""
    target = cache_folder() / Path(url).name
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        torch.hub.download_url_to_file(url, str(target), progress=os.isatty(0))
    except OSError as err:  # urllib's errors are OSErrors, too
        raise PretrainedWeightsError(_nowhere(url, err)) from err
    return target


def _nowhere(url: str, err: OSError) -> str:
    """Say what was tried and what helps."""
    name = Path(url).name
    looked = [str(cache_folder())]
    for folder in _folder():
        there = sorted(path.name for path in folder.glob('*.pth'))
        looked.insert(0, f'{FOLDER_VARIABLE}={folder} (there: {", ".join(there) or "no .pth"})')
    return printable(
        f'the initialisation weights {name} were not found. Looked in {" and ".join(looked)}; '
        f'{url} cannot be downloaded ({err}). Fetch it elsewhere, put it into a folder and set '
        f'{FOLDER_VARIABLE} to that folder.'
    )


def _warn_of_another_hash(path: Path) -> None:
    named = _HASH_IN_NAME.search(path.name)
    if named is None:
        return
    with path.open('rb') as file:
        digest = hashlib.file_digest(file, 'sha256').hexdigest()
    if not digest.startswith(named[1]):
        print_log(
            f'{printable(path)}: the sha256 begins with {digest[:8]}, the name says {named[1]}: '
            'not the published file, or damaged',
            'current',
            logging.WARNING,
        )
