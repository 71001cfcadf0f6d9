#!/usr/bin/env python
r"""Whole removal jobs of each backend and precision beside rembg, and what they do to the masks.

The measuring is that of `bgremoval bench`, which anybody can run on photos of their own.

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
