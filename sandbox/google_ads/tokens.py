"""Google's token endpoint: a service account signs an assertion and gets an access token for it (RFC 7523).

The exchange is checked for real: signature, issuer, audience, expiry, scope. Time here is the machine's, not the
world's: the client's library signs with the machine's clock.
"""

from __future__ import annotations

import base64
import binascii
import json
import secrets
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from sandbox.certificates import write_private

GRANT_TYPE = "urn:ietf:params:oauth:grant-type:jwt-bearer"
SCOPE = "https://www.googleapis.com/auth/adwords"
CLIENT_EMAIL = "mdp-sandbox@nordlicht-agency.iam.gserviceaccount.com"
# google-auth names it as the audience, for any token_uri in the file.
GOOGLE_AUDIENCE = "https://oauth2.googleapis.com/token"
LIFETIME_S = 3599
_CLOCK_SKEW_S = 300


class TokenRefused(Exception):
    """An OAuth error: `error` is its code, the text its description."""

    def __init__(self, error: str, description: str) -> None:
        super().__init__(description)
        self.error = error


class Tokens:
    """A service account's key, and the access tokens given out for it. Safe to use from several threads."""

    def __init__(self, key: rsa.RSAPrivateKey, token_uri: str, clock: Callable[[], float] = time.time) -> None:
        self._public = key.public_key()
        self._token_uri = token_uri
        self._clock = clock
        self._lock = threading.Lock()
        self._expiry: dict[str, float] = {}

    def exchange(self, form: Mapping[str, str]) -> dict[str, Any]:
        """The token endpoint's answer to a form; raises TokenRefused."""
        if form.get("grant_type") != GRANT_TYPE:
            raise TokenRefused("unsupported_grant_type", f"Invalid grant_type: {form.get('grant_type', '')}")
        self._verify(form.get("assertion", ""))
        token = "ya29.sandbox-" + secrets.token_urlsafe(32)
        with self._lock:
            now = self._clock()
            self._expiry = {known: expiry for known, expiry in self._expiry.items() if expiry > now - 3600}
            self._expiry[token] = now + LIFETIME_S
        return {"access_token": token, "expires_in": LIFETIME_S, "token_type": "Bearer"}

    def state(self, token: str) -> str:
        """`valid`, `expired` or `unknown`."""
        with self._lock:
            expiry = self._expiry.get(token)
        if expiry is None:
            return "unknown"
        return "valid" if expiry > self._clock() else "expired"

    def revoke_all(self) -> None:
        """Forget every token that was given out."""
        with self._lock:
            self._expiry.clear()

    def _verify(self, assertion: str) -> None:
        try:
            head, body, signature = assertion.split(".")
            header, claims = json.loads(_decode(head)), json.loads(_decode(body))
            signed = _decode(signature)
        except (ValueError, binascii.Error) as error:
            raise TokenRefused("invalid_grant", "Bad Request") from error
        if header.get("alg") != "RS256":
            raise TokenRefused("invalid_grant", "Invalid JWT Signature.")
        try:
            self._public.verify(signed, f"{head}.{body}".encode(), padding.PKCS1v15(), hashes.SHA256())
        except InvalidSignature as error:
            raise TokenRefused("invalid_grant", "Invalid JWT Signature.") from error
        if claims.get("iss") != CLIENT_EMAIL:
            raise TokenRefused("invalid_grant", "Invalid grant: account not found")
        if claims.get("aud") not in (GOOGLE_AUDIENCE, self._token_uri):
            raise TokenRefused("invalid_grant", "Invalid JWT: Failed audience check.")
        now = self._clock()
        if not float(claims.get("iat", 0)) - _CLOCK_SKEW_S <= now < float(claims.get("exp", 0)):
            raise TokenRefused(
                "invalid_grant",
                "Invalid JWT: Token must be a short-lived token (60 minutes) and in a reasonable timeframe. "
                "Check your iat and exp values in the JWT claim.",
            )
        if SCOPE not in str(claims.get("scope", "")).split():
            raise TokenRefused("invalid_scope", "Invalid OAuth scope or ID token audience provided.")


def service_account_key(state_dir: Path) -> rsa.RSAPrivateKey:
    """The service account's RSA key: the one in the directory, else a new one."""
    path = state_dir / "service-account-key.pem"
    try:
        key = serialization.load_pem_private_key(path.read_bytes(), password=None)
        if isinstance(key, rsa.RSAPrivateKey):
            return key
    except (OSError, ValueError):
        pass
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    write_private(path, _pem(key))
    return key


def write_service_account_file(path: Path, key: rsa.RSAPrivateKey, token_uri: str) -> None:
    """The JSON file that `GOOGLE_ADS_JSON_KEY_FILE_PATH` names, pointing at the sandbox's token endpoint."""
    content = {
        "type": "service_account",
        "project_id": "nordlicht-agency",
        "private_key_id": "sandbox",
        "private_key": _pem(key).decode(),
        "client_email": CLIENT_EMAIL,
        "client_id": "100000000000000000001",
        "token_uri": token_uri,
    }
    write_private(path, json.dumps(content, indent=2).encode())


def _pem(key: rsa.RSAPrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _decode(part: str) -> bytes:
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))
