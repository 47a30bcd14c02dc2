"""Paths below /w/<workspace>/settings/."""

from django.urls import path

from jetbridge.console.settings import alerts, audit_log, people, profile, tokens, workspace

urlpatterns = [
    path("", people.settings, name="settings"),
    path("profile/", profile.profile, name="profile"),
    path("people/", people.index, name="people"),
    path("people/<int:member>/role", people.change_role, name="member-role"),
    path("people/<int:member>/remove", people.remove, name="member-remove"),
    path("invitations/", people.invite, name="invite"),
    path("invitations/<int:invitation>/renew", people.renew, name="invitation-renew"),
    path("invitations/<int:invitation>/revoke", people.revoke, name="invitation-revoke"),
    path("tokens/", tokens.index, name="api-tokens"),
    path("tokens/<int:token_id>/revoke", tokens.revoke, name="api-token-revoke"),
    path("audit/", audit_log.index, name="audit"),
    path("workspace/", workspace.index, name="workspace-settings"),
    path("workspace/new", workspace.add, name="workspace-add"),
    path("workspace/delete", workspace.delete, name="workspace-delete"),
    path("alerts/", alerts.index, name="alerts"),
    path("alerts/add", alerts.add, name="alert-add"),
    path("alerts/<int:rule>/", alerts.edit, name="alert-rule"),
    path("alerts/<int:rule>/test", alerts.test, name="alert-test"),
    path("alerts/<int:rule>/delete", alerts.delete, name="alert-delete"),
]
