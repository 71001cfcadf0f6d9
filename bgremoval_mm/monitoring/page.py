"""The page of `bgremoval monitor`: tables and plots in one HTML file that needs no other host."""

from __future__ import annotations

import base64
import io
import time
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from html import escape
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
from matplotlib.figure import Figure

from bgremoval_mm.evaluation.statistics import Estimate
from bgremoval_mm.monitoring.alarms import describe
from bgremoval_mm.monitoring.series import DAY
from bgremoval_mm.monitoring.shifts import WEEK
from bgremoval_mm.monitoring.summary import NOTE, Point, Summary
from bgremoval_mm.monitoring.tables import DRIFT_HEAD, ROW_HEAD, drift_cells, row_cells
from bgremoval_mm.pipeline.tables import Shift
from bgremoval_mm.utils.text import printable

__all__ = ['make_page']

_BLUE, _GREY, _RED = '#0969da', '#57606a', '#cf222e'
_STYLE = """
:root { color-scheme: light; --ink: #1f2328; --faint: #59636e; --line: #d1d9e0; }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 1.5rem 1rem 4rem; max-width: 64rem; color: var(--ink);
  background: #fff; font: 16px/1.5 system-ui, -apple-system, "Segoe UI", "Noto Sans", sans-serif; }
h1 { font-size: 1.6rem; margin: 0; } h2 { font-size: 1.2rem; margin: 2.5rem 0 .5rem; }
p { max-width: 46rem; margin: .5rem 0; } .faint { color: var(--faint); }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-size: .9rem; font-variant-numeric: tabular-nums; }
th, td { padding: .3rem .7rem; border-bottom: 1px solid var(--line); text-align: right;
  white-space: nowrap; }
thead th { border-bottom: 2px solid var(--ink); }
tbody th, thead th:first-child { text-align: left; }
tbody tr:last-child.total { font-weight: 600; }
img { display: block; width: 100%; max-width: 46rem; height: auto; }
.alarm { border-left: 4px solid #cf222e; padding-left: .75rem; } .rise { border-color: #1a7f37; }
"""


def make_page(summary: Summary, shifts: Sequence[Shift], title: str) -> str:
    """Return the page.

    Args:
        summary: With points.
        shifts: All changes that are known.
        title: Name of the pipeline.
    """
    title = printable(title)
    at = datetime.fromtimestamp(summary.at, UTC).strftime('%Y-%m-%d %H:%M')
    parts = [
        f'<h1>Masks of {escape(title)}</h1>',
        f'<p class="faint">{at} UTC; figures of the last {summary.window:g} days, with 95 % '
        f'intervals</p>',
        '<h2>Alarms</h2>',
        *_alarms(shifts, summary.at),
        '<h2>Clusters and models</h2>',
        _table(ROW_HEAD, [row_cells(row) for row in (*summary.rows, summary.total)], True),
        f'<p class="faint">{escape(NOTE)}</p>',
    ]
    for cluster in dict.fromkeys(key[0] for key in summary.points):
        points = {key[1]: each for key, each in summary.points.items() if key[0] == cluster}
        mine = [each for each in shifts if each.cluster == cluster]
        parts += [f'<h2>{escape(cluster)}</h2>', _plots(cluster, points, mine, summary.window)]
    if summary.drift is not None:
        parts += ['<h2>Drift from the training set</h2>']
        cells = [drift_cells(each) for each in summary.drift]
        parts += [_table(DRIFT_HEAD, cells)] if cells else ['<p>Too few masks.</p>']
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<title>Masks of {escape(title)}</title><link rel="icon" href="data:,">'
        f'<style>{_STYLE}</style></head>\n<body>\n' + '\n'.join(parts) + '\n</body></html>\n'
    )


def _alarms(shifts: Sequence[Shift], now: float) -> Iterable[str]:
    if not shifts:
        yield '<p>None so far.</p>'
    for each in sorted(shifts, key=lambda shift: -shift.found):
        kind = 'alarm' if each.after < each.before else 'alarm rise'
        days = max(0, round((now - each.found) / DAY))
        sent = f', sent {time.strftime("%Y-%m-%d", time.gmtime(each.sent))}' if each.sent else ''
        yield f'<p class="{kind}">{escape(describe(each))}; found {days} days ago{sent}</p>'


def _table(head: Sequence[str], rows: Sequence[Sequence[str]], total: bool = False) -> str:
    shown = ''.join(f'<th scope="col">{escape(each)}</th>' for each in head)
    body = []
    for number, row in enumerate(rows):
        kind = ' class="total"' if total and number == len(rows) - 1 else ''
        cells = ''.join(f'<td>{escape(each)}</td>' for each in row[1:])
        body.append(f'<tr{kind}><th scope="row">{escape(row[0])}</th>{cells}</tr>')
    return (
        f'<div class="scroll"><table><thead><tr>{shown}</tr></thead>'
        f'<tbody>{"".join(body)}</tbody></table></div>'
    )


def _plots(
    cluster: str, points: dict[str, list[Point]], shifts: Sequence[Shift], window: float
) -> str:
    figure = Figure(figsize=(8, 4.6), layout='constrained')
    upper, lower = figure.subplots(2, 1, sharex=True)
    newest = list(points)[-1]
    for model, each in points.items():
        colour = _BLUE if model == newest else _GREY
        _line(upper, each, [point.iou for point in each], 1, colour, model)
        _line(lower, each, [point.manual_rate for point in each], 100, colour, model)
    for shift in shifts:
        at = datetime.fromtimestamp(shift.since * WEEK, UTC)
        upper.axvline(at, color=_RED if shift.after < shift.before else _GREY, lw=1, ls='--')
    upper.set_ylabel('IoU of reviewed masks')
    lower.set_ylabel('manual rate, %')
    lower.set_ylim(bottom=0)
    times = [point.at for each in points.values() for point in each]
    # A single week, too, is shown in weeks, not in years.
    margin = max(WEEK, 0.03 * (max(times) - min(times)))
    ends: Any = [
        datetime.fromtimestamp(at, UTC) for at in (min(times) - margin, max(times) + margin)
    ]
    lower.set_xlim(*ends)
    if upper.get_legend_handles_labels()[0]:  # there is a verdict
        upper.legend(loc='best', fontsize=8, frameon=False)
    locator = AutoDateLocator()
    lower.xaxis.set_major_locator(locator)
    lower.xaxis.set_major_formatter(ConciseDateFormatter(locator))
    for axes in (upper, lower):
        axes.spines[['top', 'right']].set_visible(False)
        axes.grid(axis='y', color='#d1d9e0', lw=0.6)
    alt = f'{cluster}: IoU and manual rate over {window:g} days, week by week, with intervals'
    url = base64.b64encode(_svg(figure)).decode()
    return f'<img alt="{escape(alt)}" src="data:image/svg+xml;base64,{url}">'


def _line(
    axes: Axes,
    points: Sequence[Point],
    found: Sequence[Estimate | None],
    scale: float,
    colour: str,
    label: str,
) -> None:
    known = [(p.at, each) for p, each in zip(points, found, strict=True) if each is not None]
    if not known:
        return
    at: Any = [datetime.fromtimestamp(each, UTC) for each, _ in known]  # matplotlib takes them
    means = [scale * each.mean for _, each in known]
    low = [scale * (each.mean if each.low is None else each.low) for _, each in known]
    high = [scale * (each.mean if each.high is None else each.high) for _, each in known]
    # A text after a dollar sign would be taken for a formula, one after _ would not be shown.
    shown = ' ' + label.replace('$', r'\$')
    axes.fill_between(at, low, high, color=colour, alpha=0.15, lw=0)
    axes.plot(at, means, '.-', color=colour, lw=1.6, ms=4, label=shown)


def _svg(figure: Figure) -> bytes:
    buffer = io.BytesIO()
    # Equal figures give equal files: by default the names inside are random.
    with matplotlib.rc_context({'svg.hashsalt': 'bgremoval_mm'}):
        FigureCanvasSVG(figure).print_svg(buffer, metadata={'Date': None})
    return buffer.getvalue()
