"""One set of credentials, one channel per login customer, and the streamed query.

google-ads is imported on first use. Each ``get_service`` opens a channel. The import and the first channel take 1-2 s,
so channels are kept. Several threads may use one channel.
"""

from __future__ import annotations

import json
import logging
import re
import threading
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from pydantic import SecretStr

from mdp_dagster.addresses import secret_address_fault
from mdp_dagster.connectors.account_id_check import check_account_id
from mdp_dagster.connectors.call_deadline import within_deadline
from mdp_dagster.connectors.errors import ConnectorError, PlatformError, TransientError
from mdp_dagster.connectors.google_ads.errors import classify
from mdp_dagster.connectors.google_ads.settings import GoogleAdsSettings
from mdp_dagster.connectors.google_ads.source import SOURCE
from mdp_dagster.connectors.redaction import redact
from mdp_dagster.settings import secret_values

if TYPE_CHECKING:
    from mdp_dagster.connectors.google_ads.search_stream import Answer, SearchStream

logger = logging.getLogger(__name__)

_NO_CREDENTIALS = (
    "set GOOGLE_ADS_JSON_KEY_FILE_PATH to a service account's key file, or GOOGLE_ADS_CLIENT_ID, "
    "GOOGLE_ADS_CLIENT_SECRET and GOOGLE_ADS_REFRESH_TOKEN, "
    "or GOOGLE_ADS_USE_APPLICATION_DEFAULT_CREDENTIALS=true"
)
_CHECK_HEADERS = "check that GOOGLE_ADS_DEVELOPER_TOKEN has letters and digits only, and check GOOGLE_ADS_ENDPOINT"
_TOKEN_ADDRESS = "https://oauth2.googleapis.com/token"
_KEY_FILE_FIELDS = ("client_email", "token_uri", "private_key")


class GoogleAdsClients:
    """Google Ads for one set of settings. Makes no request before ``stream`` is called."""

    def __init__(self, settings: GoogleAdsSettings, token_seconds: float = 60.0) -> None:
        self._settings = settings
        self._token_seconds = token_seconds
        self._lock = threading.Lock()
        self._credentials: Any = None
        self._streams: dict[str, SearchStream] = {}

    @property
    def login_customer_id(self) -> str:
        """The manager that requests go through, from the settings; empty if there is none."""
        text = re.sub(r"[\s-]", "", self._settings.login_customer_id or "")
        if text and not (text.isascii() and text.isdigit()):
            raise PlatformError(
                f"GOOGLE_ADS_LOGIN_CUSTOMER_ID={self._settings.login_customer_id} is not a valid customer id",
                "use the manager account's ten digits, for example 1234567890",
            )
        return text

    def stream(self, customer_id: str, query: str, *, timeout_seconds: float, manager_id: str = "") -> Iterator[Answer]:
        """The answer, message by message. A stream can break after many good messages: then the whole answer is void.

        Args:
            customer_id: The account.
            query: The query in GAQL.
            timeout_seconds: The limit for the whole stream.
            manager_id: The manager for the request, unless the settings name one.

        Raises:
            ConnectorError: Of any kind.
        """
        check_account_id(SOURCE.account_id, "Google Ads account", customer_id)
        stream = self._stream(self.login_customer_id or manager_id)
        from mdp_dagster.connectors.google_ads.refusals import CALL_ERRORS, STUMBLES, call_error, refusal_of

        refusal = None
        try:
            yield from stream(customer_id, query, timeout_seconds)
            return
        except (*CALL_ERRORS, *STUMBLES) as error:
            call = call_error(error)
            kind = type(error).__name__
            if call is not None:
                refusal = refusal_of(call, stream.version)
        # Outside the handler: the SDK's exception holds the request, and must not be chained to this one.
        if refusal is None:  # without the SDK's words: they repeat the headers
            raise PlatformError(f"Google Ads account {customer_id}: the request can't be made ({kind})", _CHECK_HEADERS)
        raise classify(replace(refusal, message=self._redact(refusal.message)), customer_id, stream.version)

    def _stream(self, login_customer_id: str) -> SearchStream:
        with self._lock:
            if login_customer_id not in self._streams:
                if self._credentials is None:
                    self._credentials = self._new_credentials()
                self._streams[login_customer_id] = self._new_stream(login_customer_id)
            return self._streams[login_customer_id]

    def _new_stream(self, login_customer_id: str) -> SearchStream:
        from google.ads.googleads.client import GoogleAdsClient

        from mdp_dagster.connectors.google_ads.search_stream import SearchStream

        # The SDK logs a warning for each failed request, also before a retry, and copies answers for it.
        sdk_logger = logging.getLogger("google.ads.googleads.client")
        if sdk_logger.level == logging.NOTSET:
            sdk_logger.setLevel(logging.ERROR)
        settings = self._settings
        client = GoogleAdsClient(
            credentials=self._credentials,
            developer_token=_secret(settings.developer_token) or None,
            endpoint=endpoint(settings.endpoint),
            login_customer_id=login_customer_id or None,
            http_proxy=settings.http_proxy,
            use_proto_plus=True,  # returns answers unchanged
        )
        return SearchStream(client)

    def _new_credentials(self) -> Any:
        """Returns credentials with a fresh access token.

        Raises:
            PlatformError: The credentials are not valid.
            TransientError: The token server cannot be reached, or its answer takes too long.
        """
        from google.ads.googleads import oauth2
        from google.auth.exceptions import GoogleAuthError, TransportError

        config = self._credentials_config()
        source = "GOOGLE_ADS_" + ("JSON_KEY_FILE_PATH" if "json_key_file_path" in config else "REFRESH_TOKEN")
        if "use_application_default_credentials" in config:
            source = "application default credentials"
        failure: ConnectorError
        try:
            # google-auth limits each single wait only
            return within_deadline(
                lambda: oauth2.get_credentials(config),
                self._token_seconds,
                "the whole answer of the server that gives access tokens",
                "check the connection to Google, a proxy for example",
            )
        except TransportError as error:
            failure = TransientError(self._redact(f"the server that gives access tokens can't be reached: {error}"))
        except GoogleAuthError as error:
            kind = TransientError if error.retryable else PlatformError
            failure = kind(
                self._redact(f"Google refused the credentials ({source}): {error}"),
                f"check or renew {source}",
            )
        except (ValueError, OSError) as error:  # an invalid private key, or a file that was just removed
            failure = PlatformError(
                self._redact(f"the credentials can't be used ({source}): {error}"), f"check {source}"
            )
        raise failure

    def _credentials_config(self) -> dict[str, Any]:
        """The configuration for google-ads' ``oauth2.get_credentials``: of the first credentials that are complete."""
        settings = self._settings
        if settings.use_application_default_credentials:
            return {"use_application_default_credentials": True}
        trio = {
            "client_id": settings.client_id,
            "client_secret": _secret(settings.client_secret),
            "refresh_token": _secret(settings.refresh_token),
        }
        config: dict[str, Any] = {"http_proxy": settings.http_proxy} if settings.http_proxy else {}
        if all(trio.values()):
            return config | trio
        if settings.json_key_file_path:
            self._check_key_file()
            return config | {
                "json_key_file_path": str(settings.json_key_file_path),
                "impersonated_email": settings.impersonated_email,
            }
        if any(trio.values()):
            missing = ", ".join(f"GOOGLE_ADS_{name.upper()}" for name, value in trio.items() if not value)
            raise PlatformError(f"Google Ads credentials are incomplete: {missing} not set", _NO_CREDENTIALS)
        raise PlatformError("no Google Ads credentials are set", _NO_CREDENTIALS)

    def _check_key_file(self) -> None:
        path = self._settings.json_key_file_path
        assert path is not None
        place = f"GOOGLE_ADS_JSON_KEY_FILE_PATH={path}"
        remedy = "set it to the path of a service account's JSON key file"
        failure: PlatformError
        try:
            key = json.loads(path.read_text(encoding="utf-8"))
        except OSError as error:
            failure = PlatformError(f"{place}: {error.strerror or error}", remedy)
        except (ValueError, RecursionError):
            failure = PlatformError(f"{place}: the file isn't JSON", remedy)
        else:
            found = key if isinstance(key, dict) else {}
            missing = [name for name in _KEY_FILE_FIELDS if not (found.get(name) and isinstance(found[name], str))]
            fault = None if missing else secret_address_fault("token_uri", found["token_uri"], _TOKEN_ADDRESS)
            if missing:
                failure = PlatformError(f"{place}: the file lacks {', '.join(missing)}", remedy)
            elif fault is not None:
                failure = PlatformError(f"{place}: {fault[0]}", fault[1])
            else:
                return
        raise failure

    def _redact(self, text: object) -> str:
        return redact(str(text), secret_values(self._settings))


def _secret(value: SecretStr | None) -> str:
    return value.get_secret_value().strip() if value else ""


def endpoint(setting: str | None) -> str | None:
    """``GOOGLE_ADS_ENDPOINT`` in gRPC's form: host, or host and port (default 443)."""
    if not setting:
        return None
    return re.sub(r"^[a-zA-Z][a-zA-Z0-9+.-]*://", "", setting.strip()).split("/", 1)[0] or None
