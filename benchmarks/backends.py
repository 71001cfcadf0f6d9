#!/usr/bin/env python
r"""Benchmark of whole removal jobs: each backend and precision compared with rembg, and its masks.

It is `bgremoval bench`, which you can run on your own photos.

    python benchmarks/backends.py data/ccp/photos --labels data/ccp-prepared/label_maps \
        --images 200 --rounds 10 --settings rembg onnxruntime:fp32 openvino:fp32 openvino:int8
"""

from __future__ import annotations

import argparse
import sys

from bgremoval_mm.cli.bench import add_bench_arguments, run_bench

if __name__ == '__main__':
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add_bench_arguments(parser)
    sys.exit(run_bench(parser.parse_args()))
