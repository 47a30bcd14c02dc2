"""What is left to do until a contact arrives."""
