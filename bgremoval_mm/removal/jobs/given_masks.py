"""Stored masks as the input of a job, in place of a network."""

from __future__ import annotations

import logging
import shlex
from collections import Counter
from dataclasses import replace
from pathlib import Path

from bgremoval_mm.removal.errors import ArgumentError
from bgremoval_mm.removal.io.manifest import Record, latest
from bgremoval_mm.removal.outputs.mask_store import MaskStore
from bgremoval_mm.removal.zoo.catalogue import CATALOGUE, ModelSpec, get_model

__all__ = ['masks_command', 'open_masks']

logger = logging.getLogger(__name__)


def open_masks(
    mask_dir: str | Path,
    model: str | Path | ModelSpec,
    precision: str,
    otherwise: str = 'these are computed again',
) -> MaskStore:
    """Open a store whose masks are to be taken, and check that they are what a job would compute.

    Args:
        mask_dir: Root of the store, a path or an address.
        model: The job's model.
        precision: What the job computes in.
        otherwise: What becomes of masks that are not, for a warning.

    Raises:
        FileNotFoundError: If it is not the root of a store.
        ArgumentError: If it holds masks of other models, weights or precisions only.
    """
    store = MaskStore(mask_dir, model, precision)
    if not store.manifest.exists():
        _refuse_other_model(mask_dir, store)
        msg = (
            f'`mask_dir` must be the root of a mask store, but there is no {store.manifest.address}'
        )
        raise FileNotFoundError(msg)
    made_by = _count(store)
    fitting = made_by.pop((store.spec.hash, precision), 0)
    others = made_by.total()
    if others and not fitting:
        raise ArgumentError(_mismatch(mask_dir, store, precision, made_by))
    if others:
        logger.warning(
            '`mask_dir`: %d of %d masks are not those of %s in %s: %s',
            others,
            others + fitting,
            store.spec.name,
            precision,
            otherwise,
        )
    return store


def masks_command(store: MaskStore, src: str | Path) -> str:
    """Return the command that makes the masks of a store.

    Args:
        store: The store.
        src: Folder of its images.
    """
    root = store.storage.address.removesuffix(f'/{store.spec.name}')
    words = ['bgremoval', 'masks', str(src), root, '--model', store.spec.argument]
    if store.params['precision'] != 'fp32':
        words += ['--precision', str(store.params['precision'])]
    return shlex.join(words)


def _count(store: MaskStore) -> Counter[tuple[str, str]]:
    """Return how many masks there are of which weights in which precision."""
    records = latest(
        # A catalogue's figures would fill the memory.
        replace(record, quality=None, source=None, size=None)
        for record in store.manifest.records()
    )
    return Counter(
        (record.model_hash, _precision(record))
        for record in records.values()
        if record.status == 'ok'
    )


def _precision(record: Record) -> str:
    return str(record.params.get('precision', 'fp32'))


def _mismatch(
    mask_dir: str | Path, store: MaskStore, precision: str, made_by: Counter[tuple[str, str]]
) -> str:
    name = store.spec.name
    precisions = sorted({found for weights, found in made_by if weights == store.spec.hash})
    if precisions:
        choices = ' or '.join(f'`--precision {each}` (precision={each!r})' for each in precisions)
        return (
            f'`mask_dir`: the masks of {name} in {mask_dir} were made in {", ".join(precisions)}, '
            f'but this job computes in {precision}. Add {choices}, or name another store'
        )
    weights = ', '.join(sorted({weights for weights, _ in made_by}))
    return (
        f'`mask_dir`: the masks of {name} in {mask_dir} were made by other weights ({weights}, '
        f'not {store.spec.hash}). Make them again: `bgremoval masks SRC {mask_dir} '
        f'--model {store.spec.argument}`'
    )


def _refuse_other_model(mask_dir: str | Path, store: MaskStore) -> None:
    """Raise an ArgumentError if the store has masks, but of other models."""
    there = [
        name
        for name in CATALOGUE
        if name != store.spec.name and MaskStore(mask_dir, get_model(name)).manifest.exists()
    ]
    if there:
        choices = ' or '.join(f'`--model {name}` (model={name!r})' for name in there)
        msg = (
            f'`mask_dir`: {mask_dir} has masks of {", ".join(there)}, but this job is to use '
            f'{store.spec.name}. Add {choices}, or name another store'
        )
        raise ArgumentError(msg)
