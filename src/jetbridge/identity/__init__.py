"""Who is who: the identifiers of messages, profiles with their traits, and merges.

It works on the connection of its caller, who owns the transaction, and knows no Django.
"""
