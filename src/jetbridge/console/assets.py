"""Static files: our own folder, and htmx from its wheel. Nothing is collected or copied."""

from pathlib import Path

import django_htmx

#: First part of a path under /static/ -> the folder that holds it.
FOLDERS = {
    "console": Path(__file__).parent / "static",
    "django_htmx": Path(django_htmx.__file__).parent / "static",
}


def file_of(path: str) -> Path:
    """Where "console/console.css" is."""
    return FOLDERS[path.partition("/")[0]] / path
