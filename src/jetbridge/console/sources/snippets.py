"""The first message, ready to be pasted: for each library with the host and the write key filled in.

docs/ingest.md has the same calls; tests run Segment's own libraries against the endpoints.
"""

from typing import NamedTuple


class Snippet(NamedTuple):
    """`install` comes before the code, in a shell."""

    id: str
    label: str
    install: str
    code: str


_PYTHON = """\
from segment.analytics import Client

analytics = Client("{write_key}", host="{host}")
analytics.identify("user-1", {{"email": "ada@example.com", "plan": "pro"}})
analytics.track("user-1", "Order Completed", {{"total": 9.5}})
analytics.shutdown()  # sends what waits"""

_NODE = """\
import {{ Analytics }} from '@segment/analytics-node'

const analytics = new Analytics({{
  writeKey: '{write_key}',
  host: '{host}',
}})
analytics.identify({{ userId: 'user-1', traits: {{ email: 'ada@example.com', plan: 'pro' }} }})
analytics.track({{ userId: 'user-1', event: 'Order Completed', properties: {{ total: 9.5 }} }})
await analytics.closeAndFlush()  // sends what waits"""

_BROWSER = """\
import {{ AnalyticsBrowser }} from '@segment/analytics-next'

const analytics = AnalyticsBrowser.load({{
  writeKey: '{write_key}',
  cdnURL: '{host}',
}})
analytics.identify('user-1', {{ email: 'ada@example.com', plan: 'pro' }})
analytics.track('Order Completed', {{ total: 9.5 }})"""

_CURL = """\
curl {host}/v1/identify -u {write_key}: \\
     -d '{{"userId": "user-1", "traits": {{"email": "ada@example.com", "plan": "pro"}}}}'"""

_ALL = (
    Snippet("curl", "curl", "", _CURL),
    Snippet("python", "Python", "pip install segment-analytics-python", _PYTHON),
    Snippet("node", "Node", "npm install @segment/analytics-node", _NODE),
    Snippet("browser", "Browser", "npm install @segment/analytics-next", _BROWSER),
)


def snippets(host: str, write_key: str) -> list[Snippet]:
    return [each._replace(code=each.code.format(host=host, write_key=write_key)) for each in _ALL]
