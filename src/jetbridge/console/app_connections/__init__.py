"""App Connections: Mailjet accounts, and what joins them with Segment."""
