"""Which email events say that an address is to get no more mail, and for which lists."""

from jetbridge.integrations.mailjet.api.events import EmailEvent, happened_at_ms
from jetbridge.integrations.mailjet.contacts.consent import OptOut
from jetbridge.integrations.mailjet.events.track import truth
from jetbridge.spec.emails import written
from jetbridge.spec.untrusted import whole_number


def opt_out(event: EmailEvent, email: str, received_at: int) -> OptOut | None:
    """`unsub` (from one list, or from all when it names none), `spam`, and a bounce that is final.

    Times in ms. Source: Mailjet's Event API guide, fields `mj_list_id` and `hard_bounce`. Mailjet notes seconds:
    what was said in the same second counts as said before.
    """
    time = min(happened_at_ms(event, received_at) + 999, received_at)
    if event.event == "unsub":
        respelled = written(event.email or "") != email
        return OptOut(email, time, whole_number(event.mj_list_id) or None, respelled=respelled)
    if event.event == "spam":
        return OptOut(email, time)
    if event.event == "bounce" and truth(event.hard_bounce):
        return OptOut(email, time, bounced=True)
    return None
