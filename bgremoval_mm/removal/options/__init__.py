"""The options of the engine, of its results and of its jobs: frozen, and checked when made.

Imports nothing heavy, so that `--help` is there at once.
"""

from __future__ import annotations

from bgremoval_mm.removal.options.engine import EngineOptions
from bgremoval_mm.removal.options.framing import Framing
from bgremoval_mm.removal.options.job import JobOptions, Shard
from bgremoval_mm.removal.options.output import OutputOptions, check_fill
from bgremoval_mm.removal.options.values import (
    BACKENDS,
    EDGES,
    ENGINES,
    FILE_FORMATS,
    MAX_BYTES,
    MAX_PIXELS,
    OUTPUTS,
    PRECISIONS,
    Output,
)

__all__ = [
    'BACKENDS',
    'EDGES',
    'ENGINES',
    'FILE_FORMATS',
    'MAX_BYTES',
    'MAX_PIXELS',
    'OUTPUTS',
    'PRECISIONS',
    'EngineOptions',
    'Framing',
    'JobOptions',
    'Output',
    'OutputOptions',
    'Shard',
    'check_fill',
]
