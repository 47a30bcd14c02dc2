"""What the databases of Jetbridge share. Knows no Django."""
