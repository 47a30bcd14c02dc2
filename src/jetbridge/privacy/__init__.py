"""People whose data is to go: suppression from the moment of the request, erasure to the end."""
