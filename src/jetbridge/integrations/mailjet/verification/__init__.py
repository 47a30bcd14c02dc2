"""Contact state compared with what Mailjet holds, and repaired."""
