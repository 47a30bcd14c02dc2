"""Django's settings, made from Config. Everything here follows from the environment and nothing else."""

from jetbridge import config

CONFIG = config.load()

SECRET_KEY = CONFIG.secret_key
DEBUG = False
ALLOWED_HOSTS = ["*"]
USE_TZ = True
TIME_ZONE = "UTC"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
LOGGING_CONFIG = None

INSTALLED_APPS = [
    "jetbridge.control",
    "jetbridge.delivery",
    "jetbridge.destinations.mailjet",
]

DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": CONFIG.state_path,
        "OPTIONS": {
            "timeout": 30,
            # Take the write lock at BEGIN: a transaction that reads first and writes later would otherwise
            # fail with SQLITE_BUSY when another process wrote in between.
            "transaction_mode": "IMMEDIATE",
            "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA cache_size=-32000;",
        },
    }
}
