"""The first thing that anyone sees of Jetbridge: a small shop's day, in both directions, on this machine.

Everything is real but the two ends: the sandbox plays Mailjet and Segment. The demo speaks to all of them over HTTP and reads at
the end, from outside, whether every promise is kept.
"""
