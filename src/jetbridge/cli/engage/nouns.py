"""What differs between the commands of audiences and those of computed traits: words, and examples."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Noun:
    """`command` is the group's name; `a` and `plural` what help and messages say."""

    command: str
    #: A value of `ComputationClass`.
    computation_class: str
    singular: str
    a: str
    plural: str
    #: Who is in it.
    people: str
    #: A name and a definition, for examples.
    name: str
    definition: str
    key: str


AUDIENCES = Noun(
    command="audiences",
    computation_class="audience",
    singular="audience",
    a="an audience",
    plural="audiences",
    people="members",
    name="Buyers",
    definition='{"event": "Order Completed", "within": "30d"}',
    key="buyers",
)
TRAITS = Noun(
    command="traits",
    computation_class="trait",
    singular="computed trait",
    a="a computed trait",
    plural="computed traits",
    people="people who have a value",
    name="Lifetime value",
    definition='{"computed": "sum", "event": "Order Completed", "property": "total"}',
    key="lifetime_value",
)
