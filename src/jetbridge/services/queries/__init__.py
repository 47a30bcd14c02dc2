"""The read models that pages, the API and commands share. Nothing here changes anything."""
