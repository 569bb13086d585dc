"""The streamed search over the SDK's channel, with each answer as the received bytes. Imports the SDK.

The SDK's own method makes a Python object of every answer, which costs more than all that MDP does with it.
Credentials, headers and errors come from the SDK, because its channel has them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

from google.api_core.gapic_v1.client_info import ClientInfo
from google.api_core.gapic_v1.method import wrap_method
from google.api_core.gapic_v1.routing_header import to_grpc_metadata
from google.protobuf.message import DecodeError

from mdp_dagster.connectors.errors import TransientError
from mdp_dagster.connectors.google_ads.refusals import api_version


@dataclass(frozen=True)
class Answer:
    """One streamed message: up to 10,000 rows. ``type``: the SDK's protobuf class for it."""

    payload: bytes
    type: Any

    def rows(self) -> list[Any]:
        """``GoogleAdsRow`` messages, for answers of a few rows. Raises ``TransientError`` for what can't be read."""
        try:
            return list(self.type.FromString(self.payload).results)
        except DecodeError as error:
            words = str(error)
        raise TransientError(f"an answer of Google Ads can't be read: {words}")


class SearchStream:
    """``GoogleAdsService.SearchStream`` of one client. May be used by several threads."""

    def __init__(self, client: Any) -> None:
        service = client.get_service("GoogleAdsService")
        self.version = api_version(service)
        self._request = type(client.get_type("SearchGoogleAdsStreamRequest"))
        self._answer = type(client.get_type("SearchGoogleAdsStreamResponse")).pb()
        path = f"/google.ads.googleads.{self.version}.services.GoogleAdsService/SearchStream"
        call = service.transport.grpc_channel.unary_stream(path, request_serializer=self._request.serialize)
        self._call = wrap_method(call, client_info=ClientInfo(client_library_version=version("google-ads")))

    def __call__(self, customer_id: str, query: str, timeout_seconds: float) -> Iterator[Answer]:
        """The answers. Raises the SDK's own errors: ``refusals.CALL_ERRORS``."""
        request = self._request(customer_id=customer_id, query=query)
        metadata = (to_grpc_metadata((("customer_id", customer_id),)),)
        answers = self._call(request, timeout=timeout_seconds, metadata=metadata)
        try:
            for payload in answers:
                yield Answer(payload, self._answer)
        finally:
            answers.cancel()  # a stream that is not read to its end would keep its call open
