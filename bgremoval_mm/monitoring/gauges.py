"""The summary as Prometheus reads it."""

from __future__ import annotations

from collections.abc import Sequence

from prometheus_client import CollectorRegistry, Gauge, generate_latest

from bgremoval_mm.evaluation.statistics import Estimate
from bgremoval_mm.monitoring.summary import Row, Summary
from bgremoval_mm.pipeline.tables import Shift

__all__ = ['Gauges']

_OF_ROWS = ['cluster', 'model']


class Gauges:
    """Gauges of the last summary; rows that are gone are taken back.

    Attributes:
        registry: Where they are registered.
    """

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._iou = self._gauge('iou', 'Mean IoU of reviewed masks', [*_OF_ROWS, 'bound'])
        self._rate = self._gauge('manual_rate', 'Share sent to review', [*_OF_ROWS, 'bound'])
        self._masks = self._gauge('masks', 'Masks made within the window', _OF_ROWS)
        self._verdicts = self._gauge(
            'verdicts', 'Verdicts within the window', [*_OF_ROWS, 'verdict']
        )
        self._psi = self._gauge('drift_psi', 'Population stability index', ['figure'])
        self._drifted = self._gauge('drifted', '1 if a figure has drifted', ['figure'])
        self._drops = self._gauge('iou_drops', 'Drops found so far', _OF_ROWS)
        self._at = Gauge(
            'bgremoval_watched_timestamp_seconds', 'When this was made', registry=self.registry
        )

    def set(self, summary: Summary, shifts: Sequence[Shift]) -> None:
        """Replace all values."""
        for each in (self._iou, self._rate, self._masks, self._verdicts):
            each.clear()
        for each in (self._psi, self._drifted, self._drops):
            each.clear()
        for row in summary.rows:
            self._set_row(row)
        for drift in summary.drift or ():
            self._psi.labels(drift.figure).set(drift.psi)
            self._drifted.labels(drift.figure).set(drift.has_drifted)
        for shift in shifts:
            if shift.after < shift.before:
                self._drops.labels(shift.cluster, shift.model).inc()
        self._at.set(summary.at)

    def text(self) -> bytes:
        """Return all values in Prometheus's text format."""
        return generate_latest(self.registry)

    def _set_row(self, row: Row) -> None:
        key = row.cluster, row.model
        self._masks.labels(*key).set(row.masks)
        for verdict, number in row.verdicts.items():
            self._verdicts.labels(*key, verdict).set(number)
        _set_estimate(self._iou, key, row.iou)
        _set_estimate(self._rate, key, row.manual_rate)

    def _gauge(self, name: str, text: str, labels: list[str]) -> Gauge:
        return Gauge(f'bgremoval_watched_{name}', text, labels, registry=self.registry)


def _set_estimate(gauge: Gauge, key: tuple[str, str], found: Estimate | None) -> None:
    if found is None:
        return
    gauge.labels(*key, 'mean').set(found.mean)
    for name, value in (('low', found.low), ('high', found.high)):
        if value is not None:
            gauge.labels(*key, name).set(value)
