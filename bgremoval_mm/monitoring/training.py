"""The training of a retraining: `tools/train.py` in a process of its own, resumable."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import bgremoval_mm
from bgremoval_mm.monitoring.corrections import HELD_BACK
from bgremoval_mm.removal.errors import ArgumentError, BgremovalError
from bgremoval_mm.utils.atomic import write_atomically
from bgremoval_mm.utils.json_io import read_json, write_json
from bgremoval_mm.utils.text import printable

__all__ = ['CONFIG', 'Settings', 'TrainingError', 'find_config', 'train']

CONFIG = 'saliency/u2net/u2netp-pre_1xb12-2k_pairs-320x320.py'
_END = 15  # lines of a log that are shown


class TrainingError(BgremovalError, RuntimeError):
    """The training has failed; the message has the end of its log."""


@dataclass(frozen=True)
class Settings:
    """What a retraining is made of; the same for all its runs.

    Attributes:
        manifest: Manifest of the training set, an absolute path.
        config: Config of the training, the same.
        options: Changes of the config, ``KEY=VALUE``.
        share: Of corrected photos that is held back.
        amp: Train in mixed precision.
    """

    manifest: str
    config: str
    options: tuple[str, ...] = ()
    share: float = 0.2
    amp: bool = False

    def __post_init__(self) -> None:
        if not 0 < self.share < 1:
            msg = f'`share` must be between 0 and 1, but got {self.share!r}'
            raise ArgumentError(msg)


def find_config(name: str = CONFIG) -> Path:
    """Return a config of this package.

    Raises:
        BgremovalError: If it is not there.
    """
    return _part('configs') / name


def train(folder: Path, settings: Settings, lock: int, say: Callable[[str], None]) -> Path:
    """Train, or go on with it; return the last checkpoint.

    Args:
        folder: Of the retraining, with its manifest.
        settings: Of the retraining.
        lock: File descriptor that the training holds, too: if this process is killed alone, no
            second training begins beside it.
        say: Takes a line for each step.

    Raises:
        TrainingError: If it fails.
    """
    done, work = folder / 'trained.json', folder / 'work'
    if (content := read_json(done)) is not None:
        return folder / str(content['checkpoint'])
    manifest = str((folder / 'manifest.csv').resolve())
    config = folder / 'config.py'
    lines = [f'_base_ = {settings.config!r}']
    for loader, split in (('train', 'train'), ('val', HELD_BACK), ('test', HELD_BACK)):
        dataset = f'dict(manifest={manifest!r}, split={split!r})'
        lines.append(f'{loader}_dataloader = dict(dataset={dataset})')
    write_atomically(config, ('\n'.join(lines) + '\n').encode())
    command = [sys.executable, str(_part('tools') / 'train.py'), str(config), '--resume']
    # Nothing of the held-back set may choose a checkpoint: the last one is taken.
    command += ['--no-validate', '--work-dir', str(work), *(['--amp'] if settings.amp else [])]
    if settings.options:
        command += ['--cfg-options', *settings.options]
    log = folder / 'train.log'
    say(f'Training; see {printable(log)}')
    with log.open('a', encoding='utf-8') as file:
        process = subprocess.Popen(
            command, stdout=file, stderr=file, stdin=subprocess.DEVNULL, pass_fds=[lock]
        )
        try:
            code = process.wait()
        except BaseException:
            process.terminate()
            process.wait()
            raise
    last = work / 'last_checkpoint'
    if code or not last.is_file():
        end = log.read_text(encoding='utf-8', errors='replace').splitlines()[-_END:]
        msg = f'the training ended with exit code {code}. The end of {printable(log)}:\n'
        raise TrainingError(msg + '\n'.join(end))
    # The folder may stand elsewhere later: only the name is kept.
    checkpoint = work / Path(last.read_text(encoding='utf-8').strip()).name
    write_json(done, {'checkpoint': checkpoint.relative_to(folder).as_posix()})
    return checkpoint


def _part(name: str) -> Path:
    """Return the package's folder of configs or tools, installed or in a clone."""
    package = Path(str(bgremoval_mm.__file__)).parent
    for place in (package / '.mim' / name, package.parent / name):
        if place.is_dir():
            return place
    msg = f'the folder {name} of bgremoval_mm is missing: install it again'
    raise BgremovalError(msg)
