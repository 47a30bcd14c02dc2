"""Asking before much is done: at a terminal only, so that scripts are never kept waiting."""

import sys

import click


def confirmed(question: str, *, yes: bool) -> bool:
    """Whether to go on: told so in advance, not at a terminal, or answered so."""
    return yes or not sys.stdin.isatty() or click.confirm(question)
