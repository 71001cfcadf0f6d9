"""Masks for an audit, which reads stores that somebody made and writes into its own only."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from mmengine.logging import print_log

from bgremoval_mm.datasets.transforms.mask_source import MaskSource, OtherPrecisionError
from bgremoval_mm.removal import StoredMask
from bgremoval_mm.removal.io.paths import path_below
from bgremoval_mm.removal.outputs.mask_store import other_precision
from bgremoval_mm.utils.text import printable

__all__ = ['AuditMasks']


class AuditMasks(MaskSource):
    """The masks of one dataset's photos: those of a named store, else of the audit's own.

    Args:
        named: The store that the config or the user names, or None. It is only read.
        **own: What MaskSource takes, for the masks that `named` lacks.
    """

    # The audit's own store holds what can be made again at any time.
    replaces_other_precisions = True

    def __init__(self, named: MaskSource | None, **own: Any) -> None:
        super().__init__(**own)
        self.named = named
        #: Hash of the names, sizes and times of the test photos' masks in the named store.
        self.digest: str | None = None
        #: Sources of photos of other datasets, whose backgrounds this dataset's photos get.
        self.neighbours: dict[str, AuditMasks] = {}

    def find(self, path: str) -> StoredMask | None:
        """Return the mask of a photo, which is made if no store has it."""
        if path in self.neighbours:
            return self.neighbours[path].find(path)
        if self.named is not None:
            stored, problem = self.named.look_up(path)
            if problem is None:
                return stored
            self._refuse_precision(self.named, stored, path)
        return super().find(path)

    def check(self, paths: Sequence[str]) -> None:
        """Look for the masks of photos in the named store, before anything is evaluated.

        Sets `digest`.

        Raises:
            ArgumentError: If its masks are of another precision, or a photo is outside `img_root`.
        """
        if self.named is None or self.named.store is None or self.named.img_root is None:
            return
        store, root = self.named.store, self.named.img_root
        there, told = [], hashlib.sha256()
        for path in paths:
            name = path_below(path, root)
            with suppress(FileNotFoundError):
                status = store.path(name).stat()
                there.append(path)
                line = f'{name}\0{status.st_size}\0{status.st_mtime_ns}\n'
                told.update(line.encode(errors='surrogateescape'))
        self.digest = told.hexdigest()
        for path in there[:1]:
            self._refuse_precision(self.named, self.named.look_up(path)[0], path)
        if len(there) < len(paths):
            where = 'not kept' if self.mask_dir is None else f'kept in {self.mask_dir}'
            msg = (
                f'{self.named.mask_dir} has no mask by {self.model} of {len(paths) - len(there)} '
                f'of {len(paths)} test photos: they are made and {where}'
            )
            print_log(printable(msg), 'current', logging.WARNING)

    @staticmethod
    def _refuse_precision(named: MaskSource, stored: StoredMask | None, path: str) -> None:
        assert named.store is not None
        precision = other_precision(named.store, stored)
        if precision is not None:
            msg = (
                f'{printable(named.mask_dir)} holds a mask in {precision} of {printable(path)}, '
                f'but the audit asks for {named.precision}: give --precision {precision}, or in '
                f"the config precision='{precision}'; or name another store"
            )
            raise OtherPrecisionError(msg)
