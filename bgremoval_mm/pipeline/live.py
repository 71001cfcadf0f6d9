"""The live network: a file that says which one routes with ``model = "live"`` use, and did use.

``models/live.json`` in the folder of the pipeline is replaced as a whole, so that workers, which
look at it before each photo, see the former network or the new one.
"""

from __future__ import annotations

import os
import shutil
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from bgremoval_mm.removal.errors import ArgumentError, BgremovalError
from bgremoval_mm.removal.zoo.catalogue import get_model, is_model_file
from bgremoval_mm.utils.json_io import read_json, write_json
from bgremoval_mm.utils.text import printable

__all__ = [
    'FIRST',
    'LIVE',
    'Entry',
    'as_argument',
    'live_history',
    'live_model',
    'live_name',
    'put_back',
    'put_live',
]

LIVE = 'live'
FIRST = 'u2net'  # until another one is put live


@dataclass(frozen=True)
class Entry:
    """A network that was put live.

    Attributes:
        model: Its name in the catalogue, or its file's in the folder ``models``.
        at: When, in UTC.
        reason: Why.
        before: Number of the entry that it took the place of and that `put_back` leads to; -1 for
            the network that is live from the beginning.
    """

    model: str
    at: str
    reason: str
    before: int


def live_model(root: Path) -> str:
    """Return the live network: a name of the catalogue, or the path of its file.

    Raises:
        BgremovalError: If the file that says so is damaged.
    """
    return as_argument(root, live_name(root))


def live_name(root: Path) -> str:
    """Return the live network as `Entry.model` has it."""
    entries = live_history(root)
    return entries[-1].model if entries else FIRST


def as_argument(root: Path, model: str) -> str:
    """Return `Entry.model` as functions take it that are given a model."""
    return str(_path(root).parent / model) if is_model_file(model) else model


def live_history(root: Path) -> list[Entry]:
    """Return all networks that were put live, the live one last.

    Raises:
        BgremovalError: If the file that says so is damaged.
    """
    path = _path(root)
    try:
        content = read_json(path)
        return [] if content is None else [Entry(**each) for each in content['history']]
    except (KeyError, TypeError, ValueError) as err:
        msg = f'{printable(path)} does not say which network is live: {err}'
        raise BgremovalError(msg) from err


def put_live(root: Path, model: str, reason: str) -> Entry:
    """Make a network the live one.

    Args:
        root: Folder of the pipeline.
        model: A name of the catalogue, or an .onnx file. A file that is not in the folder
            ``models`` is copied there.
        reason: Why, for the history.

    Raises:
        ArgumentError: If it is neither, or another file of that name is in the folder.
    """
    get_model(model)
    name = _keep(root, Path(model)) if is_model_file(model) else model
    entries = live_history(root)
    return _append(root, entries, Entry(name, _now(), reason, len(entries) - 1))


def put_back(root: Path) -> Entry:
    """Make the network live again that was so before; once more, the one before that.

    Raises:
        BgremovalError: If there was none, or its file is gone.
    """
    entries = live_history(root)
    if not entries:
        msg = f'{FIRST} has been live from the beginning: there is none to put back'
        raise BgremovalError(msg)
    now = entries[-1]
    former = Entry(FIRST, '', '', -2) if now.before == -1 else entries[now.before]
    if now.before < -1:
        msg = f'{now.model} was the first one: there is none to put back'
        raise BgremovalError(msg)
    get_model(as_argument(root, former.model))
    reason = f'put back in the place of {now.model}'
    return _append(root, entries, Entry(former.model, _now(), reason, former.before))


def _append(root: Path, entries: list[Entry], entry: Entry) -> Entry:
    write_json(_path(root), {'history': [asdict(each) for each in [*entries, entry]]})
    return entry


def _keep(root: Path, file: Path) -> str:
    folder = _path(root).parent
    kept = folder / file.name
    if kept.exists() and not kept.samefile(file) and kept.read_bytes() != file.read_bytes():
        msg = f'another file {printable(file.name)} is in {printable(folder)}: rename this one'
        raise ArgumentError(msg)
    if not kept.exists():
        folder.mkdir(parents=True, exist_ok=True)
        partial = kept.with_name(f'.{kept.name}.{os.getpid()}.part')
        shutil.copyfile(file, partial)
        partial.replace(kept)
    return file.name


def _path(root: Path) -> Path:
    return root / 'models' / 'live.json'


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec='seconds')
