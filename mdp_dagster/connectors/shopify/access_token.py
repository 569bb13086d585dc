"""The access token of one shop: given in the settings, or fetched with the app's client credentials."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta, timezone

from mdp_dagster.connectors.errors import AccountError, ConnectorError, PlatformError
from mdp_dagster.connectors.shopify.errors import UnauthorizedError, http_error, parse_object
from mdp_dagster.connectors.shopify.settings import ShopifySettings
from mdp_dagster.connectors.shopify.shop_domain import SUFFIX
from mdp_dagster.connectors.shopify.shop_http import ShopHttp

_RENEW_BEFORE = timedelta(minutes=10)
_REMEDY = (
    "set SHOPIFY_CLIENT_ID and SHOPIFY_CLIENT_SECRET to those of the app in the Dev Dashboard, or SHOPIFY_ACCESS_TOKEN"
)


class AccessToken:
    """The token of a shop. It is fetched when it is first needed, and again when it expires.

    Args:
        shop: The shop's name, without ``.myshopify.com``.
        settings: The credentials.
        http: Sends the request for a token.
        redact: Removes secrets from text.
    """

    def __init__(self, shop: str, settings: ShopifySettings, http: ShopHttp, redact: Callable[[str], str]) -> None:
        self._shop = shop
        self._settings = settings
        self._http = http
        self._redact = redact
        self._fetched = ""
        self._expires: datetime | None = None

    @property
    def fetched(self) -> str:
        """The newest token that was fetched, for redaction; empty if there is none."""
        return self._fetched

    def get(self) -> str:
        """Returns the token.

        Raises:
            PlatformError: The credentials are missing, or Shopify does not accept them.
            AccountError: Shopify does not accept them for this shop.
            TransientError: Shopify could not be reached.
        """
        fixed = self._settings.access_token.get_secret_value().strip() if self._settings.access_token else ""
        if fixed and not self._has_credentials:
            return fixed
        if not self._has_credentials:
            raise PlatformError("no Shopify credentials are set", _REMEDY)
        if not self._fetched or (self._expires and datetime.now(timezone.utc) > self._expires - _RENEW_BEFORE):
            self._fetch()
        return self._fetched

    def renew(self, error: UnauthorizedError) -> None:
        """Fetches a new token after Shopify refused the last one.

        Raises:
            UnauthorizedError: The token comes from the settings, so MDP can't fetch another one.
        """
        if not self._has_credentials:
            raise AccountError(
                error.message,
                "set SHOPIFY_ACCESS_TOKEN to this shop's own token; for several shops, set SHOPIFY_CLIENT_ID and "
                "SHOPIFY_CLIENT_SECRET instead",
            )
        self._fetch()

    @property
    def _has_credentials(self) -> bool:
        return bool(self._settings.client_id and self._settings.client_secret)

    def _fetch(self) -> None:
        from shopify_app import ShopifyApp

        assert self._settings.client_id and self._settings.client_secret
        app = ShopifyApp(self._settings.client_id.strip(), self._settings.client_secret.get_secret_value().strip())
        subject = f"{self._shop}{SUFFIX}: no access token"
        failure: ConnectorError | None = None
        try:
            result = app.exchange_using_client_credentials(self._shop, http_client=self._http)
            if result.ok and result.access_token and result.access_token.token:
                self._fetched = result.access_token.token
                self._expires = _instant(result.access_token.expires)
                return
        except Exception as error:
            # The package fails with any type of exception on unexpected bodies. An answer that arrived is judged below.
            if self._http.answer is None and self._http.failure is None:
                failure = PlatformError(f"{subject}: {self._redact(str(error))}", "check SHOPIFY_API_URL")
        # Outside the handler: the package's exceptions and results hold the request, with the secret.
        raise failure or self._refusal(subject)

    def _refusal(self, subject: str) -> ConnectorError:
        answer = self._http.answer
        if answer is None:
            return self._http.no_answer(subject, self._redact)
        body = parse_object(answer.content) or {}
        if answer.status_code == 200:
            return PlatformError(f"{subject}: the answer has no token", "check SHOPIFY_API_URL")
        error, code = http_error(answer, subject, self._redact), str(body.get("error") or "")
        if code in ("invalid_client", "application_cannot_be_found") or answer.status_code == 401:
            return PlatformError(f"{error.message} ({code})" if code else error.message, _REMEDY)
        if code and answer.status_code in (400, 403):
            remedy = "install the app in this shop, which must belong to the same organization as the app"
            return AccountError(f"{error.message} ({code})", remedy)
        return error


def _instant(text: str | None) -> datetime | None:
    if not text:
        return None
    try:
        return datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=timezone.utc)
    except ValueError:
        return None
