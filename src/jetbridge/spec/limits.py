"""The limits of Segment's Tracking API. All sizes are of the body after decompression, in bytes.

Source: Segment docs, "HTTP API" (max request size, max batch size) and "Rate limits". Segment writes KB;
we read 1,024, the more generous way, so that nothing Segment takes is refused here. Two of its limits need
no check of their own: 10,000 properties do not fit in 32 KB, and a messageId longer than 100 characters
harms nobody here.
"""

#: One call, alone or as an item of a batch.
EVENT_BYTES = 32 * 1024
#: One request to /v1/batch, /v1/import or /v1/b.
BATCH_BYTES = 500 * 1024
#: Calls in one batch.
BATCH_EVENTS = 2_500
#: One request of a Segment workspace, or of Mailjet: ours. Segment's Webhooks batch up to 4 MB (actions docs,
#: "Batching"); Mailjet groups the events of one second and names no bound.
PARTNER_BYTES = 8 * 1024 * 1024
#: Calls or events in such a request: more than fit, if they are any.
PARTNER_EVENTS = 100_000
#: Commas in an array: what bounds the memory for its elements before they are counted.
ARRAY_COMMAS = 1_000_000
#: How deep objects and arrays may be nested in one call. Ours, not Segment's.
NESTING = 100
