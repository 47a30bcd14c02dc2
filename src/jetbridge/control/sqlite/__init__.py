"""The database backend of the state: `base`, as Django wants it to be called."""
