"""The resources under ``/v3/REST``: families of resources, and the rules that they share in ``resource.py``."""
