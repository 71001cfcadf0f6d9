from bgremoval_mm.version import __version__

project = 'bgremoval_mm'
author = 'The bgremoval_mm authors'
copyright = '2026, the bgremoval_mm authors'
release = version = __version__

extensions = [
    'myst_parser',
    'sphinx.ext.autodoc',
    'sphinx.ext.napoleon',
    'sphinx.ext.mathjax',
    'sphinx_copybutton',
]
exclude_patterns = ['_build']
html_theme = 'furo'
html_title = f'bgremoval_mm {release}'
# The pictures are copied by the pages that show them; only the style sheet is needed besides.
html_static_path = ['_static/site']
html_css_files = ['site.css']
html_copy_source = False
html_show_sourcelink = False

myst_enable_extensions = ['colon_fence', 'dollarmath']
myst_heading_anchors = 3

# Blocks that show a session are copied without the prompt and without the output.
copybutton_prompt_text = r'\$ |>>> |\.\.\. '
copybutton_prompt_is_regexp = True

# The `Attributes` of a class document its fields, which autodoc would describe once more.
napoleon_use_ivar = True
autodoc_member_order = 'bysource'
autodoc_typehints = 'description'
# The API page needs the package only, not what a single codebase brings.
autodoc_mock_imports = ['mmdet', 'mmpretrain', 'mmseg', 'rembg']
# mmengine's base classes carry references to pages that are not ours.
suppress_warnings = ['myst.xref_missing', 'ref.python']
