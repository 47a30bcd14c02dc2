"""How the house is built, in figures: `make structure` prints them, by hand and before and after things are moved."""
