"""The path for a few contacts: `managecontact`, which responds at once and names what it rejects.

Each list has a call of its own: what one list rejects or does not respond to, the others still get.

Also the careful path, for contacts whose address changes, so that no unsubscribe is lost. Before an address takes over from
another, the other's unsubscribes are looked up: a change of address is no new consent. Before one leaves a list, it is looked up
whether it has unsubscribed there: Mailjet's `remove` would forget that.
"""

from collections.abc import Mapping

from jetbridge.errors import DeliveryError, PermanentError, TransientError
from jetbridge.integrations.mailjet.api.errors import (
    EmailRejected,
    ListsRejected,
    NotFound,
    PropertiesRejected,
)
from jetbridge.integrations.mailjet.api.resources import (
    ADDNOFORCE,
    REMOVE,
    UNSUB,
    Subscription,
)
from jetbridge.integrations.mailjet.contacts import pending
from jetbridge.integrations.mailjet.contacts.contact import Contact, load_recording_unreadable, save_sent
from jetbridge.integrations.mailjet.contacts.queries import count_rejected_values
from jetbridge.integrations.mailjet.contacts.state import (
    UNKNOWN,
    ContactUpdate,
    Delivered,
    Desired,
    difference,
)
from jetbridge.integrations.mailjet.sync.account import (
    NO_LIST,
    Account,
    ListCircuit,
    ListGone,
    ListReplaced,
    ListUnknown,
)
from jetbridge.integrations.mailjet.sync.prepare import (
    Prepared,
    carrier_lists,
    has_no_list,
    is_cleared_by_job,
    prepare,
)
from jetbridge.integrations.mailjet.sync.remote import moment, unsubscribes_of
from jetbridge.integrations.mailjet.sync.results import (
    SINGLE_CALL,
    TOO_MANY_REQUESTS,
    ContactUpdateResult,
    acknowledge_single,
    exhausted_error,
    lookup_failed,
    next_attempt_at,
    reject,
    request_of,
    revert_failures,
)
from jetbridge.text import for_editors

#: How often rejected properties are left out and the rest sent again, before the contact itself fails.
ROUNDS = 3
#: What a contact's history calls the update by way of no list.
CALLS_WITHOUT_LIST = "contact, contactdata"
#: How far Mailjet's clock may be from ours.
MAX_CLOCK_SKEW_MS = 600_000


def update_singly(account: Account, contact: Contact) -> None:
    """Bring one contact to its desired state, as far as its lists accept it, and acknowledge it.

    Raises TransientError or PauseError that is about the account, and no error of a list or of the contact.
    """
    superseded = list(contact.desired.superseded)
    try:
        learned = former_unsubscribes(account, contact)
        already_on = already_subscribed(account, contact)
    except (TransientError, PermanentError) as error:
        lookup_failed(account, contact, error)
        return
    for list_id, at in learned.items():
        contact.desired.unsubscribe(list_id, at)
    by_job = is_cleared_by_job(contact, account.types.for_values([]))
    updater = ContactUpdater(account, contact, only_leaves=by_job)
    try:
        updater.run()
    except EmailRejected as error:  # it is the address that is wrong, and never a list
        reject(account, contact, error)
        return

    prepared = updater.prepared
    count_rejected_values(
        account.id, [(*rejection, contact.email) for rejection in prepared.rejected_properties]
    )
    result = ContactUpdateResult(
        contact.email,
        {} if by_job else contact.pending,
        updater.sent,
        by=updater.calls if prepared.needs_call else "",
        response=updater.summary,
        learned=learned,
        superseded=superseded,
        already_on=already_on,
        rejected_lists=dict(updater.rejected_lists),
        unsent_properties=not updater.has_sent_properties,
    )
    for list_id, failure in updater.transient_failures.items():
        if isinstance(failure, ListReplaced):
            result.retry_at = account.now()
        elif exhausted := exhausted_error(account, contact, account.circuits[list_id], failure):
            result.rejected_lists[list_id] = exhausted
        else:
            result.retry_at = next_attempt_at(account, contact, failure)
    if (
        result.unsent_properties
        and result.rejected_lists
        and result.retry_at is None
        and not account.circuits.open_lists()
    ):
        last = list(result.rejected_lists.values())[-1]
        result.rejected_lists = dict.fromkeys(pending.lists(contact.pending), last) | result.rejected_lists
    if result.is_partial:
        result.pending, result.superseded, result.request = contact.pending, (), request_of(contact)
        for list_id, rejection in updater.revertible_failures.items():
            rejection.pending = pending.of_list(contact.pending, list_id)
    acknowledge_single(account.id, account.now(), result)


class ContactUpdater:
    """`run` sends all changes of one contact, and leaves out what Mailjet rejects. Afterwards `sent` is what it accepted,
    `rejected_lists` are lists that reject the contact, `transient_failures` those that failed transiently.
    """

    def __init__(self, account: Account, contact: Contact, *, only_leaves: bool = False) -> None:
        """`only_leaves`: lists are left, and the rest waits for a job."""
        self._account = account
        self._contact = contact
        self._change = difference(contact.desired, contact.delivered) or ContactUpdate({}, {}, None)
        if only_leaves:
            left = {list_id: action for list_id, action in self._change.lists.items() if action == REMOVE}
            self._change = ContactUpdate({}, left, None)
        self._rejected_properties: dict[str, str] = {}
        self.prepared = self._prepare()
        self.sent = Delivered()
        self.rejected_lists: dict[int, DeliveryError] = {}
        self.revertible_failures: dict[int, ContactUpdateResult] = {}
        self.transient_failures: dict[int, TransientError] = {}
        self._has_carried = False
        #: What the contact's history calls it: the calls that were made.
        self.calls = SINGLE_CALL

    def run(self) -> None:
        """Raises EmailRejected, and every error that is about the account and no list of it."""
        lists = self.prepared.lists
        if self.prepared.needs_call:
            save_sent([(self._contact, self.prepared.sent)])
            if left := [list_id for list_id, action in lists.items() if action == REMOVE]:
                self._leave(left)
            for list_id, action in lists.items():
                if action != REMOVE:
                    self._send_to_list(list_id, action)
            # Properties that no list has carried yet go by way of a list without a change.
            tried = {*self.prepared.lists, *self._account.circuits.open_lists()}
            for list_id, action in carrier_lists(self._contact, tried):
                if self.has_sent_properties:
                    break
                self._send_to_list(list_id, action)
            if not self.has_sent_properties and has_no_list(self._contact, self._change):
                self._send_without_list()
        if self.has_sent_properties:
            sent = self.prepared.sent
            self.sent.values, self.sent.rejected, self.sent.name = sent.values, sent.rejected, sent.name

    @property
    def has_sent_properties(self) -> bool:
        """Or there were none to send."""
        sent = self.prepared.sent
        # Values wait if there was no list by way of which to send them.
        is_waiting = not self._change.values.keys() <= sent.values.keys() | sent.rejected.keys()
        return self._has_carried or not (self.prepared.properties or sent.name is not None or is_waiting)

    @property
    def summary(self) -> str:
        """What was sent, in short, for the contact's history."""
        properties = ", ".join(sorted(self.prepared.properties))[:200] if self._has_carried else ""
        lists = [f"{action} on list {list_id}" for list_id, action in self.sent.lists.items()]
        return "; ".join(part for part in (properties, *lists) if part)

    def _prepare(self) -> Prepared:
        types, change = self._account.types, self._change
        datatypes = types.for_values([change.values])
        open_lists = self._account.circuits.open_lists()
        prepared = prepare(self._contact, change, datatypes, types.not_created, open_lists)
        for name, message in self._rejected_properties.items():
            if prepared.properties.pop(name, None) is not None:
                prepared.sent.rejected[name] = prepared.sent.values.pop(name)
                prepared.rejected_properties.append((name, message))
        return prepared

    def _leave(self, lists: list[int]) -> None:
        circuit = self._account.circuits[NO_LIST]
        try:
            leave_lists(self._account, self._contact, lists)
        except TransientError as error:
            self._record_transient_failure(circuit, error)
        except PermanentError as error:
            for list_id in lists:
                self._record_rejection(circuit, list_id, error)
        else:
            circuit.record_success()
            self.sent.lists.update(dict.fromkeys(lists, REMOVE))

    def _send_to_list(self, list_id: int, action: str) -> None:
        """With the properties, unless another list has carried them."""
        circuit = self._account.circuits[list_id]
        try:
            if self._has_carried:
                try:
                    self._account.client.managecontactslists(self._contact.email, {list_id: action})
                except (
                    NotFound
                ) as error:  # it is the contact that is not found here (mailjet-apiv3-nodejs#110)
                    raise TransientError(error.code, "Mailjet does not see the new contact yet.") from error
            else:
                self._send_with_properties(list_id, action)
        except TransientError as error:
            self._record_transient_failure(circuit, error)
        except EmailRejected:
            raise
        except PermanentError as error:
            list_error = self._account.list_error(list_id, error, [self._contact.pending])
            self._record_rejection(circuit, list_id, list_error)
        else:
            circuit.record_success()
            if list_id in self.prepared.sent.lists:
                self.sent.lists[list_id] = action

    def _send_with_properties(self, list_id: int, action: str) -> None:
        for _ in range(ROUNDS):
            try:
                self._account.client.managecontact(list_id, {"Action": action, **self.prepared.row})
            except PropertiesRejected as error:
                self._rejected_properties.update(self._select_rejected(error))
                self.prepared = self._prepare()
            else:
                self._has_carried = True
                return
        names = ", ".join(self._rejected_properties)
        raise PermanentError(
            "INVALID_PROPERTY", f"Mailjet keeps rejecting properties of the contact: {names}."
        )

    def _send_without_list(self) -> None:
        circuit, row = self._account.circuits[NO_LIST], self.prepared.row
        self.calls = CALLS_WITHOUT_LIST
        try:
            self._account.client.upsert_contact(row["Email"], row.get("Name"), self.prepared.properties)
        except NotFound as error:
            self._record_transient_failure(
                circuit, TransientError(error.code, "Mailjet does not see the new contact yet.")
            )
        except TransientError as error:
            self._record_transient_failure(circuit, error)
        except EmailRejected:
            raise
        except PermanentError as error:
            for list_id in self._contact.desired.lists:
                self._record_rejection(circuit, list_id, error)
        else:
            circuit.record_success()
            self._has_carried = True

    def _select_rejected(self, error: PropertiesRejected) -> Mapping[str, str]:
        """What to leave out of the next try. Raises TransientError for a property that Mailjet will see soon."""
        types, sent = self._account.types, self.prepared.properties
        datatypes = dict(types.for_values([]))
        rejected = {name: reason for name, reason in error.properties.items() if name in sent}
        if not rejected:
            raise PermanentError(
                error.code, str(error), status=error.status, response=error.response
            ) from error
        types.refresh()
        if types.for_values([]) != datatypes:
            return {}  # somebody changed a type meanwhile: fit the values again
        unseen = [name for name, reason in rejected.items() if "not defined" in reason.lower()]
        if unseen and self._contact.attempts < ROUNDS:
            raise TransientError(
                "INVALID_KEY_NAME", f"Mailjet does not see the new contact property {unseen[0]!r} yet."
            ) from error
        return {name: f"Mailjet says: {for_editors(reason)}" for name, reason in rejected.items()}

    def _record_transient_failure(self, circuit: ListCircuit, error: TransientError) -> None:
        if error.code == TOO_MANY_REQUESTS:
            raise error
        circuit.record_transient_failure(error)
        self.transient_failures[circuit.list_id] = error

    def _record_rejection(self, circuit: ListCircuit, list_id: int, error: DeliveryError) -> None:
        """Let the messages for a list fail, unless it is the list that is wrong: then they wait for its circuit."""
        if isinstance(error, ListGone):
            circuit.open(error)
            return
        if isinstance(error, ListReplaced):
            self.transient_failures[list_id] = error
            return
        if isinstance(
            error, ListUnknown
        ):  # it is the call that is wrong, so it does not count for the circuit
            circuit.record_response()
            self.rejected_lists[list_id] = error
            return
        failure = ContactUpdateResult(self._contact.email, {}, error=error)
        earlier = circuit.record_rejection(error, failure)
        if earlier is None:
            self.rejected_lists[list_id] = error
            self.revertible_failures[list_id] = failure
        else:
            revert_failures(self._account.id, self._account.now(), earlier)


# Lookups before an address changes or is added


def former_unsubscribes(account: Account, contact: Contact) -> dict[int, int]:
    """Lists of the contact on which a former address had unsubscribed, and when (ms). Raises DeliveryError."""
    former = load_recording_unreadable(account.id, contact.desired.superseded)
    unsubscribes = {}
    for email in contact.desired.superseded:
        desired = former[email].desired if email in former else Desired()
        for row in unsubscribes_of(account.client, email):
            action, requested_at = desired.lists.get(row.list_id, ("", 0))
            at = moment(row.unsubscribed_at)
            if action == UNSUB:  # known already: Jetbridge may have sent it itself, long after the call
                at = requested_at
            # Jetbridge unsubscribes an address that hard-bounced; an earlier unsubscribe is the person's own.
            is_own = not desired.bounced or (at is not None and at < desired.bounced)
            if is_own and row.list_id in contact.desired.lists:
                unsubscribes[row.list_id] = at or account.now()
    return unsubscribes


def already_subscribed(account: Account, contact: Contact) -> set[int]:
    """Lists of audiences that the contact is to be added to and is on already: another tool added it, unless a response
    to a call of ours was lost. Raises DeliveryError.
    """
    followed = contact.desired.followed_lists
    change = difference(contact.desired, contact.delivered) if followed else None
    adding = {
        list_id
        for list_id, action in (change.lists.items() if change else ())
        if action == ADDNOFORCE and list_id in followed and contact.delivered.lists.get(list_id) != UNKNOWN
    }
    if not adding:
        return adding
    return {row.list_id for row in _subscribed(account, contact.email) if row.list_id in adding}


def leave_lists(account: Account, contact: Contact, lists: list[int]) -> None:
    """Take an address off lists, unless it is not on them or has unsubscribed there. An opted-out address is
    unsubscribed instead: what Mailjet forgets, an import may subscribe again. Raises DeliveryError.
    """
    actions = {}
    for row in _subscribed(account, contact.email):
        # One that was on the list of an audience long before the job that was to add it stays.
        job_at, subscribed_at = contact.desired.joined.get(row.list_id, 0), moment(row.subscribed_at)
        was_on_before = subscribed_at is not None and subscribed_at < job_at - MAX_CLOCK_SKEW_MS
        if row.list_id in lists and not was_on_before:
            actions[row.list_id] = UNSUB if contact.desired.unsubscribed_from(row.list_id) else REMOVE
    while actions:
        try:
            account.client.managecontactslists(contact.email, actions)
        except NotFound:  # it was deleted meanwhile
            return
        except ListsRejected as error:  # no contact is on a list that is gone
            if error.lists.keys().isdisjoint(actions):
                raise
            actions = {list_id: action for list_id, action in actions.items() if list_id not in error.lists}
        else:
            return


def _subscribed(account: Account, email: str) -> list[Subscription]:
    return [row for row in account.client.getcontactslists(email) if row.is_active and not row.is_unsub]
