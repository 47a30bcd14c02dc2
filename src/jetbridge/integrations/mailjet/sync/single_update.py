"""Telling Mailjet about one contact, list by list: what one list refuses or does not answer, the others take."""

from collections.abc import Mapping

from jetbridge.errors import DeliveryError, PermanentError, TransientError
from jetbridge.integrations.mailjet.api.errors import EmailRejected, NotFound, PropertiesRejected
from jetbridge.integrations.mailjet.api.resources import REMOVE
from jetbridge.integrations.mailjet.contacts.contact import Contact, save_sent
from jetbridge.integrations.mailjet.contacts.state import ContactUpdate, Delivered, difference
from jetbridge.integrations.mailjet.sync.account import Account, ListReplaced, ListUnknown
from jetbridge.integrations.mailjet.sync.address_change import leave
from jetbridge.integrations.mailjet.sync.list_circuit import NO_LIST, ListCircuit, ListGone
from jetbridge.integrations.mailjet.sync.prepare import Prepared, carrier_lists, has_no_list, prepare
from jetbridge.integrations.mailjet.sync.results import RevertibleFailure, revert_failures
from jetbridge.text import for_editors

#: How often refused properties are rejected and the rest sent again, before the contact itself fails.
ROUNDS = 3
#: The answer that is about the key, and about no list.
TOO_MANY_REQUESTS = "TOO_MANY_REQUESTS"
#: What a contact's history calls this path, and telling it by way of no list.
CALL, CALLS_WITHOUT_LIST = "managecontact", "contact, contactdata"


class ContactUpdater:
    """`run` says all there is to say, setting aside what Mailjet rejects. Afterwards `sent` is what it took,
    `refused` are lists that will not have the contact, `transient_failures` those that failed for now.
    """

    def __init__(self, account: Account, contact: Contact, *, only_leaves: bool = False) -> None:
        """`only_leaves`: lists are left, and the rest waits for a job."""
        self._account = account
        self._contact = contact
        self._change = difference(contact.desired, contact.delivered) or ContactUpdate({}, {}, None)
        if only_leaves:
            left = {list_id: action for list_id, action in self._change.lists.items() if action == REMOVE}
            self._change = ContactUpdate({}, left, None)
        self._rejected: dict[str, str] = {}
        self.prepared = self._prepare()
        self.sent = Delivered()
        self.refused: dict[int, DeliveryError] = {}
        self.revertible_failures: dict[int, RevertibleFailure] = {}
        self.transient_failures: dict[int, TransientError] = {}
        self._has_carried = False
        #: What the contact's history calls it: the calls that were made.
        self.calls = CALL

    def run(self) -> None:
        """Raises EmailRejected, and whatever is about the account and no list of it."""
        lists = self.prepared.lists
        if self.prepared.needs_call:
            save_sent([(self._contact, self.prepared.sent)])
            self._leave([list_id for list_id, action in lists.items() if action == REMOVE])
            for list_id, action in lists.items():
                if action != REMOVE:
                    self._try(list_id, action)
            self._send_via_other_list()
            if not self.has_sent_properties and has_no_list(self._contact, self._change):
                self._send_without_list()
        if self.has_sent_properties:
            sent = self.prepared.sent
            self.sent.values, self.sent.rejected, self.sent.name = sent.values, sent.rejected, sent.name

    @property
    def has_sent_properties(self) -> bool:
        """Or there were none to be told."""
        named = self.prepared.sent.name is not None
        return self._has_carried or not (self.prepared.properties or named or self._change_is_open)

    @property
    def summary(self) -> str:
        """What was told, in short, for the contact's history."""
        properties = ", ".join(sorted(self.prepared.properties))[:200] if self._has_carried else ""
        lists = [f"{action} on list {list_id}" for list_id, action in self.sent.lists.items()]
        return "; ".join(part for part in (properties, *lists) if part)

    @property
    def _change_is_open(self) -> bool:
        """Whether values wait because there was no list by way of which to tell them."""
        sent = self.prepared.sent
        return not self._change.values.keys() <= sent.values.keys() | sent.rejected.keys()

    def _prepare(self) -> Prepared:
        types, change = self._account.types, self._change
        datatypes = types.for_values([change.values])
        open_lists = self._account.circuits.open_lists()
        prepared = prepare(self._contact, change, datatypes, types.not_created, open_lists)
        for name, sentence in self._rejected.items():
            if prepared.properties.pop(name, None) is not None:
                prepared.sent.rejected[name] = prepared.sent.values.pop(name)
                prepared.rejected_properties.append((name, sentence))
        return prepared

    def _leave(self, lists: list[int]) -> None:
        if not lists:
            return
        circuit = self._account.circuits[NO_LIST]
        try:
            leave(self._account, self._contact, lists)
        except TransientError as error:
            self._record_transient_failure(circuit, error)
        except PermanentError as error:
            for list_id in lists:
                self._refuse(circuit, list_id, error)
        else:
            circuit.record_success()
            self.sent.lists.update(dict.fromkeys(lists, REMOVE))

    def _try(self, list_id: int, action: str) -> None:
        circuit = self._account.circuits[list_id]
        try:
            self._put(list_id, action)
        except TransientError as error:
            self._record_transient_failure(circuit, error)
        except EmailRejected:
            raise
        except PermanentError as error:
            self._refuse(
                circuit, list_id, self._account.list_trouble(list_id, error, [self._contact.pending])
            )
        else:
            circuit.record_success()
            if list_id in self.prepared.sent.lists:
                self.sent.lists[list_id] = action

    def _send_via_other_list(self) -> None:
        """Send the properties by way of a list that nothing else is to be told of."""
        tried = {*self.prepared.lists, *self._account.circuits.open_lists()}
        for list_id, action in carrier_lists(self._contact, tried):
            if self.has_sent_properties:
                return
            self._try(list_id, action)

    def _send_without_list(self) -> None:
        """Send the properties by way of no list."""
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
                self._refuse(circuit, list_id, error)
        else:
            circuit.record_success()
            self._has_carried = True

    def _put(self, list_id: int, action: str) -> None:
        if not self._has_carried:
            self._send_with_properties(list_id, action)
            return
        try:
            self._account.client.managecontactslists(self._contact.email, {list_id: action})
        except NotFound as error:  # it is the contact that is not found here (mailjet-apiv3-nodejs#110)
            raise TransientError(error.code, "Mailjet does not see the new contact yet.") from error

    def _send_with_properties(self, list_id: int, action: str) -> None:
        """The call that brings the properties."""
        for _ in range(ROUNDS):
            try:
                self._account.client.managecontact(list_id, {"Action": action, **self.prepared.row})
            except PropertiesRejected as error:
                self._rejected.update(self._select_rejected(error))
                self.prepared = self._prepare()
            else:
                self._has_carried = True
                return
        names = ", ".join(self._rejected)
        raise PermanentError(
            "INVALID_PROPERTY", f"Mailjet keeps refusing properties of the contact: {names}."
        )

    def _select_rejected(self, error: PropertiesRejected) -> Mapping[str, str]:
        """What to leave out of the next try. Raises TransientError for a property that Mailjet will see soon."""
        types, sent = self._account.types, self.prepared.properties
        known = dict(types.for_values([]))
        refused = {name: words for name, words in error.properties.items() if name in sent}
        if not refused:
            raise PermanentError(error.code, str(error), status=error.status, answer=error.answer) from error
        types.refresh()
        if types.for_values([]) != known:
            return {}  # somebody changed a type meanwhile: fit the values again
        unseen = [name for name, words in refused.items() if "not defined" in words.lower()]
        if unseen and self._contact.attempts < ROUNDS:
            raise TransientError(
                "INVALID_KEY_NAME", f"Mailjet does not see the new contact property {unseen[0]!r} yet."
            ) from error
        return {name: f"Mailjet says: {for_editors(words)}" for name, words in refused.items()}

    def _record_transient_failure(self, circuit: ListCircuit, error: TransientError) -> None:
        if error.code == TOO_MANY_REQUESTS:
            raise error
        circuit.record_transient_failure(error)
        self.transient_failures[circuit.list_id] = error

    def _refuse(self, circuit: ListCircuit, list_id: int, error: DeliveryError) -> None:
        """Let the messages for a list fail, unless it is the list that is wrong: then they wait for its circuit."""
        if isinstance(error, ListGone):
            circuit.open(error)
            return
        if isinstance(error, ListReplaced):
            self.transient_failures[list_id] = error
            return
        if isinstance(error, ListUnknown):  # the call's own fault beyond doubt, so no business of the breaker
            circuit.record_response()
            self.refused[list_id] = error
            return
        failure = RevertibleFailure(self._contact.email, {}, error.code)
        earlier = circuit.record_rejection(error, failure)
        if earlier is None:
            self.refused[list_id] = error
            self.revertible_failures[list_id] = failure
        else:
            revert_failures(self._account.id, self._account.now(), earlier)
