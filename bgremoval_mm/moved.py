"""Documented import paths of earlier releases, which lead to where their modules are now."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Sequence
from importlib import import_module
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

__all__ = ['MOVED', 'RENAMED', 'keep_old_paths']

_PACKAGE = __name__.rpartition('.')[0]

MOVED = {
    f'{_PACKAGE}.{old}': f'{_PACKAGE}.{new}'
    for old, new in {
        'datasets.background': 'removal.masks.backgrounds',
        'datasets.coco_file': 'datasets.formats.coco',
        'datasets.label_maps': 'datasets.formats.label_maps',
        'hooks': 'engine.hooks',
        'import_hooks': 'utils.import_hooks',
        'metrics': 'evaluation.metrics',
        'removal.job': 'removal.jobs.pipeline',
        'removal.places': 'removal.io.storage',
        'removal.ray_engine': 'removal.jobs.ray_engine',
        'reports': 'engine.work_dir',
        'reports.coco_bootstrap': 'evaluation.coco_bootstrap',
        'reports.review': 'removal.review.page',
        'reports.statistics': 'evaluation.statistics',
        'reports.verdicts': 'removal.review.verdicts',
    }.items()
}
"""The old full name of a module to its present one."""

RENAMED = {
    f'{_PACKAGE}.datasets.background': {
        'cover': f'{_PACKAGE}.removal.masks.backgrounds.resize_and_center_crop',
    },
    f'{_PACKAGE}.removal.places': {
        'LocalPlace': f'{_PACKAGE}.removal.io.storage.LocalStorage',
        'UrlPlace': f'{_PACKAGE}.removal.io.fsspec_storage.FsspecStorage',
        'open_place': f'{_PACKAGE}.removal.io.storage.open_storage',
    },
}
"""Names of a moved module that are not those of its present one, and what they are now."""


class _MovedModule(Loader):
    """Loads a module whose names are those of another."""

    def __init__(self, target: str) -> None:
        self._target = target

    def create_module(self, spec: ModuleSpec) -> None:
        """Leave it to Python to make the module."""

    def exec_module(self, module: ModuleType) -> None:
        """Hand out the names of the target, and warn that it has moved."""
        target = import_module(self._target)
        msg = f'{module.__name__} has moved: import {self._target} instead'
        warnings.warn(msg, DeprecationWarning, stacklevel=2)
        module.__doc__ = target.__doc__
        renamed = RENAMED.get(module.__name__, {})

        def get(name: str) -> Any:
            if name not in renamed:
                return getattr(target, name)
            home, _, new = renamed[name].rpartition('.')
            return getattr(import_module(home), new)

        module.__dict__['__getattr__'] = get
        module.__dict__['__dir__'] = lambda: sorted({*dir(target), *renamed})


class _Finder(MetaPathFinder):
    """Finds the modules of `MOVED`."""

    def find_spec(
        self, fullname: str, _path: Sequence[str] | None = None, _target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Return how to load a module that has moved; None for every other."""
        if fullname not in MOVED:
            return None
        # A package, for `reports.statistics` is looked for in `reports`.
        return ModuleSpec(fullname, _MovedModule(MOVED[fullname]), is_package=True)


def keep_old_paths() -> None:
    """Let `MOVED` be imported by their old names."""
    if not any(isinstance(finder, _Finder) for finder in sys.meta_path):
        sys.meta_path.append(_Finder())
