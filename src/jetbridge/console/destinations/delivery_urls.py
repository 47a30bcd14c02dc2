"""Paths below /w/<workspace>/destinations/<destination>/: what it did, what it holds, what it can be asked to do."""

from django.urls import path

from jetbridge.console.destinations import contacts, event_delivery, overview, sync

urlpatterns = [
    path("", overview.overview, name="destination"),
    path("event-delivery/", event_delivery.event_delivery, name="destination-event-delivery"),
    path("event-delivery/retry", event_delivery.retry, name="destination-retry"),
    path("event-delivery/sample/<int:record>", event_delivery.sample, name="destination-sample"),
    path("event-delivery/<str:outcome>/<path:code>", event_delivery.reason, name="destination-reason"),
    path("contacts/", contacts.contacts, name="destination-contacts"),
    path("contacts/forget", contacts.forget, name="destination-forget"),
    path("contacts/receipt/<int:erasure_id>", contacts.receipt, name="destination-receipt"),
    path("sync/", sync.sync, name="destination-sync"),
    path("sync/count", sync.count, name="destination-count"),
    path("sync/ask/<str:kind>", sync.ask, name="destination-ask"),
    path("sync/task/<int:task>/cancel", sync.cancel_task, name="destination-task-cancel"),
    path("sync/task/<int:task>/replay", sync.ask_replay, name="destination-replay"),
    path("sync/replay/<int:replay_id>/cancel", sync.cancel_replay, name="destination-replay-cancel"),
]
