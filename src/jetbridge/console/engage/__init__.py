"""Pages of Engage: its switch and settings, and audiences from the first idea to the members."""
