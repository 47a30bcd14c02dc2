"""Reading a file of people: its encoding, format and dialect, its columns, and each row as an identify call.

Knows no Django: the command reads files where Jetbridge is not installed.
"""
