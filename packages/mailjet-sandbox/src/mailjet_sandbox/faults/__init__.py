"""Faults: what the sandbox does wrong when it is told to, as Mailjet and the network do now and then.

``kinds`` declares them, ``scenario`` reads them, ``register`` decides whom they strike, and ``conduct`` lets a request meet them;
jobs, properties and callbacks ask the register themselves.
"""
