"""FQL, Segment's Filter Query Language: text in, a function over messages out.

Source: Segment docs, "Destination Filter Query Language"; where they are silent, the evaluator that Segment ships in its
browser library (`tsub`). An expression is bounded in size and depth when it is read, so evaluating it takes time
in proportion to expression and message: no pattern backtracks.
"""
