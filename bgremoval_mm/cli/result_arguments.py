"""The options on what is written of each image, and which of them go together."""

from __future__ import annotations

import argparse
from collections.abc import Callable

from bgremoval_mm.cli.argument_types import share
from bgremoval_mm.removal.errors import ArgumentError
from bgremoval_mm.removal.options import EDGES, FILE_FORMATS, OUTPUTS, Framing, check_fill

__all__ = ['FRAMING', 'add_result_arguments', 'check_finish', 'clean_by_default', 'framing_of']

# The options that are one field, `framing`, of OutputOptions.
FRAMING = ('crop', 'aspect', 'canvas', 'align')
_OF_COLOURS = ('edges', 'shadow', 'convert_srgb')
_OF_FILES = ('matting', 'threshold', *FRAMING)


def add_result_arguments(parser: argparse.ArgumentParser, output: str) -> None:
    """Add what is written of each image."""
    parser.add_argument(
        '--output',
        default=output,
        choices=OUTPUTS,
        help='store: small masks for training; mask, rgb, rgba: full-size files '
        f'(default: {output})',
    )
    parser.add_argument(
        '--fill',
        type=fill_levels,
        metavar='N|R,G,B',
        help='colour behind the foreground for --output rgb (default: 0, black)',
    )
    parser.add_argument(
        '--format',
        dest='file_format',
        choices=list(FILE_FORMATS),
        help='of full-size results: png (default); webp: lossless too, faster and smaller; jpeg: '
        'for --output rgb',
    )
    _add_edge_arguments(parser)
    _add_framing_arguments(parser)


def _add_edge_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        '--edges',
        choices=EDGES,
        help="colours of soft edges: straight: the photo's; clean: the foreground's, without the "
        'old background in them (default of remove; masks: clean for --output rgba)',
    )
    parser.add_argument(
        '--matting',
        action='store_true',
        default=None,
        help="compute the mask's edge from the photo's colours, for hair and fur: seconds a photo",
    )
    parser.add_argument(
        '--threshold',
        type=share,
        metavar='SHARE',
        help='hard edges: foreground is what exceeds this share, such as 0.5',
    )
    parser.add_argument(
        '--shadow',
        action='store_true',
        default=None,
        help='add a soft shadow on the ground below the object',
    )
    parser.add_argument(
        '--convert-srgb',
        action='store_true',
        default=None,
        help="convert colours to sRGB (default: pass the photo's colour profile on)",
    )


def _add_framing_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        '--crop',
        type=_framing('crop'),
        metavar='MARGIN',
        help="crop to the object, with a margin such as 5%% (of the object's longer side) or 20px",
    )
    parser.add_argument(
        '--aspect',
        type=_framing('aspect'),
        metavar='W:H',
        help='extend the result around its centre to this ratio, such as 4:5',
    )
    parser.add_argument(
        '--canvas',
        type=_framing('canvas'),
        metavar='WxH',
        help='scale the result to fit in so many pixels, and centre it',
    )
    parser.add_argument(
        '--align',
        type=_framing('align', canvas='1x1'),
        metavar='SIDE=SHARE',
        help="for catalogues: the object's height (or width) takes this share of --canvas, such as "
        'height=80%%, and all objects stand on one line',
    )


def framing_of(args: argparse.Namespace) -> Framing | None:
    """Return how the object is framed, None where none of these options was given.

    Raises:
        ArgumentError: If they do not go together.
    """
    given = {name: getattr(args, name, None) for name in FRAMING}
    given = {name: value for name, value in given.items() if value is not None}
    return Framing(**given) if given else None


def clean_by_default(args: argparse.Namespace) -> None:
    """Set the default of `bgremoval remove`, whose results are looked at, not trained on."""
    if args.edges is None and args.output == 'rgb' and args.threshold is None:
        args.edges = 'clean'


def check_finish(parser: argparse.ArgumentParser, args: argparse.Namespace) -> None:
    """Refuse what a result cannot have, and what would have no effect."""
    where = {'store': 'mask, rgb or rgba', 'mask': 'rgb or rgba'}.get(args.output)
    for name in (*_OF_COLOURS, *(_OF_FILES if args.output == 'store' else ())):
        if where is not None and getattr(args, name) is not None:
            what = 'rgb or rgba' if name in _OF_COLOURS else where
            parser.error(
                f'--{name.replace("_", "-")} goes with --output {what} only, but --output is '
                f'{args.output}'
            )
    if args.threshold is not None and args.matting:
        parser.error('--threshold makes edges hard, --matting soft: choose one')
    if args.threshold is not None and args.edges == 'clean':
        parser.error('--threshold makes edges hard, --edges clean is for soft ones: choose one')
    if args.align is not None and args.canvas is None:
        parser.error('--align needs --canvas, the picture that the objects are aligned in')
    if args.align is not None and args.crop is not None:
        parser.error('--align places the object itself: not with --crop')
    if args.aspect is not None and args.canvas is not None:
        parser.error('--canvas has an aspect of its own: not with --aspect')
    if args.review is not None and any(getattr(args, name) is not None for name in FRAMING):
        parser.error(
            '--review shows results over their photos: not with --crop, --aspect, --canvas or '
            '--align'
        )


def _framing(name: str, **needed: str) -> Callable[[str], str]:
    """Return a type of one of the options of a Framing."""

    def checked(text: str) -> str:
        try:
            Framing(**{name: text, **needed})
        except ArgumentError as err:
            raise argparse.ArgumentTypeError(str(err).partition('` ')[2]) from None
        return text

    return checked


def fill_levels(text: str) -> int | tuple[int, ...]:
    """Return the colour of ``--fill``: one level, or three."""
    try:
        levels = tuple(map(int, text.split(',')))
        fill = levels[0] if len(levels) == 1 else levels
        check_fill(fill)
    except ValueError:  # an ArgumentError is one
        msg = f'must be one level or three, R,G,B, each from 0 to 255, but got {text!r}'
        raise argparse.ArgumentTypeError(msg) from None
    return fill
