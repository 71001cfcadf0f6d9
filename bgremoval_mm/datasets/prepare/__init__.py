"""Get, check and convert datasets, for ``tools/prepare_dataset.py``: one module per dataset.

Each has ``add_arguments(parser)`` and ``run(args) -> CheckReport`` for its subcommand. Nothing of
this is loaded by ``import bgremoval_mm``.
"""
