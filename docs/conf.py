"""How Sphinx builds the documentation: `tox run -e docs`."""

from importlib.metadata import version as installed_version

project = "Mintaka"
author = "the Mintaka authors"
version = release = installed_version("mintaka")

extensions = ["sphinx.ext.autosectionlabel"]
autosectionlabel_prefix_document = True
exclude_patterns = ["_build"]
nitpicky = True

html_theme = "furo"
html_title = f"Mintaka {release}"
