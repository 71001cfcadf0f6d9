#!/usr/bin/env python
"""Benchmark of `tools/prepare_dataset.py fashionpedia --label-maps` on instances of CCP's size.

Draws label maps from the instances that `tools/prepare_dataset.py ccp` wrote, as run-length codes
(rare in Fashionpedia) and as polygons along their outlines (common there). It draws as the tool
does, in several processes and with each map written to a file, and does not time reading the
annotation file.

    python benchmarks/draw_label_maps.py data/ccp-prepared --images 400 --workers 2
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from rich.console import Console

from bgremoval_mm.datasets.formats.label_maps import decode_mask
from bgremoval_mm.datasets.prepare.check_report import CheckReport
from bgremoval_mm.datasets.prepare.fashionpedia import draw_all


def as_polygons(annotation: dict[str, Any]) -> dict[str, Any]:
    """Return the same instance as polygons along the outlines of its parts."""
    height, width = annotation['segmentation']['size']
    mask = np.ascontiguousarray(decode_mask(annotation['segmentation'], height, width))
    outlines, _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    polygons = [outline.ravel().tolist() for outline in outlines if len(outline) > 2]
    return {**annotation, 'segmentation': polygons}


def main() -> None:
    """Draw both kinds and print images per second."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('prepared', type=Path)
    parser.add_argument('--images', type=int, default=400)
    parser.add_argument('--workers', type=int)
    args = parser.parse_args()

    file = args.prepared / 'annotations' / 'instances_train.json'
    content = json.loads(file.read_text())
    images = content['images'][: args.images]
    chosen = {image['id'] for image in images}
    rle = [each for each in content['annotations'] if each['image_id'] in chosen]
    console = Console()
    console.print(f'{len(images)} images, {len(rle) / len(images):.1f} instances each')
    for kind, instances in (('RLE', rle), ('polygons', list(map(as_polygons, rle)))):
        with tempfile.TemporaryDirectory() as folder:
            report = CheckReport('benchmark', folder)
            start = time.perf_counter()
            draw_all(
                {'images': images, 'annotations': instances},
                Path(folder),
                'train',
                report,
                workers=args.workers,
                progress=False,
            )
            seconds = time.perf_counter() - start
        if not report.usable:
            raise SystemExit('\n'.join(report.errors))
        console.print(f'{kind}: {len(images) / seconds:.0f} images/s ({seconds:.1f} s)')


if __name__ == '__main__':
    main()
