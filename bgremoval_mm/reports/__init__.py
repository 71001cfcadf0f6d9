"""Tables and figures over finished runs.

``runs`` reads a work_dir, ``diff`` compares two arms, ``json_file`` writes results.
"""

from __future__ import annotations

from bgremoval_mm.reports.runs import RunHistory, ScalarLog, read_metrics, read_run, read_scalars

__all__ = ['RunHistory', 'ScalarLog', 'read_metrics', 'read_run', 'read_scalars']
