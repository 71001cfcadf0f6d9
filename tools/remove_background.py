#!/usr/bin/env python
"""Remove the background of every image below a folder: `bgremoval masks`.

By default the masks go to a MaskStore, from which `RemoveBackground(mask_dir=DST)` takes
them in training. A run that was stopped goes on when it is started again.
"""

import sys
from functools import partial

from bgremoval_mm.cli import main as bgremoval

main = partial(bgremoval.main, command='masks')

if __name__ == '__main__':
    sys.exit(main())
