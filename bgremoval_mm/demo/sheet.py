"""The picture sheet: test pictures, their masks and removed backgrounds, by who was right."""

from __future__ import annotations

import textwrap
from collections import Counter
from collections.abc import Callable, Sequence

import numpy as np
from PIL import Image, ImageOps

from bgremoval_mm.demo.results import Answer
from bgremoval_mm.visualization.canvas import FAINT, INK, RIGHT, WRONG, new_figure, render
from bgremoval_mm.visualization.contact_sheet import Tile, draw_tiles

_OUTCOMES = {
    (True, True): 'Right in both',
    (False, True): 'Right only with the background removed',
    (True, False): 'Right only with the original',
    (False, False): 'Wrong in both',
}
_NAMES = ('original', 'mask', 'background removed')
_COLUMNS = 2
_CHARACTER, _LINE = 0.7 / 72, 1.6 / 72  # width of a bold one and height of a line, inches a point
_FRAME = 8  # pixels
_NONE = Tile([np.full((1, 1), 246, np.uint8)] * 3, ['no other picture'])

#: Loads the three pictures of an answer, uint8: original and removed (H, W, 3) RGB, mask (H, W).
Load = Callable[[Answer], tuple[np.ndarray, np.ndarray, np.ndarray]]


def sample(
    answers: Sequence[Answer], number: int, seed: int
) -> dict[tuple[bool, bool], list[Answer]]:
    """Sample up to ``number`` answers per outcome, preferring different classes.

    Args:
        answers: All test pictures.
        number: How many to show of each outcome.
        seed: The same seed samples the same answers.

    Returns:
        The sampled answers by outcome (original right, removed right).
    """
    rng = np.random.default_rng(seed)
    sampled = {}
    for outcome in _OUTCOMES:
        pool = [answer for answer in answers if answer.outcome == outcome]
        seen: Counter[str] = Counter()
        ranked = []
        for i in rng.permutation(len(pool)):
            seen[pool[i].label] += 1
            ranked.append((seen[pool[i].label], pool[i]))
        # The first of every class comes before the second of any; the sort is stable.
        ranked.sort(key=lambda item: item[0])
        sampled[outcome] = [answer for _, answer in ranked[:number]]
    return sampled


def draw_sheet(
    answers: Sequence[Answer],
    load: Load,
    heading: tuple[str, str],
    credit: str = '',
    number: int = 4,
    seed: int = 0,
) -> Image.Image:
    """Draw the sheet: a block for each of the four outcomes of two networks on one picture.

    Args:
        answers: All test pictures; a few of each outcome are shown, all are counted.
        load: Loads the pictures of one answer.
        heading: Title and the line below it.
        credit: Line at the foot.
        number: Pictures per block.
        seed: Decides which pictures are shown.

    Returns:
        RGB picture.
    """
    blocks = []
    for outcome, shown in sample(answers, number, seed).items():
        count = sum(answer.outcome == outcome for answer in answers)
        title = (_OUTCOMES[outcome], f'{count} of {len(answers)} test pictures')
        tiles = [_tile(answer, load) for answer in shown]
        tiles += [_NONE] * (_COLUMNS - len(tiles))
        blocks.append(draw_tiles(tiles, _NAMES, title, _COLUMNS, side=1.8))
    width = blocks[0].width
    top = _strip(width, (heading[0], 17, INK), (heading[1], 11, FAINT))
    foot = _strip(width, (credit, 9, FAINT))
    return Image.fromarray(np.vstack([*map(np.asarray, (top, *blocks, foot))]))


def _tile(answer: Answer, load: Load) -> Tile:
    """Frame the pictures of an answer by whether the network was right, and say what it saw."""
    original, mask, removed = load(answer)
    colours = [RIGHT if right else WRONG for right in answer.outcome]
    words = [
        f'{"✓" if right else "✗"} {predicted}'
        for right, predicted in zip(
            answer.outcome, (answer.original[0], answer.removed[0]), strict=True
        )
    ]
    seen = f'original: {words[0]}    mask: IoU {answer.iou:.3f}    background removed: {words[1]}'
    pictures = [_frame(original, colours[0]), mask, _frame(removed, colours[1])]
    return Tile(pictures, (answer.label, seen))


def _frame(pixels: np.ndarray, colour: str) -> np.ndarray:
    inner = Image.fromarray(pixels[_FRAME:-_FRAME, _FRAME:-_FRAME])
    return np.asarray(ImageOps.expand(inner, _FRAME, colour))


def _strip(width: int, *texts: tuple[str, float, str]) -> Image.Image:
    """Draw centred texts below each other, broken to the width: text, size and colour."""
    inches = (width + 0.5) / 150  # exactly so many pixels
    rows = [
        (row, size, colour)
        for text, size, colour in texts
        for row in textwrap.wrap(text, int(inches / (size * _CHARACTER)))
    ]
    height = 0.2 + sum(size for _, size, _ in rows) * _LINE
    figure, y = new_figure(inches, height), height - 0.05
    for row, size, colour in rows:
        y -= size * _LINE
        weight = 'bold' if colour == INK else 'normal'
        figure.text(0.5, y / height, row, ha='center', size=size, weight=weight, color=colour)
    return render(figure)
