"""Google Ads in the sandbox: a gRPC server with TLS, and the token endpoint on HTTP."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from sandbox.certificates import server_certificate
from sandbox.google_ads.accounts import ACCOUNTS
from sandbox.google_ads.faults import FAULTS
from sandbox.google_ads.profiles import PROFILES
from sandbox.google_ads.server import PAGE_ROWS, GoogleAdsServer
from sandbox.google_ads.tokens import TokenRefused, Tokens, service_account_key, write_service_account_file
from sandbox.http_app import form
from sandbox.platforms import Platform, PlatformServer, ServerContext

_TOKEN_PATH = "/token"
_DEVELOPER_TOKEN = "sandbox-developer-token"


class GoogleAds(PlatformServer):
    """The gRPC server and its token endpoint. Options: ``port`` of gRPC, ``page_rows``."""

    def __init__(self, context: ServerContext) -> None:
        token_uri = context.url + _TOKEN_PATH
        key = service_account_key(context.state_dir)
        # One file for each port: several sandboxes may share the folder.
        self._key_file = context.state_dir / f"service-account-{context.url.rpartition(':')[2]}.json"
        write_service_account_file(self._key_file, key, token_uri)
        self.tokens = Tokens(key, token_uri)
        certificate = server_certificate(context.state_dir)
        self._ca_path = certificate.ca_path
        self.grpc = GoogleAdsServer(
            context.world,
            context.faults,
            context.requests,
            self.tokens,
            certificate,
            port=context.options.get("port", 0),
            page_rows=context.options.get("page_rows", PAGE_ROWS),
        )

    @property
    def address(self) -> str:
        """The address for a user to read."""
        return f"localhost:{self.grpc.port} (gRPC, TLS)"

    @property
    def environment(self) -> dict[str, str]:
        """The variables that lead MDP to this server."""
        return {
            "GOOGLE_ADS_ENDPOINT": f"localhost:{self.grpc.port}",
            "GOOGLE_ADS_JSON_KEY_FILE_PATH": str(self._key_file.resolve()),
            "GOOGLE_ADS_DEVELOPER_TOKEN": _DEVELOPER_TOKEN,
            "GOOGLE_ADS_USE_PROTO_PLUS": "False",
            "GRPC_DEFAULT_SSL_ROOTS_FILE_PATH": str(self._ca_path.resolve()),
        }

    def routes(self) -> list[BaseRoute]:
        """Returns the route of the token server. The API itself is gRPC."""
        return [Route(_TOKEN_PATH, self._token, methods=["POST"])]

    def start(self) -> None:
        """Starts the gRPC server."""
        self.grpc.start()

    def stop(self) -> None:
        """Stops the gRPC server and deletes the key file."""
        self.grpc.stop()
        self._key_file.unlink(missing_ok=True)

    async def _token(self, request: Request) -> Response:
        try:
            return JSONResponse(self.tokens.exchange(await form(request)))
        except TokenRefused as refused:
            return JSONResponse({"error": refused.error, "error_description": str(refused)}, status_code=400)


PLATFORM = Platform(
    name="google_ads",
    label="Google Ads",
    accounts=ACCOUNTS,
    profiles=PROFILES,
    settling_days=(60, 75, 90),  # it depends on the conversion actions of the account
    dating="both",
    first_campaign_id=20_000_000_000,  # 11 digits, as Google's
    first_numbered_account=9_000_000_000,
    numbered_kinds=("SEARCH", "PERFORMANCE_MAX", "SHOPPING", "DISPLAY"),
    faults=FAULTS,
    new_server=GoogleAds,
    normal_id=lambda written: written.replace("-", ""),
)
