"""Audiences: who fulfils a condition now, and when time alone will change that."""
