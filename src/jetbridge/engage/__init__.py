"""Audiences and computed traits: who fulfils a condition now, which value a trait has, and when time alone changes that."""
