"""Schema: what each source has sent so far: how many messages when, which events, which traits and properties."""
