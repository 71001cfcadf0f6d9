"""Search for photos by photo: an index of a folder, and queries in it.

``update_index`` (``bgremoval_mm.search.build``) fills an index, ``Searcher``
(``bgremoval_mm.search.query``) answers queries, and ``bgremoval search`` is both on the command
line.
"""
