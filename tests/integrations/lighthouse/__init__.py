"""An integration that exists in tests only, with one of everything that an integration may bring."""
