"""Every page of the console, in the order of Segment's app."""

from django.urls import URLPattern, URLResolver, include, path

from jetbridge.console import errors, home, styleguide
from jetbridge.console.auth import first_run, login, passwords
from jetbridge.console.settings import people
from jetbridge.integrations import registry

in_workspace: list[URLPattern | URLResolver] = [
    path("", home.workspace_home, name="workspace"),
    path("checklist/", home.checklist, name="checklist"),
    path("checklist/steps", home.checklist_steps, name="checklist-steps"),
    path("sources/", include("jetbridge.console.sources.urls")),
    path("destinations/", include("jetbridge.console.destinations.urls")),
    path("engage/", include("jetbridge.console.engage.urls")),
    *(path(f"{section.path}/", include(section.urls)) for section in registry.sections()),
    path("settings/", include("jetbridge.console.settings.urls")),
]

urlpatterns = [
    path("", home.home, name="home"),
    path("first-run/<str:token>", first_run.first_run, name="first-run"),
    path("invitation/<str:token>", people.accept, name="invitation"),
    path("login", login.log_in, name="login"),
    path("logout", login.log_out, name="logout"),
    path("password/forgotten", passwords.forgotten, name="password-forgotten"),
    path("password/new/<int:user>/<str:proof>", passwords.choose, name="password-new"),
    path("styleguide", styleguide.styleguide, name="styleguide"),
    path("w/<int:workspace>/", include(in_workspace)),
    path("api/v1/", include("jetbridge.api.urls")),
]

handler400 = errors.bad_request
handler403 = errors.forbidden
handler404 = errors.not_found
handler500 = errors.server_error
