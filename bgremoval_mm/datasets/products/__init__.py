"""Product catalogues as tables: reading, checking, sampling and folds. Needs no OpenMMLab."""
