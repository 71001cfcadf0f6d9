#!/usr/bin/env python
"""Check the installed stack and print a fix for everything that is broken: `bgremoval doctor`."""

import sys
from functools import partial

try:
    from bgremoval_mm.cli import main as bgremoval
except ImportError as err:
    sys.exit(f'error: {err}; fix: make setup')

main = partial(bgremoval.main, command='doctor')

if __name__ == '__main__':
    sys.exit(main())
