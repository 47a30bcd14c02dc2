"""What is left on the terminal when the day is over."""

import shlex
import shutil
import sys
from pathlib import Path

from rich.console import Group
from rich.text import Text

from jetbridge.demo.claims import Claim
from jetbridge.demo.owner import Owner
from jetbridge.demo.play import Ending
from jetbridge.demo.story import AUDIENCE


def summary(ending: Ending, home: Path) -> Group:
    """Every claim with its figures; those that are false say why, and where the logs are."""
    lines = [Text(), *(line for claim in ending.claims for line in _claim(claim)), Text()]
    if ending.well:
        figures = f"in {ending.seconds:.0f} s and {ending.calls_to_mailjet} calls to Mailjet."
        well = f"All arrived as it should, {figures}"
        return Group(*lines, Text(well, "bold green"))
    wrong = sum(not claim.holds for claim in ending.claims)
    sentence = f"{wrong} of {len(ending.claims)} claims are false. Logs and databases are kept in {home}"
    return Group(*lines, Text(sentence, "bold red"))


def failure(sentence: str, home: Path) -> Text:
    return Text.assemble((f"The demo stopped. {sentence}", "bold red"), f"\nThe logs are in {home}")


def farewell(ending: Ending, owner: Owner, home: Path) -> Group:
    """The console with the account to log in with, the other addresses, and something to try."""
    opened = ending.opened
    traits = '{"userId": "me", "traits": {"email": "me@example.com", "plan": "Pro"}}'
    rows = (
        ("Console", f"{opened.jetbridge_url}/login"),
        ("Log in as", f"{owner.email}  with the password  {owner.password}"),
        ("Mailjet sandbox", f"{opened.sandbox.url}  (its lists, contacts, jobs and calls)"),
        ("Segment calls", f"{opened.sandbox.url}/segment  (what Segment gets)"),
        ("Write key", f"{opened.write_key}  (for any Segment library)"),
        ("Metrics", f"{opened.jetbridge_url}/metrics  with the Bearer token  {opened.metrics_token}"),
        ("Figures", f"JETBRIDGE_HOME={home} {_command()} status"),
        ("Audience", f"JETBRIDGE_HOME={home} {_command()} audiences show {AUDIENCE}"),
    )
    attempt = f"curl -u {opened.write_key}: {opened.jetbridge_url}/v1/identify -d '{traits}'"
    return Group(
        Text("\nThe shop stays open: look around in its console.", "bold"),
        *(_unbroken(f"{label:<17}{value}") for label, value in rows),
        Text(
            "\nAsk the warehouse: open rate by campaign, who clicked, revenue within seven days of a click:"
        ),
        _unbroken(
            f"JETBRIDGE_HOME={shlex.quote(str(home))} {shlex.quote(_command())} warehouse queries --run"
        ),
        Text("\nBecome a contact yourself:"),
        _unbroken(attempt),
        Text("\nEverything keeps running. Ctrl-C stops it and leaves nothing behind.", "bold"),
    )


def _unbroken(line: str) -> Text:
    """To be copied: only the terminal may break it."""
    return Text(line, no_wrap=True, overflow="ignore")


def _claim(claim: Claim) -> list[Text]:
    mark = ("✓ ", "green") if claim.holds else ("✗ ", "bold red")
    return [Text.assemble(mark, claim.sentence), *(Text(f"    {each}", "red") for each in claim.wrong)]


def _command() -> str:
    """How to call `jetbridge` from here."""
    if shutil.which("jetbridge"):
        return "jetbridge"
    beside = Path(sys.executable).with_name("jetbridge")
    try:
        return str(beside.relative_to(Path.cwd()))
    except ValueError:
        return str(beside)
