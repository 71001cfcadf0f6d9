"""Report of finished runs: tables, charts, one page."""
