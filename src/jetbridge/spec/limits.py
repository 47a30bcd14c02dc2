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
#: One request of a Segment workspace: ours. Segment's Webhooks batch up to 4 MB (actions docs, "Batching").
PARTNER_BYTES = 8 * 1024 * 1024
#: Calls in such a request: more than fit, if they are any. Segment's Webhooks batch up to 4,000.
PARTNER_EVENTS = 40_000
#: One request of Mailjet, and the events in it: ours. Mailjet groups the events of one second and names no bound; what is
#: refused comes again as it is and is lost after a day. An event has some 500 bytes.
EMAIL_EVENTS_BYTES = 32 * 1024 * 1024
EMAIL_EVENTS = 100_000
#: One call or event in such a request. Segment takes no call of more than 32 KB; what it adds needs less than that.
PARTNER_EVENT_BYTES = 64 * 1024
#: The calls of one request together, once each has what is said for all of them (context, settings). Ours.
SPREAD_BYTES = 16 * 1024 * 1024
#: How deep objects and arrays may be nested in one call. Ours, not Segment's.
NESTING = 100
