#!/usr/bin/env python
"""Draw what augmentations do to photos, original and removed (Fig. 7 of the paper).

The augmentations are those of configs/classification/augmentation, always applied. Prints which of
them leave a removed background black.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from bgremoval_mm.cli.argument_types import model_name
from bgremoval_mm.cli.errors import OK
from bgremoval_mm.cli.script import (
    add_number_argument,
    add_sheet_argument,
    read_pixels,
    run_script,
    script_parser,
)
from bgremoval_mm.removal import BackgroundRemover
from bgremoval_mm.removal.io.scan import scan_tree
from bgremoval_mm.utils.sampling import evenly_spaced
from bgremoval_mm.utils.text import printable

CONFIGS = Path(__file__).resolve().parents[1] / 'configs'


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = script_parser(__doc__)
    parser.add_argument('photos', type=Path, nargs='+', help='image files, or folders of them')
    parser.add_argument('--model', default='u2net', type=model_name)
    add_number_argument(parser, '--number', 2, 'photos that are drawn, evenly spaced')
    add_number_argument(
        parser, '--measured', 12, 'photos that the background is measured on, evenly spaced'
    )
    add_sheet_argument(parser, 'augmentations.png')
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> int:
    """Run; 0 if the sheet was drawn, 1 if not."""
    return run_script(draw, parse_args(argv), argv)


def draw(args: argparse.Namespace) -> int:
    """Draw the sheet, and print what the augmentations leave of the background."""
    from bgremoval_mm.experiments.papers.liang2023.experiments import shown_augmentations
    from bgremoval_mm.removal.io.targets import check_sheet
    from bgremoval_mm.visualization.augmentation_sheet import (
        background_levels,
        draw_augmentations,
        read_augmentations,
    )
    from bgremoval_mm.visualization.canvas import save_sheet

    files = find_photos(args.photos)
    alone = [path for path in args.photos if not path.is_dir()]
    trees = [path for path in args.photos if path.is_dir()]
    check_sheet(args.out, alone, trees, named=args.named)
    chosen = evenly_spaced(files, max(args.number, args.measured))
    remover = BackgroundRemover(args.model)
    loaded = {}
    for file in chosen:
        photo = read_pixels(file)
        loaded[file] = (photo, remover([photo])[0])
    augmentations = read_augmentations(shown_augmentations(CONFIGS))
    shown = evenly_spaced(chosen, args.number)
    sheet = draw_augmentations(
        [loaded[file] for file in shown], [file.name for file in shown], augmentations
    )
    save_sheet(sheet, args.out)
    measured = evenly_spaced(chosen, args.measured)
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


if __name__ == '__main__':
    sys.exit(main())
