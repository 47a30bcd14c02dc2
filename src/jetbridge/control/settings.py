"""Django's settings, made from Config. Everything here follows from the environment and nothing else."""

from urllib.parse import urlsplit

from jetbridge import config
from jetbridge.db.sqlite import WRITER_PRAGMAS
from jetbridge.integrations import registry

CONFIG = config.load()

SECRET_KEY = CONFIG.secret_key
DEBUG = False
#: Of pages and API; ingest endpoints answer to any Host. Others would let a stranger's page read ours by DNS rebinding.
ALLOWED_HOSTS = [CONFIG.public_host, "localhost", "127.0.0.1", "[::1]"]
USE_TZ = True
TIME_ZONE = "UTC"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
LOGGING_CONFIG = None

INSTALLED_APPS = [
    "django.contrib.contenttypes",
    "django.contrib.auth",
    "django.contrib.messages",
    "django_htmx",
    "jetbridge.control",
    "jetbridge.jobs",
    "jetbridge.delivery",
    "jetbridge.privacy",
    "jetbridge.source_schema",
    "jetbridge.imports",
    "jetbridge.engage",
    "jetbridge.console",
    "jetbridge.api",
    *registry.INTEGRATIONS,
]

DATABASES = {
    "default": {
        "ENGINE": "jetbridge.control.sqlite",
        "NAME": CONFIG.state_path,
        "OPTIONS": {
            "timeout": 30,
            # Take the write lock at BEGIN: a transaction that reads first and writes later would otherwise
            # fail with SQLITE_BUSY when another process wrote in between.
            "transaction_mode": "IMMEDIATE",
            "init_command": WRITER_PRAGMAS,
        },
    }
}

# The console. None of it is loaded before its first request, so that the worker and the commands start quickly.
ROOT_URLCONF = "jetbridge.console.urls"
STATIC_URL = "/static/"
#: Of a request to pages or API, files included; `console.body_limits` sees to it, but for uploads.
DATA_UPLOAD_MAX_MEMORY_SIZE = 3 * 2**20
#: Those of an audience with as many conditions as there can be, in the builder.
DATA_UPLOAD_MAX_NUMBER_FIELDS = 2_000
#: What is uploaded is of people: it stays in the home, not in a folder that everybody shares.
FILE_UPLOAD_TEMP_DIR = CONFIG.home
MIDDLEWARE = [
    "jetbridge.console.middleware.security_headers",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
]
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "builtins": [
                "jetbridge.console.templatetags.console",
                "jetbridge.console.templatetags.components",
            ],
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "jetbridge.console.context.navigation",
            ],
        },
    }
]

AUTH_USER_MODEL = "control.User"
LOGIN_URL = "login"
PASSWORD_RESET_TIMEOUT = 60 * 60
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {
        "NAME": "django.contrib.auth.password_validation.MinimumLengthValidator",
        "OPTIONS": {"min_length": 10},
    },
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]

#: No other host of the domain can set or overwrite a cookie of this name; browsers take it over TLS only.
COOKIE_PREFIX = "__Host-" if CONFIG.is_https else ""
SESSION_ENGINE = "jetbridge.control.sessions"
SESSION_COOKIE_NAME = f"{COOKIE_PREFIX}jetbridge_session"
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = CONFIG.is_https
SESSION_COOKIE_HTTPONLY = CSRF_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = CSRF_COOKIE_SAMESITE = "Lax"
CSRF_COOKIE_NAME = f"{COOKIE_PREFIX}jetbridge_csrf"
CSRF_TRUSTED_ORIGINS = ["{0.scheme}://{0.netloc}".format(urlsplit(CONFIG.public_url))]
CSRF_FAILURE_VIEW = "jetbridge.console.errors.csrf_failure"
MESSAGE_STORAGE = "django.contrib.messages.storage.session.SessionStorage"
