"""Initialisation weights that are kept as numpy arrays.

``npz://FILE`` is the file of that name, whose arrays are named as the parameters of the model.
"""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.runner.checkpoint import CheckpointLoader

from bgremoval_mm.pretrained.files import (
    FOLDER_VARIABLE,
    PretrainedWeightsError,
    cache_folder,
    find_together,
)
from bgremoval_mm.utils.text import printable

__all__ = ['SCHEME', 'load_from_arrays']

SCHEME = 'npz://'


@CheckpointLoader.register_scheme(prefixes=SCHEME, force=True)
def load_from_arrays(address: str, map_location: Any = None) -> dict[str, Any]:
    """Load parameters from an ``.npz``; mmengine calls this for ``init_cfg.checkpoint``.

    Looked for in ``$BGREMOVAL_MM_PRETRAINED``, then in torch's cache. Arrays of floating-point
    numbers become float32, whatever they are stored as. Batch normalisation whose file has no
    ``num_batches_tracked`` gets 0.

    Args:
        address: ``npz://FILE``.
        map_location: A device, as in ``torch.load``; None: the CPU.

    Returns:
        The parameters by name.

    Raises:
        PretrainedWeightsError: If the file is nowhere, or has something else than numbers.

    Examples:
        >>> dict(type='Pretrained', prefix='backbone', checkpoint='npz://mobilenet_v2.npz')
    """
    path = find_together(address, _nowhere)
    device = map_location if isinstance(map_location, str | torch.device) else 'cpu'
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: np.asarray(file[name]) for name in file.files}
        tensors = {name: torch.from_numpy(array).to(device) for name, array in arrays.items()}
    except (OSError, ValueError, TypeError, AttributeError, zipfile.BadZipFile) as err:
        msg = printable(f'{path} is damaged or no file of numbers ({type(err).__name__}: {err})')
        raise PretrainedWeightsError(msg) from err
    found = {name: t.float() if t.is_floating_point() else t for name, t in tensors.items()}
    for name in arrays:
        norm, dot, tensor = name.rpartition('.')
        if tensor == 'running_mean':
            found.setdefault(f'{norm}{dot}num_batches_tracked', torch.tensor(0, device=device))
    return found


def _nowhere(address: str) -> Path:
    """Say that nothing of this scheme is downloaded.

    Raises:
        PretrainedWeightsError: Always.
    """
    msg = printable(
        f'{Path(address).name} is not to be downloaded. Put it into {cache_folder()}, or into a '
        f'folder, and set {FOLDER_VARIABLE} to that folder'
    )
    raise PretrainedWeightsError(msg)
