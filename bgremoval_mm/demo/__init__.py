"""The pieces of ``tools/demo.py``: composed pictures, training, results and the picture sheet.

Nothing here is imported by ``import bgremoval_mm``.
"""
