#!/usr/bin/env python
"""List and draw the least trustworthy masks of a mask store: `bgremoval sheet`."""

import sys
from functools import partial

from bgremoval_mm.cli import main as bgremoval

main = partial(bgremoval.main, command='sheet')

if __name__ == '__main__':
    sys.exit(main())
