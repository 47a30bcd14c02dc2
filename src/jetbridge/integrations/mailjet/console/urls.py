"""Paths below /w/<workspace>/app-connections/."""

from django.urls import path

from jetbridge.integrations.mailjet.console import accounts, backfills, connections, events

urlpatterns = [
    path("", accounts.index, name="app-connections"),
    path("add", accounts.add, name="account-add"),
    path("<int:account>/", accounts.account, name="account"),
    path("<int:account>/edit", accounts.edit, name="account-edit"),
    path("<int:account>/remove", accounts.remove, name="account-remove"),
    path("<int:account>/lists", accounts.lists, name="account-lists"),
    path("<int:account>/connect", connections.connect, name="connection-add"),
    path("<int:account>/events", events.send, name="account-events"),
    path("<int:account>/callbacks", events.callback_urls, name="account-callbacks"),
    path("<int:account>/backfill", backfills.index, name="account-backfill"),
    path("<int:account>/backfill/count", backfills.count, name="account-backfill-count"),
    path("<int:account>/backfill/start", backfills.start, name="account-backfill-start"),
    path("<int:account>/backfill/<int:number>/cancel", backfills.cancel, name="account-backfill-cancel"),
    path("<int:account>/<int:connection>/list", connections.choose, name="connection-list"),
    path("<int:account>/<int:connection>/key", connections.reveal, name="connection-key"),
    path("<int:account>/<int:connection>/rotate", connections.rotate, name="connection-rotate"),
    path("<int:account>/<int:connection>/end-grace", connections.end_grace, name="connection-end-grace"),
    path("<int:account>/<int:connection>/align", connections.align, name="connection-align"),
    path("<int:account>/<int:connection>/remove", connections.remove, name="connection-remove"),
]
