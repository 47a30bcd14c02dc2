"""Django's SQLite, but a statement's placeholders are translated once.

Django writes %s, and looks for each with a regular expression, to make it SQLite's ?, whenever a statement is
executed. Ours have hundreds, because they are about hundreds of contacts: that took a twentieth of folding.
"""

from functools import lru_cache
from typing import Any

from django.db.backends.sqlite3 import base

#: Statements remembered. All of ours, and those of the ORM that come again.
STATEMENTS = 512


class Cursor(base.SQLiteCursorWrapper):
    def convert_query(self, query: str, *, param_names: Any = None) -> str:
        if param_names is None:
            return _translate(query)
        return super().convert_query(query, param_names=param_names)


class DatabaseWrapper(base.DatabaseWrapper):
    def create_cursor(self, name: Any = None) -> Cursor:  # noqa: ARG002 - Django's signature
        return self.connection.cursor(factory=Cursor)  # type: ignore[no-any-return]


@lru_cache(STATEMENTS)
def _translate(query: str) -> str:
    translated: str = base.FORMAT_QMARK_REGEX.sub("?", query).replace("%%", "%")
    return translated
