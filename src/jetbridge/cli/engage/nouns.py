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
    #: What `explain` and `preview` do.
    explain: str
    preview: str
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
    explain="Say whether a person is in an audience now, and why: each condition with its figures.",
    preview="Count whom a definition would have now, and show ten of them with the reasons.",
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
    explain="Say which value of a computed trait a person has now, and what it is made of.",
    preview="Count who would have a value by a definition now, and show ten of them with theirs.",
    name="Lifetime value",
    definition='{"computed": "sum", "event": "Order Completed", "property": "total"}',
    key="lifetime_value",
)
