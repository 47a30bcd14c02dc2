"""Everything that changes something in a workspace: an act is done whole, with its entry in the audit log, or not at all.

Pages and the API only ask: they check the role, find the rows and tell what came of it. An act raises
ConfigurationError or DeliveryError, with a sentence for whoever asked, before it has changed anything.
"""
