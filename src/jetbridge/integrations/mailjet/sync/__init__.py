"""What differs between contact state and Mailjet is sent there, with the fewest calls."""
