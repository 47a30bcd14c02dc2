"""How people get in: the first run, login, logout, and where a login leads."""
