"""The picture sheet: original, mask and removed picture of rightly and wrongly classified examples.

Four blocks stand for the four outcomes of two arms on one picture, so that the sheet is the table
of their paired comparison, too.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from bgremoval_mm.visualization.canvas import FAINT, INK, RIGHT, WRONG, new_figure, render

if TYPE_CHECKING:
    from matplotlib.figure import SubFigure

_OUTCOMES = {
    (True, True): 'Right in both arms',
    (False, True): 'Right only with the background removed',
    (True, False): 'Right only with the original',
    (False, False): 'Wrong in both arms',
}


@dataclass(frozen=True)
class Answer:
    """What both arms said of one test picture.

    Attributes:
        file: Picture, relative to the image folder.
        label: Its true class.
        original: Class that the arm on originals predicted.
        removed: Class that the arm on removed backgrounds predicted.
        iou: IoU of the picture's mask with its true mask, fraction.
    """

    file: str
    label: str
    original: str
    removed: str
    iou: float

    @property
    def outcome(self) -> tuple[bool, bool]:
        """Whether the arm on originals, and the arm on removed backgrounds, is right."""
        return self.original == self.label, self.removed == self.label


@dataclass(frozen=True)
class Panel:
    """The three pictures of one row, uint8: original and removed H x W x 3 RGB, mask H x W."""

    original: np.ndarray
    mask: np.ndarray
    removed: np.ndarray


def select(
    answers: Sequence[Answer], rows: int, seed: int
) -> dict[tuple[bool, bool], list[Answer]]:
    """Draw up to ``rows`` answers of every outcome by lot, classes unequal where possible.

    Args:
        answers: All test pictures.
        rows: Rows of a block.
        seed: The same seed draws the same answers.

    Returns:
        For every outcome (original right, removed right) its drawn answers.
    """
    rng = np.random.default_rng(seed)
    chosen: dict[tuple[bool, bool], list[Answer]] = {}
    for outcome in _OUTCOMES:
        pool = [answer for answer in answers if answer.outcome == outcome]
        pool = [pool[i] for i in rng.permutation(len(pool))]
        seen: dict[str, int] = {}
        rank = []
        for answer in pool:
            rank.append(seen.get(answer.label, 0))
            seen[answer.label] = rank[-1] + 1
        # The first of every class comes before the second of any; the sort is stable.
        order = sorted(range(len(pool)), key=rank.__getitem__)
        chosen[outcome] = [pool[i] for i in order[:rows]]
    return chosen


def draw_sheet(
    answers: Sequence[Answer],
    load: Callable[[Answer], Panel],
    heading: tuple[str, str],
    credit: str = '',
    rows: int = 3,
    seed: int = 0,
) -> Image.Image:
    """Draw the sheet.

    Args:
        answers: All test pictures; a few of each outcome are shown, all are counted.
        load: Gives the pictures of one answer.
        heading: Title and the line below it.
        credit: Line at the foot.
        rows: Rows of a block.
        seed: Decides which pictures are shown.

    Returns:
        RGB picture, 1800 pixels wide.
    """
    heights = [0.95, *2 * [_block_height(rows)], 0.35]
    figure = new_figure(12, sum(heights))
    bands = figure.add_gridspec(4, 2, height_ratios=heights, wspace=0, hspace=0)
    title = figure.add_subfigure(bands[0, :])
    title.text(0.5, 0.58, heading[0], ha='center', size=17, weight='bold', color=INK)
    title.text(0.5, 0.2, heading[1], ha='center', size=11, color=FAINT)
    for i, (outcome, shown) in enumerate(select(answers, rows, seed).items()):
        count = sum(answer.outcome == outcome for answer in answers)
        block = figure.add_subfigure(bands[1 + i // 2, i % 2])
        block.set_facecolor('#f6f8fa' if i in (0, 3) else 'white')
        _draw_block(block, f'{_OUTCOMES[outcome]}: {count} of {len(answers)}', shown, load, rows)
    foot = figure.add_subfigure(bands[3, :])
    foot.text(0.5, 0.35, credit, ha='center', size=9, color=FAINT)
    return render(figure)


def _block_height(rows: int) -> float:
    """Height of one outcome's block, inches."""
    return 0.9 + 1.75 * rows


def _draw_block(
    block: SubFigure,
    title: str,
    shown: Sequence[Answer],
    load: Callable[[Answer], Panel],
    rows: int,
) -> None:
    """Draw one outcome's title, column heads and rows."""
    height = _block_height(rows)
    block.text(0.5, 1 - 0.3 / height, title, ha='center', size=12.5, weight='bold', color=INK)
    if not shown:
        block.text(0.5, 0.5, 'no such picture', ha='center', size=11, color=FAINT)
        return
    axes = block.subplots(
        rows,
        3,
        squeeze=False,
        gridspec_kw={
            'left': 0.08,
            'right': 0.98,
            'top': 1 - 0.6 / height,
            'bottom': 0.32 / height,
            'wspace': 0.05,
            'hspace': 0.2,
        },
    )
    for axis, name in zip(axes[0], ('original', 'mask', 'removed'), strict=True):
        axis.set_title(name, size=10, color=FAINT, pad=5)
    for row, answer in zip(axes, shown, strict=False):
        panel = load(answer)
        row[0].set_ylabel(answer.label, size=11, weight='bold', color=INK, labelpad=6)
        _draw_image(row[0], panel.original, *_verdict(answer.original, answer.label))
        _draw_image(row[1], panel.mask, f'IoU {answer.iou:.3f}', FAINT)
        _draw_image(row[2], panel.removed, *_verdict(answer.removed, answer.label))
    for axis in axes[len(shown) :].flat:
        axis.set_axis_off()


def _verdict(predicted: str, label: str) -> tuple[str, str]:
    """Caption and colour of a prediction."""
    if predicted == label:
        return f'✓ {predicted}', RIGHT
    return f'✗ says {predicted}', WRONG


def _draw_image(axis: Any, image: np.ndarray, caption: str, colour: str) -> None:
    """Draw one picture in a coloured frame with its caption below."""
    axis.imshow(image, cmap='gray', vmin=0, vmax=255, interpolation='antialiased')
    axis.set(xticks=[], yticks=[])
    axis.set_xlabel(caption, size=10, color=colour, labelpad=3)
    for spine in axis.spines.values():
        spine.set(edgecolor=colour, linewidth=1 if colour == FAINT else 2.5)
