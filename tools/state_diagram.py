#!/usr/bin/env python
"""Draw the states of an upload, from the table by which the pipeline itself goes.

    python tools/state_diagram.py [--out docs/_static/pipeline_states.svg]

A state that is added to bgremoval_mm/pipeline/states.py needs a place here; an arrow needs nothing.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Mapping
from pathlib import Path
from xml.sax.saxutils import escape

from bgremoval_mm.pipeline.states import FINAL, NEXT, State

OUT = Path(__file__).resolve().parent.parent / 'docs' / '_static' / 'pipeline_states.svg'
WIDTH, HEIGHT = 860, 300
BOX_WIDTH, BOX_HEIGHT = 132, 48
LANE = 172  # where the lines run that many states share
SHARED = 3  # from so many states on, arrows to a state share a line

# Centre of each state, and what is true of an upload that is in it.
PLACES: dict[State, tuple[int, int, str]] = {
    State.RECEIVED: (82, 108, 'its bytes are stored'),
    State.TYPED: (256, 108, 'its route is known'),
    State.REMOVED: (430, 108, 'its mask is stored'),
    State.REVIEW: (604, 108, 'waits for a person'),
    State.PUBLISHED: (778, 108, 'its result is there'),
    State.FAILED: (256, 236, 'says why'),
    State.SUPERSEDED: (604, 236, 'is kept'),
}
LABELS: dict[tuple[State, State], str] = {
    (State.REMOVED, State.REVIEW): 'doubtful',
    (State.REMOVED, State.PUBLISHED): 'the mask passed the gate',
    (State.REVIEW, State.PUBLISHED): 'accepted',
    (State.FAILED, State.RECEIVED): 'retry',
}
# What leads to a state from many others.
CAUSES: dict[State, str] = {
    State.FAILED: 'unreadable, no route, tried 5 times, rejected',
    State.SUPERSEDED: 'a later version has come',
}
STYLE = """
  .card { fill: #ffffff; stroke: #d8dee4 }
  .box { fill: #f3f6fa; stroke: #57606a; stroke-width: 1.2 }
  .end { fill: #e3eefc; stroke: #0b62c4 }
  .line { fill: none; stroke: #57606a; stroke-width: 1.4 }
  .tip { fill: #57606a }
  text { font-family: system-ui, sans-serif; font-size: 12px; fill: #424a53; text-anchor: middle }
  .name { font-size: 14px; font-weight: 600; fill: #1f2328 }
  @media (prefers-color-scheme: dark) {
    .card { fill: #14181d; stroke: #30363d }
    .box { fill: #21262d; stroke: #8b949e }
    .end { fill: #12294a; stroke: #58a6ff }
    .line { stroke: #8b949e }
    .tip { fill: #8b949e }
    text { fill: #b6bec7 }
    .name { fill: #e6edf3 }
  }
"""


def draw(following: Mapping[State, Iterable[State]] = NEXT) -> str:
    """Return the picture as SVG.

    Args:
        following: Which states follow which.

    Raises:
        KeyError: If a state has no place.
    """
    pairs = [(a, b) for a in State for b in State if b in set(following.get(a, ()))]
    sources = {b: tuple(a for a, to in pairs if to is b) for b in State}
    shared = {state for state, before in sources.items() if len(before) >= SHARED}
    own = [(a, b) for a, b in pairs if b not in shared or _row(a) == _row(b)]
    parts = [_arrow(a, b) for a, b in own]
    parts += [
        _shared(state, [each for each in sources[state] if (each, state) not in own])
        for state in State
        if state in shared
    ]
    parts += [_box(state) for state in State]
    told = '; '.join(f'{a} to {b}' for a, b in pairs)
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img">',
        f'<title>States of an upload: {escape(told)}</title>',
        f'<style>{STYLE}</style>',
        '<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="8" '
        'markerHeight="8" markerUnits="userSpaceOnUse" orient="auto">'
        '<path class="tip" d="M0 0L8 4L0 8z"/></marker></defs>',
        f'<rect class="card" x="1" y="1" width="{WIDTH - 2}" height="{HEIGHT - 2}" rx="8"/>',
        *parts,
        '</svg>',
    ]
    return '\n'.join(lines) + '\n'


def _row(state: State) -> int:
    return PLACES[state][1]


def _box(state: State) -> str:
    x, y, about = PLACES[state]
    kind = 'box end' if state in FINAL else 'box'
    left, top = x - BOX_WIDTH // 2, y - BOX_HEIGHT // 2
    return (
        f'<rect class="{kind}" x="{left}" y="{top}" width="{BOX_WIDTH}" height="{BOX_HEIGHT}" '
        f'rx="6"/><text class="name" x="{x}" y="{y - 3}">{state}</text>'
        f'<text x="{x}" y="{y + 14}">{escape(about)}</text>'
    )


def _arrow(a: State, b: State) -> str:
    """Return an arrow of its own: beside each other, over what lies between, or to another row."""
    (x0, y0, _), (x1, y1, _) = PLACES[a], PLACES[b]
    side = 1 if x1 > x0 else -1
    half = BOX_WIDTH // 2
    neighbours = not any(y == y0 and min(x0, x1) < x < max(x0, x1) for x, y, _ in PLACES.values())
    if y0 == y1 and neighbours:
        return _line(
            f'M{x0 + side * half} {y0}H{x1 - side * half}',
            (x0 + x1) / 2,
            y0 - 30,
            LABELS.get((a, b)),
        )
    if y0 == y1:
        top = y0 - BOX_HEIGHT // 2
        path = f'M{x0} {top}C{x0 + side * 40} {top - 56} {x1 - side * 40} {top - 56} {x1} {top}'
        return _line(path, (x0 + x1) / 2, top - 50, LABELS.get((a, b)))
    end = y1 + (BOX_HEIGHT // 2 if y1 < y0 else -BOX_HEIGHT // 2)
    x_end = x1 + side * 20  # beside the line that is shared
    return _line(
        f'M{x0 + side * half} {y0}H{x_end}V{end}',
        (x0 + side * half + x_end) / 2,
        y0 - 8,
        LABELS.get((a, b)),
    )


def _shared(state: State, sources: Iterable[State]) -> str:
    """Return lines from many states that meet, and go on as one arrow."""
    x1, y1, _ = PLACES[state]
    columns = [PLACES[each][0] for each in sources]
    drops = ''.join(
        f'M{x} {PLACES[s][1] + BOX_HEIGHT // 2}V{LANE}'
        for s, x in zip(sources, columns, strict=True)
    )
    across = f'M{min([*columns, x1])} {LANE}H{max([*columns, x1])}'
    path = _line(f'M{x1} {LANE}V{y1 - BOX_HEIGHT // 2}', x1, y1 + 44, CAUSES.get(state))
    return f'<path class="line" d="{drops}{across}"/>{path}'


def _line(path: str, x: float, y: float, label: str | None) -> str:
    text = f'<text x="{x:g}" y="{y:g}">{escape(label)}</text>' if label else ''
    return f'<path class="line" d="{path}" marker-end="url(#tip)"/>{text}'


def main(argv: list[str] | None = None) -> int:
    """Write the picture; return the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or '').split('\n\n')[0])
    parser.add_argument('--out', type=Path, default=OUT, help='(default: where the docs have it)')
    args = parser.parse_args(argv)
    args.out.write_text(draw(), encoding='utf-8')
    print(args.out)
    return 0


if __name__ == '__main__':
    raise SystemExit(main())
