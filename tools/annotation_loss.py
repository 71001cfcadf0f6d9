#!/usr/bin/env python
"""Measure what background removal erases of what is annotated.

For each category: the share of annotated pixels that the masks erase, and the instances of which
next to nothing is left. Where all of the foreground is annotated (CCP), also how well the masks
agree with it. Needs masks: tools/remove_background.py.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from bgremoval_mm.analysis import annotation_loss as loss
from bgremoval_mm.cli.argument_types import model_name
from bgremoval_mm.cli.errors import FAILED, OK
from bgremoval_mm.cli.script import add_number_argument, run_script, script_parser
from bgremoval_mm.removal import BackgroundRemover
from bgremoval_mm.removal.errors import ArgumentError
from bgremoval_mm.removal.io.targets import check_report, check_sheet, photo_folders
from bgremoval_mm.removal.options import PRECISIONS
from bgremoval_mm.utils.json_io import write_json
from bgremoval_mm.utils.parallel import add_workers_argument, for_each
from bgremoval_mm.utils.text import printable


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = script_parser(__doc__)
    parser.add_argument('source', help='ccp, fashionpedia, or a config of mmdet or mmseg')
    parser.add_argument('--data-root', help='folder of ccp or fashionpedia (default: data/<name>)')
    parser.add_argument(
        '--mask-dir',
        help="DST of tools/remove_background.py (default: the config's, or data/masks)",
    )
    parser.add_argument('--model', type=model_name, help='model of the masks')
    parser.add_argument(
        '--precision', choices=PRECISIONS, help="of the masks (default: the config's, else fp32)"
    )
    parser.add_argument('--subset', choices=('train', 'val'), help='one subset (default: both)')
    add_number_argument(parser, '--number', 50, 'images on the sheet', least=0)
    parser.add_argument(
        '--out', type=Path, help='folder of the results (default: work_dirs/annotation_loss/<name>)'
    )
    add_workers_argument(parser)
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> int:
    """Run; 0 if every image was measured, 1 if not."""
    return run_script(measure, parse_args(argv), argv)


def measure(args: argparse.Namespace) -> int:
    """Measure, print and draw."""
    name = Path(args.source).stem
    out = args.out or Path('work_dirs/annotation_loss') / name
    subsets = (args.subset,) if args.subset else ('train', 'val')
    from bgremoval_mm.analysis import annotated_datasets as datasets

    if args.source in datasets.KNOWN:
        model = args.model or 'u2net'
        precision = BackgroundRemover(model, precision=args.precision or 'fp32').precision
        data = datasets.of_name(
            args.source, args.data_root, args.mask_dir, model, subsets, precision
        )
    elif Path(args.source).is_file():
        data = datasets.of_config(args.source, args.mask_dir, args.model, subsets, args.precision)
    else:
        msg = f'{args.source} is no config, and none of {", ".join(datasets.KNOWN)}'
        raise ArgumentError(msg)
    figures, picture = out / 'annotation_loss.json', out / 'worst.png'
    check_report(figures, picture, ('definitions', 'summary', 'categories'))
    check_sheet(picture, folders=photo_folders(each.path for each in data.images.values()))
    results, failures = for_each(loss.measure, list(data.images.items()), 'measuring', args.workers)
    categories = loss.by_category(results.values(), data.classes)
    total = loss.summary(results, data.all_foreground)
    if results:
        _print(categories, total)
        ranked = sorted(results, key=lambda key: -results[key].share)
        store = next(iter(data.images.values())).store
        write_json(
            figures,
            {
                'source': args.source,
                'masks': str(store.folder),
                'definitions': {
                    'erased_at': loss.THRESHOLD,
                    'wiped_out_above': loss.WIPED_OUT,
                    'iou': 'mask above the threshold, union of all annotated pixels',
                },
                'summary': total,
                'categories': [each.as_dict() for each in categories],
                'images': {
                    key: {'erased_hard': results[key].share, 'iou': results[key].iou}
                    if data.all_foreground
                    else {'erased_hard': results[key].share}
                    for key in ranked
                },
                'failed': failures,
            },
        )
        print(f'\nAll figures  {printable(figures)}')
        if args.number:
            from bgremoval_mm.analysis.annotation_loss_sheet import draw_loss_sheet
            from bgremoval_mm.visualization.canvas import save_png

            worst = [(data.images[key], results[key]) for key in ranked[: args.number]]
            title = f'{name}, masks of {store.spec.name}'
            save_png(draw_loss_sheet(worst, data.classes, title), picture)
            print(f'Look at      {printable(picture)}')
    if failures:
        print(f'\n{len(failures):,} of {len(data.images):,} images could not be measured:')
        for key, error in list(failures.items())[:5]:
            print(f'  {printable(key)}: {printable(error)}')
        root = printable(data.root)
        print(f'Masks are made by: python tools/remove_background.py {root} MASK_DIR')
    return FAILED if failures else OK


def _print(categories: list[loss.CategoryLoss], total: dict[str, Any]) -> None:
    """Print the table and the line below it."""
    from rich.console import Console
    from rich.table import Table

    table = Table(title='Annotated pixels that the masks erase')
    table.add_column('category')
    for head in ('instances', 'erased, soft', f'erased at {loss.THRESHOLD}', 'wiped out'):
        table.add_column(head, justify='right')
    for each in categories:
        few = ' (few)' if each.instances < 10 else ''
        table.add_row(
            f'{each.name}{few}',
            f'{each.instances:,}',
            f'{each.soft:.1%}',
            f'{each.hard:.1%}',
            f'{each.wiped_out:,} ({each.wiped_out / each.instances:.1%})',
        )
    # Names of categories may hold brackets and colons.
    Console(markup=False, emoji=False).print(table)
    print(
        f'{total["images"]:,} images, {total["instances"]:,} instances: '
        f'{total["erased_hard"] or 0:.2%} of the annotated pixels erased, '
        f'{total["wiped_out"]:,} instances wiped out (more than '
        f'{loss.WIPED_OUT:.0%} of their pixels)'
    )
    if total['iou'] is None:
        print(
            'No IoU: not all of the foreground is annotated, so the annotations are not its mask.'
        )
    else:
        iou = total['iou']
        print(
            f'IoU of mask and annotated foreground: mean {iou["mean"]:.4f}, median '
            f'{iou["median"]:.4f}, below 0.8 in {iou["below_0.8"]} images'
        )


if __name__ == '__main__':
    sys.exit(main())
