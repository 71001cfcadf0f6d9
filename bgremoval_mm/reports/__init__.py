"""Tables and figures over finished runs.

``runs`` reads a work_dir, ``diff`` compares two arms, ``json_file`` writes results.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from bgremoval_mm.removal.exports import lazy_exports

if TYPE_CHECKING:
    from bgremoval_mm.reports.runs import (
        RunHistory,
        ScalarLog,
        read_metrics,
        read_run,
        read_scalars,
    )

__all__ = ['RunHistory', 'ScalarLog', 'read_metrics', 'read_run', 'read_scalars']


def _load(name: str) -> Any:
    return getattr(import_module(f'{__name__}.runs'), name)


if not TYPE_CHECKING:
    __getattr__, __dir__ = lazy_exports(__name__, __all__, _load)
