"""What people configure: workspaces, sources, destinations, Mailjet accounts, app connections."""
