"""The JSON API: what pages and commands can do, for programs. One router per noun, on django-ninja."""
