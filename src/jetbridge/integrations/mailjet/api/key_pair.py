"""A Mailjet key pair that a person has entered: the two look alike, and are often entered the other way round."""

from jetbridge.errors import DeliveryError, PauseError
from jetbridge.http.client import PAGE_SECONDS
from jetbridge.integrations.mailjet.api.client import MailjetClient


class PairSwapped(PauseError):
    """Mailjet refuses the pair, and takes it the other way round."""

    def __init__(self) -> None:
        super().__init__(
            "INVALID_AUTHENTICATION",
            "Mailjet refuses this pair and takes it the other way round: what was entered as the API key is the secret key. "
            "Exchange the two. Nothing was stored.",
        )


def try_pair(api_url: str, api_key: str, secret_key: str, *, seconds: float = PAGE_SECONDS) -> None:
    """Ask Mailjet whether it takes the pair. Blocks. Raises PairSwapped, else DeliveryError."""
    try:
        MailjetClient(api_url, api_key, secret_key, timeout_seconds=seconds).user()
    except PauseError as refused:
        if refused.code != "INVALID_AUTHENTICATION" or api_key == secret_key:
            raise
        try:
            MailjetClient(api_url, secret_key, api_key, timeout_seconds=seconds).user()
        except DeliveryError:
            raise refused from None
        raise PairSwapped from None
