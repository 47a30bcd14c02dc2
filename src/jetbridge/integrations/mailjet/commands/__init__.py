"""The commands of Mailjet. Loaded without Django, for `jetbridge --help`."""

#: As they are typed -> "module:attribute" of the click command.
COMMANDS = {
    "setup": "jetbridge.integrations.mailjet.commands.setup:setup",
    "contacts diff": "jetbridge.integrations.mailjet.commands.diff:diff",
    "contacts verify": "jetbridge.integrations.mailjet.commands.verify:verify",
    "destinations backfill": "jetbridge.integrations.mailjet.commands.backfill:backfill",
}
