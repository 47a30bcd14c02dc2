"""The first thing that anyone sees of Jetbridge: a small shop's day, in both directions, on this machine.

Everything is real but the two ends: the Mailjet sandbox plays Mailjet, a small server plays Segment. The
demo speaks to all of them over HTTP and reads at the end, from outside, whether all arrived as it should.
"""
