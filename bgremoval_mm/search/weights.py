"""The weights of a network: loaded from a file or an address, and known again by a hash."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from mmengine.config import Config
from mmengine.runner.checkpoint import CheckpointLoader

import bgremoval_mm.pretrained  # noqa: F401  # weights of packages, and from a folder
from bgremoval_mm.engine.run_config import read_config
from bgremoval_mm.removal.errors import ArgumentError, BgremovalError
from bgremoval_mm.utils.text import printable

__all__ = [
    'NetworkError',
    'absolute',
    'config_of',
    'copied',
    'hash_parameters',
    'load_weights',
    'state_of',
]


class NetworkError(BgremovalError, ValueError):
    """Weights do not fit a config, or a network gives no vectors."""


def copied(value: Any) -> Any:
    """Return a copy of plain containers, which builders may change."""
    if isinstance(value, dict):
        return {key: copied(each) for key, each in value.items()}
    return type(value)(map(copied, value)) if isinstance(value, list | tuple) else value


def load_weights(weights: str) -> dict[str, Any]:
    """Load a checkpoint by mmengine.

    Raises:
        FileNotFoundError: If there is no such file.
        NetworkError: If it is no checkpoint.
    """
    if '://' not in weights and not Path(weights).is_file():
        msg = f'there is no checkpoint {printable(weights)}'
        raise FileNotFoundError(msg)
    try:
        content = CheckpointLoader.load_checkpoint(weights, 'cpu')
    except (BgremovalError, OSError):
        raise
    except Exception as err:
        # torch raises what zipfile, pickle and its own reader raise.
        msg = f'{printable(weights)} is damaged or no checkpoint ({type(err).__name__}: {err})'
        raise NetworkError(msg) from err
    if not isinstance(content, dict):
        msg = f'{printable(weights)} is no checkpoint: it holds a {type(content).__name__}'
        raise NetworkError(msg)
    return content


def config_of(
    content: Mapping[str, Any], checkpoint: str, config: str | Path | None, option: str
) -> Config:
    """Return the config of a checkpoint.

    Args:
        content: What `load_weights` has returned.
        checkpoint: Its path, for the message.
        config: Its config; None: the one that mmengine put into it.
        option: By which a config is given, for the message.

    Raises:
        ArgumentError: If there is none.
    """
    if config is not None:
        return read_config(config)
    meta = content.get('meta')
    text = meta.get('cfg') if isinstance(meta, dict) else None
    if not isinstance(text, str):
        msg = f'{printable(checkpoint)} carries no config: give it with {option}'
        raise ArgumentError(msg)
    return Config.fromstring(text, '.py')


def state_of(checkpoint: Mapping[str, Any]) -> dict[str, torch.Tensor]:
    """Return the parameters of a checkpoint, without the prefix of a distributed training."""
    state = checkpoint.get('state_dict', checkpoint)
    return {
        name.removeprefix('module.'): value
        for name, value in state.items()
        if isinstance(value, torch.Tensor)
    }


def absolute(path: str) -> str:
    """Return the absolute path of a file; an address stays."""
    return path if '://' in path else str(Path(path).resolve())


def hash_parameters(model: torch.nn.Module) -> str:
    """Return the sha256 of names, types, shapes and bytes of all parameters and buffers."""
    digest = hashlib.sha256()
    for name, value in sorted(model.state_dict().items()):
        if name.endswith('num_batches_tracked'):
            continue
        array = value.detach().cpu().contiguous()
        digest.update(json.dumps([name, str(array.dtype), list(array.shape)]).encode())
        digest.update(array.view(-1).view(torch.uint8).numpy().tobytes() if array.numel() else b'')
    return digest.hexdigest()
