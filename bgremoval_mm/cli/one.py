"""One image: from a file or standard input, to a file or standard output."""

from __future__ import annotations

import argparse
import logging
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from bgremoval_mm.cli.errors import OK, writing_to
from bgremoval_mm.cli.rules import find_source
from bgremoval_mm.removal.errors import BgremovalError
from bgremoval_mm.removal.options import MAX_BYTES, MAX_PIXELS
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

    precision = args.precision or 'fp32'
    target = CutoutFolder(
        '.',
        args.output,
        args.model,
        0 if args.fill is None else args.fill,
        precision,
        file_format=args.file_format or 'png',
    )
    remover = BackgroundRemover(
        args.model,
        choose_backend(args.backend, precision, args.device),
        args.device,
        precision,
        num_threads=args.num_threads or 0,
        accept_licence=args.accept_licence,
        calibration=args.calibration,
    )
    source = _read(args)
    mask, _ = remover.low_resolution([source.rgb])[0]
    content = target.render(source, mask)
    with writing_to('standard output' if args.dst == '-' else args.dst):
        if args.dst == '-':
            sys.stdout.buffer.write(content)
            sys.stdout.buffer.flush()
        else:
            Path(args.dst).parent.mkdir(parents=True, exist_ok=True)
            write_atomically(Path(args.dst), content)
    if source.note:
        print(f'note: {printable(source.note)}', file=sys.stderr)
    return OK


def choose_backend(backend: str, precision: str, device: str) -> str:
    """Return what ``'auto'`` is for a single image.

    OpenVINO, the fastest on CPUs, compiles the network first, for as long as ONNX Runtime takes for
    several images; and ONNX Runtime's masks are rembg's.
    """
    if (backend, precision) == ('auto', 'fp32') and device in ('auto', 'cpu'):
        return 'onnxruntime' if find_spec('onnxruntime') else backend
    return backend


def _read(args: argparse.Namespace) -> SourceImage:
    """Read the image.

    Raises:
        BgremovalError: If it cannot be read; the message begins with its name.
    """
    from bgremoval_mm.removal.images.reading import check_bytes, decode_image, read_image

    max_pixels, max_bytes = args.max_pixels or MAX_PIXELS, args.max_bytes or MAX_BYTES
    try:
        if args.src != '-':
            return read_image(Path(args.src), max_pixels, max_bytes)
        content = sys.stdin.buffer.read(max_bytes + 1)
        check_bytes(len(content), max_bytes)
        return decode_image(content, max_pixels=max_pixels)
    except (BgremovalError, OSError) as err:
        name = 'standard input' if args.src == '-' else args.src
        reason = err.strerror if isinstance(err, OSError) and err.strerror else err
        msg = f'{name}: {reason}'
        raise BgremovalError(msg) from err
