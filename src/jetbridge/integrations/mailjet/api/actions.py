"""What can be done with a contact and a list (Mailjet's guide "Manage contacts").

addforce subscribes, even who had unsubscribed; addnoforce adds and leaves an unsubscribe alone; unsub keeps
the contact on the list as unsubscribed; remove takes it off and forgets that it had unsubscribed.
"""

ADDFORCE, ADDNOFORCE, REMOVE, UNSUB = ACTIONS = ("addforce", "addnoforce", "remove", "unsub")
