"""The picture of an upload's states shows what the pipeline does today."""

from __future__ import annotations

import runpy
import xml.etree.ElementTree as ET
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bgremoval_mm.pipeline.states import NEXT, State

SVG = '{http://www.w3.org/2000/svg}'


@pytest.fixture
def tool(repository: Path) -> dict[str, Any]:
    """What tools/state_diagram.py defines."""
    return runpy.run_path(str(repository / 'tools/state_diagram.py'))


def test_the_documentation_has_the_picture_of_today(tool: dict[str, Any]) -> None:
    """`python tools/state_diagram.py` would change nothing."""
    assert tool['OUT'].read_text(encoding='utf-8') == tool['draw']()


def test_every_state_and_change_is_drawn(tool: dict[str, Any], tmp_path: Path) -> None:
    """A box for each state; an arrow for each change, or a shared one; inside the picture."""
    draw: Callable[..., str] = tool['draw']
    root = ET.fromstring(draw())
    names = [each.text for each in root.iter(f'{SVG}text') if each.get('class') == 'name']
    assert sorted(names) == sorted(State)
    told = root.findtext(f'{SVG}title')
    for state, following in NEXT.items():
        for each in following:
            assert f'{state} to {each}' in told
    width, height = (float(each) for each in root.get('viewBox').split()[2:])
    for each in root.iter(f'{SVG}rect'):
        left, top, wide, high = (float(each.get(key)) for key in ('x', 'y', 'width', 'height'))
        assert min(left, top) >= 0
        assert left + wide <= width
        assert top + high <= height

    fewer = {state: following - {State.REVIEW} for state, following in NEXT.items()}
    assert draw(fewer) != draw(), 'a change of the table must change the picture'
    tips = [draw(each).count('url(#tip)') for each in (fewer, NEXT)]
    assert tips[0] == tips[1] - 1

    file = tmp_path / 'states.svg'
    assert tool['main'](['--out', str(file)]) == 0
    assert file.read_text(encoding='utf-8') == draw()
