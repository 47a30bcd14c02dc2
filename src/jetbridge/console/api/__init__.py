"""The JSON API: what pages and commands can do, for programs. Declared in endpoints; the documents follow from them."""
