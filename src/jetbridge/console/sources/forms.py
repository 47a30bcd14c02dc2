"""Forms of sources."""

from django import forms


class NameForm(forms.Form):
    name = forms.CharField(
        max_length=200,
        help_text="What sends its messages here: Website, Shop backend, iOS app.",
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )
