"""One image: from a file or standard input, to a file or standard output."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from bgremoval_mm.removal import BackgroundRemover, CutoutFolder, SourceImage, read_image
from bgremoval_mm.removal.files import write_atomically
from bgremoval_mm.removal.images import check_bytes, decode_image
from bgremoval_mm.removal.options import FILE_FORMATS, MAX_BYTES, MAX_PIXELS

__all__ = ['SUFFIXES', 'run_one']

SUFFIXES = {suffix: name for name, suffix in FILE_FORMATS.items()} | {'.jpeg': 'jpeg'}


def run_one(args: argparse.Namespace) -> int:
    """Do one image; 0, or 1 with the reason on standard error."""
    try:
        _remove(args)
    except KeyboardInterrupt:
        return 130
    except (OSError, RuntimeError, ValueError, ImportError) as err:
        name = 'standard input' if args.src == '-' else args.src
        print(f'error: {name}: {err}', file=sys.stderr)
        return 1
    return 0


def _remove(args: argparse.Namespace) -> None:
    if args.output == 'store':
        msg = '--output store is for folders'
        raise ValueError(msg)
    file_format = args.file_format
    if args.dst != '-':
        file_format = SUFFIXES[Path(args.dst).suffix.lower()]
    # Checks the options before anything is loaded.
    target = CutoutFolder(
        '.', args.output, args.model, args.fill, args.precision, file_format=file_format
    )
    remover = BackgroundRemover(
        args.model,
        args.backend,
        args.device,
        args.precision,
        accept_licence=args.accept_licence,
        calibration=args.calibration,
    )
    source = _read(args)
    mask, _ = remover.low_resolution([source.rgb])[0]
    content = target.render(source, mask)
    if args.dst == '-':
        sys.stdout.buffer.write(content)
        sys.stdout.buffer.flush()
    else:
        Path(args.dst).parent.mkdir(parents=True, exist_ok=True)
        write_atomically(Path(args.dst), content)


def _read(args: argparse.Namespace) -> SourceImage:
    max_pixels, max_bytes = args.max_pixels or MAX_PIXELS, args.max_bytes or MAX_BYTES
    if args.src != '-':
        return read_image(Path(args.src), max_pixels, max_bytes)
    content = sys.stdin.buffer.read(max_bytes + 1)
    check_bytes(len(content), max_bytes)
    return decode_image(content, max_pixels=max_pixels)
