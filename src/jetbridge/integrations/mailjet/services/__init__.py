"""Every change of Mailjet accounts and what belongs to them, each with its entry in the audit log."""
