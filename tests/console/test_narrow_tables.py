"""On a telephone the cells of a table stand beside each other, and none reaches into its neighbour."""

import json
import urllib.request
from typing import Any

from django.urls import reverse

WIDER = """() => [...document.querySelectorAll(".table.stacks td")]
  .filter(cell => cell.scrollWidth > cell.clientWidth + 1).map(cell => cell.innerText)"""


def test_subscriptions_and_properties_of_a_contact_fit(served: Any, eventually: Any) -> None:
    traits = {"email": "ada@example.com", "unsubscribed": True, "interests": ["cups", "tea" * 20]}
    call = {"writeKey": served.joined.http_source.current_key, "userId": "ada", "traits": traits}
    urllib.request.urlopen(f"{served.url}/v1/identify", json.dumps(call).encode(), timeout=20).close()
    page = served.page
    page.set_viewport_size({"width": 390, "height": 844})
    path = reverse("destination-contacts", args=[served.workspace.id, served.joined.to_mailjet.id])

    def is_synced() -> bool:
        page.goto(f"{served.url}{path}?q=ada")
        return page.locator('td [title="unsub"]').count() == 2

    eventually(is_synced, "Mailjet has confirmed the unsubscribe")
    assert page.evaluate(WIDER) == []
