"""Networks, each imported when a config builds it; :mod:`bgremoval_mm.registry` has the table."""
