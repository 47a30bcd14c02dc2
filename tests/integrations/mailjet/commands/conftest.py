"""The commands, run as those of `jetbridge.cli`."""

from tests.cli.conftest import jetbridge, mailjet, own_process
