"""The pages of Mailjet: App Connections, and the Mapping tab of its destinations."""
