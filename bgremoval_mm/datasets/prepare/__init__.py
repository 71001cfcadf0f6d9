"""Getting and checking data sets, for ``tools/prepare_dataset.py``: one module a data set.

Each has ``add_arguments(parser)`` and ``run(args) -> Findings`` for its subcommand. Nothing of this
is loaded by ``import bgremoval_mm``.
"""
