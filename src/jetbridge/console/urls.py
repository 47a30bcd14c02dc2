"""Every page of the console, by the places that people of Segment's app know."""

from django.urls import URLPattern, URLResolver, include, path

from jetbridge.console import errors, styleguide
from jetbridge.console.entry import first_run, home, login, password
from jetbridge.console.settings import accept
from jetbridge.integrations import registry

in_workspace: list[URLPattern | URLResolver] = [
    path("", home.workspace_home, name="workspace"),
    path("checklist/", include("jetbridge.console.checklist.urls")),
    path("sources/", include("jetbridge.console.sources.urls")),
    path("destinations/", include("jetbridge.console.destinations.urls")),
    path("engage/", include("jetbridge.console.engage.urls")),
    *(path(f"{section.path}/", include(section.urls)) for section in registry.sections()),
    path("settings/", include("jetbridge.console.settings.urls")),
]

urlpatterns = [
    path("", home.home, name="home"),
    path("first-run/<str:token>", first_run.first_run, name="first-run"),
    path("invitation/<str:token>", accept.accept, name="invitation"),
    path("login", login.log_in, name="login"),
    path("logout", login.log_out, name="logout"),
    path("password/forgotten", password.forgotten, name="password-forgotten"),
    path("password/new/<int:user>/<str:proof>", password.choose, name="password-new"),
    path("styleguide", styleguide.styleguide, name="styleguide"),
    path("w/<int:workspace>/", include(in_workspace)),
    path("api/v1/", include("jetbridge.api.urls")),
]

handler400 = errors.bad_request
handler403 = errors.forbidden
handler404 = errors.not_found
handler500 = errors.server_error
