#!/usr/bin/env python
"""Draw what augmentations do to photos, original and removed (Fig. 7 of the paper).

The augmentations are those of configs/classification/augmentation, always applied. Prints which of
them leave a removed background black.
"""

from __future__ import annotations

import argparse
import sys
import warnings
from pathlib import Path

import numpy as np

from bgremoval_mm.cli import console
from bgremoval_mm.cli.errors import OK, OPENMMLAB, add_debug_argument, guarded
from bgremoval_mm.removal import CATALOGUE, BackgroundRemover, read_image
from bgremoval_mm.removal.io.scan import scan_tree
from bgremoval_mm.utils.text import printable

CONFIGS = Path(__file__).resolve().parents[1] / 'configs'


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('photos', type=Path, nargs='+', help='image files, or folders of them')
    parser.add_argument('--model', default='u2net', choices=list(CATALOGUE))
    parser.add_argument(
        '--number', type=int, default=2, help='photos that are drawn, evenly chosen (default: 2)'
    )
    parser.add_argument(
        '--measured',
        type=int,
        default=12,
        help='photos that the background is measured on, evenly chosen (default: 12)',
    )
    parser.add_argument(
        '--out',
        type=Path,
        help='the sheet, .png or .jpg (default: augmentations.png)',
    )
    add_debug_argument(parser)
    args = parser.parse_args(argv)
    if args.number < 1 or args.measured < 1:
        parser.error('--number and --measured must be at least 1')
    args.named, args.out = args.out is not None, args.out or Path('augmentations.png')
    if args.out.suffix.lower() not in ('.png', '.jpg', '.jpeg'):
        parser.error(f'--out must end in .png or .jpg, but got {args.out}')
    return args


def main(argv: list[str] | None = None) -> int:
    """Run; 0 if the sheet was drawn, 1 if not."""
    args = parse_args(argv)
    warnings.filterwarnings('ignore', message='pkg_resources is deprecated')
    console.prepare(own_process=argv is None)
    return guarded(lambda: draw(args), args.debug, OPENMMLAB)


def draw(args: argparse.Namespace) -> int:
    """Draw the sheet, and print what the augmentations leave of the background."""
    from bgremoval_mm.experiments.papers.liang2023.experiments import shown_augmentations
    from bgremoval_mm.removal.io.targets import check_sheet
    from bgremoval_mm.visualization.augmentation_sheet import (
        background_levels,
        draw_augmentations,
        read_augmentations,
    )
    from bgremoval_mm.visualization.canvas import save_jpeg, save_png

    files = find_photos(args.photos)
    alone = [path for path in args.photos if not path.is_dir()]
    trees = [path for path in args.photos if path.is_dir()]
    check_sheet(args.out, alone, trees, named=args.named)
    chosen = evenly(files, max(args.number, args.measured))
    remover = BackgroundRemover(args.model)
    loaded = {}
    for file in chosen:
        photo = read_image(file).rgb
        loaded[file] = (photo, remover([photo])[0])
    augmentations = read_augmentations(shown_augmentations(CONFIGS))
    shown = evenly(chosen, args.number)
    sheet = draw_augmentations(
        [loaded[file] for file in shown], [file.name for file in shown], augmentations
    )
    save = save_png if args.out.suffix.lower() == '.png' else save_jpeg
    save(sheet, args.out)
    measured = evenly(chosen, args.measured)
    levels = background_levels([loaded[file] for file in measured], augmentations)
    print(f'mean level of the removed background (0 is black), {len(measured)} photos:')
    for title, level in levels.items():
        print(f'  {title:<18} {level:6.2f}')
    print(f'Look at {printable(args.out)}')
    return OK


def find_photos(paths: list[Path]) -> list[Path]:
    """Return the files themselves, and the images below folders.

    Raises:
        FileNotFoundError: If a path does not exist, or there is no image.
    """
    files = []
    for path in paths:
        if not path.exists():
            msg = f'there is no {path}'
            raise FileNotFoundError(msg)
        is_folder = path.is_dir()
        files += [path / name for name in scan_tree(path).images] if is_folder else [path]
    if not files:
        msg = f'there is no image in {", ".join(map(str, paths))}'
        raise FileNotFoundError(msg)
    return files


def evenly(files: list[Path], number: int) -> list[Path]:
    """Return so many of them, at equal distances."""
    indices = np.linspace(0, len(files) - 1, min(number, len(files))).round()
    return [files[int(index)] for index in indices]


if __name__ == '__main__':
    sys.exit(main())
