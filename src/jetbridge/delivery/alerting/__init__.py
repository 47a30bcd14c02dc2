"""Telling people by themselves what the pages would show them: holds, failures, silence."""
