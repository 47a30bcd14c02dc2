"""A form's field for an email address. What is one is decided where the addresses of contacts are."""

from typing import Any

from django import forms
from django.core.exceptions import ValidationError

from jetbridge.spec.emails import normalise


class AddressField(forms.EmailField):
    """Gives the address in its one spelling."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.validators = []  # Django's takes other texts for addresses than we do

    def clean(self, value: Any) -> str:
        said = super().clean(value)
        address = normalise(said)
        if said and address is None:
            raise ValidationError(f"{said[:100]!r} is no email address. Write it like ada@example.com.")
        return address or ""
