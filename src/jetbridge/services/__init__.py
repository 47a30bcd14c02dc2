"""Everything that changes something in a workspace, done whole with its entry in the audit log, or not at all.

Pages, the API and commands call these functions: they check the role, find the rows and show the result. A service raises
ConfigurationError or DeliveryError, with a message for whoever requested the change, before it has changed anything.
"""
