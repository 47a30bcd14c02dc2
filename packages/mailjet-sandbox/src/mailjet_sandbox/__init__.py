"""A Mailjet in a box: a local service that responds as Mailjet does, oddities included.

What it imitates, what is uncertain and what it chose is in ``docs/behaviour.md``.

Tags in comments tell how sure a fact is: [R] recorded from the real service, [D] Mailjet's documentation,
[S] an official client, [I] an issue or forum, [X] the sandbox's own choice where nothing is documented.
"""
