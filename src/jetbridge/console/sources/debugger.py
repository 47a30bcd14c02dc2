"""The debugger of a source: the event log itself, newest first, live; and one message of it."""

from functools import partial

from django.http import Http404, HttpResponse
from django.shortcuts import render
from django.template.loader import render_to_string

from jetbridge.console.access import MemberRequest
from jetbridge.console.live_response import LiveResponse
from jetbridge.console.sources import live
from jetbridge.console.sources.live import News, Watch
from jetbridge.console.sources.page import live_source_view, source_view
from jetbridge.control.models import Source
from jetbridge.control.people import Role
from jetbridge.engage import queries
from jetbridge.services.log import event_log
from jetbridge.services.queries import message_detail
from jetbridge.services.queries.messages import PAGES, page_of
from jetbridge.services.queries.search_params import OUTCOMES, TYPES, SearchParams
from jetbridge.spec.untrusted import whole_number


@source_view
def debugger(request: MemberRequest, source: Source) -> HttpResponse:
    """`?q=&type=&outcome=` choose, `?before=` goes on; params for as a part, only the rows that come next."""
    params = SearchParams.of(request.GET.dict())
    with event_log() as log:
        page = page_of(log, source, params)
    context = {
        "source": source,
        "asked": params,
        "page": page,
        "types": TYPES,
        "outcomes": OUTCOMES,
        "live_query": params.query(after=page.end) or f"after={page.end}",
        "older": params.query(before=page.before),
        "more": params.query(before=page.before, pages=params.pages + 1),
        "by_itself": page.goes_on and params.pages < PAGES,
        "filters": params.query(),
    }
    part = "part" in request.GET and request.htmx
    return render(request, f"console/sources/{'more' if part else 'debugger'}.html", context)


@live_source_view
async def watch(request: MemberRequest, source: Source) -> LiveResponse:
    """`?after=` a position, or where the browser says it was when the connection broke."""
    told = request.headers.get("Last-Event-ID") or request.GET.get("after", "")
    after = whole_number(told) or 0
    params = SearchParams.of(request.GET.dict())
    watch_of = partial(Watch, source=source, params=params, position=after)
    return LiveResponse(request, partial(live.feed, watch_of, partial(_draw, source)))


@source_view
def message(request: MemberRequest, source: Source, position: int) -> HttpResponse:
    with event_log() as log:
        record = message_detail.find(log, source, position)
        if record is None:
            raise Http404
        shown = message_detail.detail_of(log, source, record)
    context = {
        "source": source,
        "shown": shown,
        "facts": message_detail.facts(shown),
        "person": _person(request, shown),
    }
    return render(request, "console/sources/message.html", context)


def _person(request: MemberRequest, shown: message_detail.MessageDetail) -> str:
    """By what Engage may know whom the message is about; "" where nobody may look or nothing is kept."""
    message = shown.message
    if (
        message is None
        or not request.membership.may(Role.EDITOR)
        or queries.space_of(request.workspace) is None
    ):
        return ""
    if message.user_id:
        return f"user_id:{message.user_id}"
    return (
        f"anonymous_id:{message.anonymous_id}"
        if message.anonymous_id and "@" not in message.anonymous_id
        else shown.row.who
    )


def _draw(source: Source, news: News) -> str:
    context = {
        "rows": news.rows,
        "changed_rows": news.changed,
        "skipped": news.skipped,
        "source": source,
        "workspace": source.workspace,
    }
    return render_to_string("console/sources/news.html", context)
