"""One image: from a file or standard input, to a file or standard output."""

from __future__ import annotations

import argparse
import logging
import sys
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from bgremoval_mm.cli.arguments import options_of
from bgremoval_mm.cli.errors import OK, writing_to
from bgremoval_mm.cli.rules import find_source
from bgremoval_mm.removal.errors import BgremovalError
from bgremoval_mm.removal.options import EngineOptions
from bgremoval_mm.utils.text import printable

if TYPE_CHECKING:
    from bgremoval_mm.removal.images.reading import SourceImage

__all__ = ['run_one']


def run_one(args: argparse.Namespace) -> int:
    """Do one image; the options are known to go together.

    Raises:
        BgremovalError, OSError: If it cannot be read, done or written; the message says why.
    """
    if args.src != '-':
        find_source(args.src)
    # What was chosen among the backends is of interest for catalogues, and noise in pipes.
    logging.getLogger('bgremoval_mm').setLevel(logging.WARNING)
    from bgremoval_mm.removal.outputs.cutouts import CutoutFolder
    from bgremoval_mm.removal.remover import BackgroundRemover
    from bgremoval_mm.utils.atomic import write_atomically

    engine, output, job = options_of(args)
    assert output.output != 'store'  # see `rules.check_one`
    target = CutoutFolder.from_options('.', output, engine.model, engine.precision)
    remover = BackgroundRemover.from_options(choose_backend(engine))
    source = _read(args.src, job.max_pixels, job.max_bytes)
    mask, _ = remover.low_resolution([source.rgb])[0]
    content, said = target.render(source, mask)
    with writing_to('standard output' if args.dst == '-' else args.dst):
        if args.dst == '-':
            sys.stdout.buffer.write(content)
            sys.stdout.buffer.flush()
        else:
            Path(args.dst).parent.mkdir(parents=True, exist_ok=True)
            write_atomically(Path(args.dst), content)
    for note in filter(None, (source.note, said)):
        print(f'note: {printable(note)}', file=sys.stderr)
    return OK


def choose_backend(options: EngineOptions) -> EngineOptions:
    """Return the options with what ``backend='auto'`` is for a single image.

    OpenVINO, the fastest on CPUs, compiles the network first, for as long as ONNX Runtime takes for
    several images; and ONNX Runtime's masks are rembg's.
    """
    is_open = (options.backend, options.precision) == ('auto', 'fp32')
    if is_open and options.device in ('auto', 'cpu') and find_spec('onnxruntime'):
        return replace(options, backend='onnxruntime')
    return options


def _read(src: str, max_pixels: int, max_bytes: int) -> SourceImage:
    """Read the image, from standard input if `src` is ``-``.

    Raises:
        BgremovalError: If it cannot be read; the message begins with its name.
    """
    from bgremoval_mm.removal.images.reading import decode_image, read_image
    from bgremoval_mm.removal.images.regular_files import read_within

    try:
        if src != '-':
            return read_image(Path(src), max_pixels, max_bytes)
        content = read_within(sys.stdin.buffer, max_bytes)
        return decode_image(content, max_pixels=max_pixels)
    except (BgremovalError, OSError) as err:
        name = 'standard input' if src == '-' else src
        reason = err.strerror if isinstance(err, OSError) and err.strerror else err
        msg = f'{name}: {reason}'
        raise BgremovalError(msg) from err
