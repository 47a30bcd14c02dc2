"""Whether the stream of news for an account has gone quiet.

In memory: the consumers of an account and its reconcile are threads of one process, and nothing is lost with it.
"""

_merged_at: dict[int, int] = {}


def merged(account: int, now: int) -> None:
    """News were merged into contacts of the account, now (ms)."""
    _merged_at[account] = now


def last_merged(account: int) -> int:
    """When that was last so in this process (ms; 0: not yet)."""
    return _merged_at.get(account, 0)
