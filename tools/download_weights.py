#!/usr/bin/env python
"""Fetch and verify the weights of background removal models: `bgremoval models`."""

import sys
from functools import partial

from bgremoval_mm.cli import main as bgremoval

main = partial(bgremoval.main, command='models')

if __name__ == '__main__':
    sys.exit(main())
