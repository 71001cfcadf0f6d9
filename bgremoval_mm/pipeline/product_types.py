"""Product types: what kind of product a photo shows, by a table or by a trained classifier."""

from __future__ import annotations

import csv
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from bgremoval_mm.removal.errors import ArgumentError
from bgremoval_mm.utils.text import printable

__all__ = ['Classifier', 'NoTypes', 'ProductType', 'ProductTypes', 'TypeOptions', 'TypeTable']


@dataclass(frozen=True)
class ProductType:
    """What was found.

    Attributes:
        name: The type, empty if it is not known.
        reason: How it was found, or why not, for the record.
    """

    name: str
    reason: str


class ProductTypes(Protocol):
    """Tells the type of a product from its photo or the photo's name.

    Attributes:
        names: All types there are, or None if that is not known beforehand.
    """

    names: tuple[str, ...] | None

    def find(self, name: str, read: Callable[[], np.ndarray]) -> ProductType:
        """Return the type.

        Args:
            name: Path of the photo as its source names it.
            read: Returns its pixels, uint8 of shape (H, W, 3), RGB.
        """
        ...


@dataclass(frozen=True)
class TypeOptions:
    """Where product types come from: a table, or a classifier.

    Attributes:
        table: CSV file, see `TypeTable`.
        image: Its column of names.
        column: Its column of types.
        classifier: Checkpoint, see `Classifier`.
        config: Its config, if the checkpoint carries none.
        least: Probability below which a type is unknown.
    """

    table: str = ''
    image: str = 'image'
    column: str = 'category'
    classifier: str = ''
    config: str = ''
    least: float = 0.5

    def __post_init__(self) -> None:
        for each in ('table', 'image', 'column', 'classifier', 'config'):
            if not isinstance(value := getattr(self, each), str):
                msg = f'`{each}` must be a text, but got {value!r}'
                raise ArgumentError(msg)
        if bool(self.table) == bool(self.classifier):
            msg = 'types come from a `table` or from a `classifier`: name one of them'
            raise ArgumentError(msg)
        others = ('config', 'least') if self.table else ('image', 'column')
        for each in others:
            if getattr(self, each) != getattr(TypeOptions, each):
                msg = f'`{each}` does not go with a {"table" if self.table else "classifier"}'
                raise ArgumentError(msg)
        least = self.least
        if isinstance(least, bool) or not isinstance(least, (int, float)) or not 0 <= least <= 1:
            msg = f'`least` must be a probability, from 0 to 1, but got {least!r}'
            raise ArgumentError(msg)

    def open(self, device: str | None = None) -> ProductTypes:
        """Read the table, or load the classifier.

        Args:
            device: Of the classifier: ``'cpu'``, ``'cuda'``, ...; None: a GPU where there is one.

        Raises:
            ArgumentError: If it cannot be used; the message names the file.
            ModuleNotFoundError: If mmpretrain is not installed.
            OSError: If there is no such file.
        """
        if self.table:
            return TypeTable(Path(self.table), self.image, self.column)
        config = Path(self.config) if self.config else None
        return Classifier(Path(self.classifier), config, self.least, device)


class NoTypes:
    """Types are not asked for: routes look at names alone."""

    names: tuple[str, ...] | None = ()

    def find(self, name: str, read: Callable[[], np.ndarray]) -> ProductType:
        """Return no type."""
        return ProductType('', '')


class TypeTable:
    """A column of a CSV file, which is read again when it has changed.

    Args:
        file: The file: UTF-8, with a header.
        image: Column of the photos' names, as the source names them.
        column: Column of the types.

    Raises:
        ArgumentError: If it cannot be read, lacks a column, or names a photo twice with two types.
    """

    names: tuple[str, ...] | None = None

    def __init__(self, file: Path, image: str = 'image', column: str = 'category') -> None:
        self._file = file
        self._columns = (image, column)
        self._stamp: tuple[int, int] | None = None
        self._types: dict[str, str] = {}
        self._refresh()

    def find(self, name: str, read: Callable[[], np.ndarray]) -> ProductType:
        """Return what the table says.

        Raises:
            ArgumentError: If the table has changed and is none any more.
        """
        self._refresh()
        found = self._types.get(name, '')
        if not found:
            return ProductType('', f'{self._file.name} has no type for it')
        return ProductType(found, f'{self._file.name} says {found}')

    def _refresh(self) -> None:
        try:
            status = self._file.stat()
            stamp = (status.st_mtime_ns, status.st_size)
            if stamp != self._stamp:
                self._types = self._read()
                self._stamp = stamp
        except (OSError, UnicodeError, csv.Error) as err:
            msg = f'{self._file}: cannot be read as a table of product types: {err}'
            raise ArgumentError(msg) from err

    def _read(self) -> dict[str, str]:
        found: dict[str, str] = {}
        with self._file.open(encoding='utf-8-sig', newline='') as stream:
            rows = csv.DictReader(stream)
            columns = list(rows.fieldnames or ())
            for column in self._columns:
                if column not in columns:
                    msg = (
                        f'{self._file}: has no column {column!r}, but has '
                        f'{", ".join(columns) or "none"}'
                    )
                    raise ArgumentError(msg)
            image, kind = self._columns
            for row in rows:
                name, value = (row[image] or '').strip(), (row[kind] or '').strip()
                if found.setdefault(name, value) != value:
                    msg = (
                        f'{self._file}, line {rows.line_num}: {name} is {value!r} here, but was '
                        f'{found[name]!r} before'
                    )
                    raise ArgumentError(msg)
        return found


class Classifier:
    """A classifier that mmpretrain has trained.

    Args:
        checkpoint: What mmengine has written.
        config: Its config; None: the one in the checkpoint.
        least: Probability below which a type counts as unknown.
        device: ``'cpu'``, ``'cuda'``, ...; None: a GPU where there is one.

    Raises:
        ArgumentError: If it cannot be used: no config, no names of classes, ...
    """

    def __init__(
        self,
        checkpoint: Path,
        config: Path | None = None,
        least: float = 0.5,
        device: str | None = None,
    ) -> None:
        self._name = checkpoint.name
        self._least = least
        self._inferencer = _load(checkpoint, config, device)
        classes: Sequence[str] | None = self._inferencer.classes
        if not classes:
            msg = f'{printable(str(checkpoint))}: does not name its classes'
            raise ArgumentError(msg)
        self.names: tuple[str, ...] | None = tuple(classes)

    def find(self, name: str, read: Callable[[], np.ndarray]) -> ProductType:
        """Return the likeliest type, if it is likely enough."""
        bgr = np.ascontiguousarray(read()[..., ::-1])
        (found,) = self._inferencer(bgr)
        text = f'{self._name} sees {found["pred_class"]} ({found["pred_score"]:.2f})'
        if found['pred_score'] < self._least:
            return ProductType('', f'{text}, less than {self._least:g}')
        return ProductType(found['pred_class'], text)


def _load(checkpoint: Path, config: Path | None, device: str | None) -> Any:
    """Return mmpretrain's inferencer, whose model has all parameters of the checkpoint."""
    try:
        from mmengine.utils import import_modules_from_strings
        from mmpretrain import ImageClassificationInferencer

        from bgremoval_mm.search.weights import config_of, load_weights, state_of
    except ModuleNotFoundError as err:
        msg = f'a classifier needs {err.name}: `pip install "bgremoval_mm[cls]"`'
        raise ModuleNotFoundError(msg, name=err.name) from None
    shown = printable(str(checkpoint))
    content = load_weights(str(checkpoint))
    cfg = config_of(content, str(checkpoint), config, '`config`')
    if not cfg.get('test_dataloader') or not cfg.get('model', {}).get('head'):
        msg = f'{shown}: its config is not that of a classifier with a test_dataloader'
        raise ArgumentError(msg)
    import_modules_from_strings(list(cfg.get('custom_imports', {}).get('imports', ())))
    # Initial weights would be downloaded, only to be replaced.
    cfg.model.get('backbone', {}).pop('init_cfg', None)
    inferencer = ImageClassificationInferencer(cfg, str(checkpoint), device)
    missing = set(inferencer.model.state_dict()) - set(state_of(content))
    if missing:
        msg = (
            f'{shown} does not fit its config: it lacks {len(missing)} parameters, such as '
            f'{min(missing)}'
        )
        raise ArgumentError(msg)
    return inferencer
