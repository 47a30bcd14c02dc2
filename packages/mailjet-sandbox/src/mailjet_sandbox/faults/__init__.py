"""Faults: the sandbox fails on request, as Mailjet and the network fail now and then.

``kinds`` declares the faults, ``scenario`` reads them, ``register`` decides which of them trigger, and ``apply`` applies them to a
request. Jobs, properties and callbacks query the register themselves.
"""
