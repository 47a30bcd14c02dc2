"""What people configure: workspaces, sources, destinations, accounts, app connections."""
