#!/usr/bin/env python
"""Remove the background of every image below a folder.

By default the masks go to a MaskStore, from which `RemoveBackground(mask_dir=DST)` takes
them in training. A run that was stopped goes on when it is started again.
"""

from __future__ import annotations

import argparse
import logging
import sys
from pathlib import Path

from bgremoval_mm.removal import CATALOGUE, MaskStore, TreeSummary, remove_tree
from bgremoval_mm.removal.backends import BACKENDS, PRECISIONS

_LISTED = 20
_SHEET = 'least_trusted.png'


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('src', type=Path, help='folder of images, or one image')
    parser.add_argument('dst', type=Path, help='folder for the results, outside SRC')
    parser.add_argument(
        '--output',
        default='store',
        choices=['store', 'mask', 'rgb', 'rgba'],
        help='store: small masks for training (default); mask, rgb, rgba: full-size PNG files',
    )
    parser.add_argument('--model', default='u2net', choices=list(CATALOGUE))
    parser.add_argument(
        '--fill',
        type=_fill,
        default=0,
        metavar='N|R,G,B',
        help='colour behind the foreground for --output rgb (default: 0, black)',
    )
    parser.add_argument('--backend', default='auto', choices=BACKENDS)
    parser.add_argument(
        '--precision',
        default='fp32',
        choices=PRECISIONS,
        help="fp32 (default, rembg's masks); bf16, fp16 or int8 are faster where the hardware has "
        'them; auto: bf16 where the CPU computes in it',
    )
    parser.add_argument(
        '--calibration', metavar='DIR', help='photos that --precision int8 is calibrated with'
    )
    parser.add_argument('--device', default='auto', help='auto (default), cpu, cuda or cuda:N')
    parser.add_argument(
        '--batch-size', type=int, default=1, help='images in one run of the network (default: 1)'
    )
    parser.add_argument('--overwrite', action='store_true', help='do again what is done')
    parser.add_argument(
        '--checksum',
        action='store_true',
        help='find changed images by their content, not by size and time of modification',
    )
    parser.add_argument('--max-pixels', type=int, help='refuse larger images (default: 89 million)')
    parser.add_argument('--max-bytes', type=int, help='refuse larger files (default: 1 GiB)')
    parser.add_argument(
        '--accept-licence',
        action='store_true',
        help='accept weights whose licence forbids commercial use',
    )
    parser.add_argument(
        '--sheet',
        nargs='?',
        type=Path,
        const=True,
        metavar='FILE.png',
        help='afterwards, draw the 50 least trustworthy masks of the store (default: '
        f'DST/<model>/{_SHEET}); tools/mask_sheet.py does the same',
    )
    args = parser.parse_args(argv)
    if args.sheet is not None and args.output != 'store':
        parser.error('--sheet shows a mask store: it goes with --output store only')
    if args.sheet is True:
        args.sheet = args.dst / args.model / _SHEET
    return args


def main(argv: list[str] | None = None) -> int:
    """Run; 0 if every image has its result, 1 if not, 130 if interrupted."""
    args = parse_args(argv)
    logging.basicConfig(level=logging.INFO, format='%(message)s')
    options = {key: value for key, value in vars(args).items() if value is not None}
    sheet = options.pop('sheet', None)
    try:
        if sheet is not None:
            check_sheet(args)
        summary = remove_tree(**options)
    except KeyboardInterrupt:
        print('\nInterrupted. Run the same command again to go on.', file=sys.stderr)
        return 130
    except (OSError, RuntimeError, ValueError, ImportError) as err:
        print(f'error: {err}', file=sys.stderr)
        return 1
    print(describe(summary))
    if sheet is not None:
        try:
            draw_sheet(args)
        except (OSError, ValueError) as err:
            print(f'error: no sheet: {err}', file=sys.stderr)
            return 1
        print(f'Look at {sheet}')
    return 1 if summary.failed else 0


def check_sheet(args: argparse.Namespace) -> None:
    """Find out whether the sheet can be drawn before the long run, not after it."""
    from bgremoval_mm.reports.mask_ranking import rank
    from bgremoval_mm.reports.mask_sheet import check_target

    check_target(args.sheet, MaskStore(args.dst, args.model), _image_root(args.src), rank([]))


def draw_sheet(args: argparse.Namespace) -> None:
    """Draw the least trustworthy masks of the store, of this run and of earlier ones."""
    from bgremoval_mm.reports.mask_ranking import read_ranking
    from bgremoval_mm.reports.mask_sheet import write_mask_sheet

    ranking = read_ranking(args.dst, args.model)
    write_mask_sheet(args.sheet, ranking, MaskStore(args.dst, args.model), _image_root(args.src))


def _image_root(src: Path) -> Path:
    """The folder that the store mirrors."""
    return src.parent if src.is_file() else src


def describe(summary: TreeSummary) -> str:
    """The closing lines of a run."""
    rate = summary.done / summary.seconds if summary.seconds else 0.0
    lines = [
        f'{summary.done} done ({rate:.2f} images/s), {summary.skipped} done before, '
        f'{len(summary.failed)} failed; results and manifest.jsonl in {summary.folder}'
    ]
    if summary.ignored:
        lines.append(f'{len(summary.ignored)} files are no images and were passed over')
    flagged = [f'{path}: mask is {", ".join(flags)}' for path, flags in summary.flagged.items()]
    lines += _listing(flagged, 'suspicious')
    lines += _listing([f'{path}: {reason}' for path, reason in summary.failed.items()], 'failed')
    return '\n'.join(lines)


def _listing(entries: list[str], what: str) -> list[str]:
    lines = [f'  {what}: {entry}' for entry in entries[:_LISTED]]
    if len(entries) > _LISTED:
        lines.append(f'  {what}: and {len(entries) - _LISTED} more, see manifest.jsonl')
    return lines


def _fill(text: str) -> int | tuple[int, ...]:
    levels = tuple(int(part) for part in text.split(','))
    return levels[0] if len(levels) == 1 else levels


if __name__ == '__main__':
    sys.exit(main())
