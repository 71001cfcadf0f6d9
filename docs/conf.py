from bgremoval_mm.version import __version__

project = 'bgremoval_mm'
author = 'The bgremoval_mm authors'
copyright = '2026, the bgremoval_mm authors'
release = version = __version__

extensions = ['myst_parser', 'sphinx.ext.autodoc', 'sphinx.ext.napoleon', 'sphinx.ext.mathjax']
exclude_patterns = ['_build']
html_theme = 'furo'
html_title = f'bgremoval_mm {release}'

myst_enable_extensions = ['colon_fence', 'dollarmath']
myst_heading_anchors = 3

autodoc_member_order = 'bysource'
autodoc_typehints = 'description'
# The API page needs the package only, not what a single codebase brings.
autodoc_mock_imports = ['mmdet', 'mmpretrain', 'mmseg', 'rembg']
# mmengine's base classes carry references to pages that are not ours.
suppress_warnings = ['myst.xref_missing', 'ref.python']
