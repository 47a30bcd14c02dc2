"""Contact state: what each contact should be, and what Mailjet has confirmed.

The way of an Identify call: `traits.py` turns it into properties, `merge.py` merges them into the desired state
of the contact (`state.py`, one row per contact); `sync/reconcile.py` brings Mailjet there with the fewest calls.
"""
