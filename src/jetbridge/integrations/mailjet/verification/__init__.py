"""Contact state compared with what Mailjet really holds, and repaired."""
