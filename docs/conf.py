"""Settings of the site: ``make docs`` builds it into build/site, without a network."""

import os
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE / "_ext"))
# Kernels of the tutorials, and the processes that they start, use one thread: the same numbers
# on every machine.
os.environ.setdefault("OMP_NUM_THREADS", "1")

from spectessera import __version__  # noqa: E402 (after the number of threads)

project = "spectessera"
author = "The spectessera developers"
copyright = "The spectessera developers, BSD 3-Clause"
release = version = __version__
language = "en"

extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx.ext.viewcode",
    "sphinx_design",
    "sphinx_copybutton",
    "sphinx_gallery.gen_gallery",
    "mathml",
    "repository",
    "reference",
    "crosslinks",
]
# A reference to nothing stops the build; crosslinks.py settles what is no entry of the reference.
nitpicky = True
exclude_patterns = ["_ext", "gallery", "**/*.ipynb", "_generated/gallery/*.md5"]
# Tables that scripts write are put together from parts, whose headings may skip a level.
suppress_warnings = ["config.cache", "myst.header"]

# Markdown
myst_enable_extensions = ["dollarmath", "colon_fence", "attrs_block", "deflist"]
myst_heading_anchors = 4
html_math_renderer = "mathml"

# Tutorials: executed by every build; a cell that fails stops it.
nb_execution_mode = "cache"
nb_execution_cache_path = str(HERE.parent / "build" / "tutorials")
nb_execution_timeout = 300
nb_execution_raise_on_error = True
nb_execution_excludepatterns = ["*_generated*"]
nb_merge_streams = True

# Gallery: scripts that draw one figure each.
sphinx_gallery_conf = {
    "examples_dirs": ["gallery"],
    "gallery_dirs": ["_generated/gallery"],
    "filename_pattern": r"/[a-z]",
    "abort_on_example_error": True,
    "download_all_examples": False,
    "show_memory": False,
    "write_computation_times": False,
    "min_reported_time": 1_000,
    "image_scrapers": ("matplotlib",),
    "matplotlib_animations": False,
    "within_subsection_order": "FileNameSortKey",
    "copyfile_regex": r"GALLERY_HEADER\.(rst|md)",
    "remove_config_comments": True,
}

# API
autodoc_typehints = "none"
autodoc_member_order = "bysource"
napoleon_google_docstring = False
napoleon_use_rtype = False
napoleon_use_param = True
napoleon_use_ivar = True
add_module_names = False
default_role = "literal"

# Pages
html_theme = "pydata_sphinx_theme"
html_title = "spectessera"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_copy_source = False
html_show_sourcelink = False
html_theme_options = {
    "show_toc_level": 2,
    "navigation_with_keys": False,
    "header_links_before_dropdown": 7,
    "navbar_align": "left",
    "show_prev_next": True,
    "footer_start": ["copyright"],
    "footer_end": [],
    "secondary_sidebar_items": ["page-toc"],
    "use_edit_page_button": False,
    "logo": {"text": "spectessera"},
    "pygments_light_style": "a11y-high-contrast-light",
    "pygments_dark_style": "a11y-high-contrast-dark",
}
