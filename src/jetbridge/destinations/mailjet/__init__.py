"""The Mailjet destination: contact state, and reconcile.

The way of an Identify: `traits.py` turns it into properties, `fold.py` merges them into the desired state
of the contact (`state.py`, one row per contact), `reconcile.py` brings Mailjet there with the fewest calls.
"""
