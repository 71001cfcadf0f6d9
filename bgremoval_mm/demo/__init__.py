"""The pieces of ``tools/demo.py``: products, composed pictures, statistics and the picture sheet.

Nothing here is imported by ``import bgremoval_mm``.
"""
