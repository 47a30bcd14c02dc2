import re
from typing import TYPE_CHECKING, Any

import urllib3

if TYPE_CHECKING:
    from conftest import Box


def page(box: "Box") -> Any:
    response = urllib3.request("GET", f"{box.url}/", retries=False, timeout=60)
    assert response.status == 200
    return response


def test_page_shows_what_the_account_holds_without_a_key(box: "Box") -> None:
    list_id = box.new_list("Customers")
    box.define(plan="str", vip="bool")
    box.manage(list_id, "ann@example.com", plan="pro", vip=True)
    box.post("eventcallbackurl", {"EventType": "open", "Url": "https://jet:hush@hooks.example.com/x?a=1"})

    text = page(box).data.decode()

    for expected in (
        "<td>Customers</td>",
        "<td>ann@example.com</td>",
        "<i>plan</i> pro",
        "<i>vip</i> true",
        "https://jet:•••@hooks.example.com/x?a=1",
        f"<td>/v3/REST/contactslist/{list_id}/managecontact</td>",
    ):
        assert expected in text
    assert "hush" not in text
    assert "secret" not in text


def test_everything_is_escaped(box: "Box") -> None:
    evil = "<script>alert('x')</script>&\""
    list_id = box.new_list(evil)
    box.define(plan="str")
    box.manage(list_id, "a@example.com", plan=evil)
    box.put("contact/a@example.com", {"Name": evil})
    box.campaign(list_id, subject=evil)
    box.post("eventcallbackurl", {"Url": "http://h.example.com/<script>"})
    mail = {"From": {"Email": "s@example.com"}, "To": [{"Email": "a@example.com"}], "TextPart": "x"}
    box.call("POST", "/v3.1/send", {"Messages": [{**mail, "CustomCampaign": evil, "Subject": evil}]})
    box.call("GET", "/v3/REST/<script>")

    text = page(box).data.decode()

    assert "<script" not in text
    assert text.count("&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt;&amp;&#34;") == 7


def test_tables_are_bounded(box: "Box") -> None:
    for number in range(60):
        box.new_list(f"List {number}")

    text = page(box).data.decode()

    assert "50 of 60" in text
    assert len(re.findall(r"<td>List \d+</td>", text)) == 50


def test_page_runs_and_loads_nothing(box: "Box") -> None:
    response = page(box)

    assert response.headers["Content-Security-Policy"] == "default-src 'none'; style-src 'unsafe-inline'"
    assert 'http-equiv="refresh"' in response.data.decode()


def test_a_fault_shows_the_fields_that_were_set(box: "Box") -> None:
    fault = {"kind": "status", "status": 503, "rate": 0.5}
    assert box.call("POST", "/sandbox/faults", fault).status == 201

    text = page(box).data.decode()

    assert re.findall(r"<i>(\w+)</i> ([\w.]+)", text) == [("rate", "0.5"), ("status", "503")]
