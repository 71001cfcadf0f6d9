"""Removal jobs over folders: options, run, closing lines.

What tools/remove_background.py, `bgremoval masks` and `bgremoval remove` share.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from bgremoval_mm.removal import CATALOGUE, MaskStore, TreeSummary, remove_tree
from bgremoval_mm.removal.options import BACKENDS, ENGINES, FILE_FORMATS, OUTPUTS, PRECISIONS
from bgremoval_mm.removal.places import is_url

__all__ = [
    'add_masks_arguments',
    'add_tree_arguments',
    'check_arguments',
    'describe',
    'options_of',
    'run_tree',
]

_LISTED = 20
_SHEET = 'least_trusted.png'


def _add_model_arguments(parser: argparse.ArgumentParser) -> None:
    """Which network, and how it is run."""
    parser.add_argument('--model', default='u2net', choices=list(CATALOGUE))
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
        '--accept-licence',
        action='store_true',
        help='accept weights whose licence forbids commercial use',
    )
    parser.add_argument('--max-pixels', type=int, help='refuse larger images (default: 89 million)')
    parser.add_argument('--max-bytes', type=int, help='refuse larger files (default: 1 GiB)')


def _add_result_arguments(parser: argparse.ArgumentParser, output: str) -> None:
    """What is written of each image."""
    parser.add_argument(
        '--output',
        default=output,
        choices=OUTPUTS,
        help='store: small masks for training; mask, rgb, rgba: full-size files '
        f'(default: {output})',
    )
    parser.add_argument(
        '--fill',
        type=_fill,
        default=0,
        metavar='N|R,G,B',
        help='colour behind the foreground for --output rgb (default: 0, black)',
    )
    parser.add_argument(
        '--format',
        dest='file_format',
        default='png',
        choices=list(FILE_FORMATS),
        help='of full-size files: png (default); webp: lossless too, faster and smaller; jpeg: '
        'for --output rgb',
    )


def add_tree_arguments(parser: argparse.ArgumentParser, output: str = 'store') -> None:
    """Everything that a job over a folder takes."""
    _add_result_arguments(parser, output)
    _add_model_arguments(parser)
    parser.add_argument(
        '--batch-size', type=int, default=1, help='images in one run of the network (default: 1)'
    )
    parser.add_argument('--overwrite', action='store_true', help='do again what is done')
    parser.add_argument(
        '--checksum',
        action='store_true',
        help='find changed images by their content, not by size and time of modification',
    )
    parser.add_argument(
        '--masks',
        dest='mask_dir',
        metavar='DIR',
        help='a mask store of these images: take its masks, and compute only those it lacks',
    )
    parser.add_argument(
        '--second-model',
        choices=list(CATALOGUE),
        help='compare each mask with this model\'s, and flag those that differ as "disputed"',
    )
    parser.add_argument(
        '--shard',
        metavar='I/N',
        help='do the I-th of N parts, I from 1 to N: as many jobs on as many machines',
    )
    parser.add_argument(
        '--engine',
        default='local',
        choices=ENGINES,
        help='ray: on a Ray cluster, or on all cores of this machine',
    )
    parser.add_argument(
        '--workers',
        type=int,
        default=0,
        help='actors of --engine ray (default: one a GPU, or one every four cores)',
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
    parser.add_argument(
        '--review',
        type=Path,
        metavar='DIR',
        help='afterwards, write a page with all flagged images, to sort, filter and judge',
    )


def add_masks_arguments(parser: argparse.ArgumentParser) -> None:
    """What `bgremoval masks` and tools/remove_background.py take."""
    parser.add_argument('src', help='folder of images, or one image; or an address like s3://...')
    parser.add_argument('dst', help='folder for the results, outside SRC; or an address')
    add_tree_arguments(parser)


def check_arguments(parser: argparse.ArgumentParser, args: argparse.Namespace) -> None:
    """Refuse what does not go together, before anything is done."""
    remote = is_url(args.src) or is_url(args.dst)
    if args.sheet is not None and args.output != 'store':
        parser.error('--sheet shows a mask store: it goes with --output store only')
    if remote and (args.sheet is not None or args.review is not None):
        parser.error('--sheet and --review need SRC and DST on this machine')
    if args.sheet is True:
        args.sheet = Path(args.dst) / args.model / _SHEET


def run_tree(args: argparse.Namespace) -> int:
    """Do the job; 0 if every image has its result, 1 if not, 130 if interrupted."""
    options = options_of(args)
    try:
        if args.sheet is not None:
            _check_sheet(args)
        if args.review is not None:
            from bgremoval_mm.reports.review import check_folder

            check_folder(args.review, _image_root(args.src), args.dst)
        summary = remove_tree(**options)
    except KeyboardInterrupt:
        print('\nInterrupted. Run the same command again to go on.', file=sys.stderr)
        return 130
    except (OSError, RuntimeError, ValueError, ImportError) as err:
        print(f'error: {err}', file=sys.stderr)
        return 1
    print(describe(summary))
    try:
        if args.sheet is not None:
            _draw_sheet(args)
            print(f'Look at {args.sheet}')
        if args.review is not None:
            from bgremoval_mm.reports.review import open_results, write_review

            results = open_results(args.dst, args.model, args.output)
            print(f'Look at {write_review(args.review, results, _image_root(args.src))}')
    except (OSError, ValueError) as err:
        print(f'error: no sheet: {err}', file=sys.stderr)
        return 1
    return 1 if summary.failed else 0


def options_of(args: argparse.Namespace) -> dict[str, Any]:
    """What the command line has for `remove_tree`."""
    others = ('sheet', 'review', 'watch', 'command')
    return {
        key: value for key, value in vars(args).items() if value is not None and key not in others
    }


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


def _check_sheet(args: argparse.Namespace) -> None:
    """Find out whether the sheet can be drawn before the long run, not after it."""
    from bgremoval_mm.reports.mask_ranking import rank
    from bgremoval_mm.reports.mask_sheet import check_target

    check_target(args.sheet, MaskStore(args.dst, args.model), _image_root(args.src), rank([]))


def _draw_sheet(args: argparse.Namespace) -> None:
    """Draw the least trustworthy masks of the store, of this run and of earlier ones."""
    from bgremoval_mm.reports.mask_ranking import read_ranking
    from bgremoval_mm.reports.mask_sheet import write_mask_sheet

    ranking = read_ranking(args.dst, args.model)
    write_mask_sheet(args.sheet, ranking, MaskStore(args.dst, args.model), _image_root(args.src))


def _image_root(src: str) -> Path:
    """The folder that the results mirror."""
    path = Path(src)
    return path.parent if path.is_file() else path


def _listing(entries: list[str], what: str) -> list[str]:
    lines = [f'  {what}: {entry}' for entry in entries[:_LISTED]]
    if len(entries) > _LISTED:
        lines.append(f'  {what}: and {len(entries) - _LISTED} more, see manifest.jsonl')
    return lines


def _fill(text: str) -> int | tuple[int, ...]:
    levels = tuple(int(part) for part in text.split(','))
    return levels[0] if len(levels) == 1 else levels
