"""Errors as the Admin API gives them. The messages are Shopify's own words, not those of graphql-core."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from graphql import GraphQLError

_DOCS = "https://shopify.dev/api/usage"
_UNKNOWN_FIELD = re.compile(r"Cannot query field '(\w+)' on type '(\w+)'")
_UNKNOWN_ARGUMENT = re.compile(r"Unknown argument '(\w+)' on field '(?:\w+\.)?(\w+)'")
_MISSING_ARGUMENT = re.compile(r"Field '(\w+)' argument '(\w+)' of type '[^']+' is required")
_ENUM_VALUE = re.compile(
    r"Value '?\"?(\w+)\"?'? does not exist in '(\w+)' enum|Enum '(\w+)' cannot represent.*?: (.+?)\."
)
_NO_SELECTION = re.compile(r"Field '(\w+)' of type '([\w!\[\]]+)' must have a selection of subfields")


def syntax_or_validation_error(error: GraphQLError) -> dict[str, Any]:
    """Returns an error of parsing or validation in Shopify's words."""
    message, extensions = translated(error.message)
    found: dict[str, Any] = {"message": message}
    if error.locations:
        found["locations"] = [{"line": place.line, "column": place.column} for place in error.locations]
    return found | ({"extensions": extensions} if extensions else {})


def translated(message: str) -> tuple[str, dict[str, Any]]:
    """Returns a message of graphql-core in Shopify's words, with the extensions that go with it."""
    if match := _UNKNOWN_FIELD.search(message):
        field, type_ = match.groups()
        extensions = {"code": "undefinedField", "typeName": type_, "fieldName": field}
        return f"Field '{field}' doesn't exist on type '{type_}'", extensions
    if match := _UNKNOWN_ARGUMENT.search(message):
        argument, field = match.groups()
        extensions = {"code": "argumentNotAccepted", "name": field, "typeName": "Field", "argumentName": argument}
        return f"Field '{field}' doesn't accept argument '{argument}'", extensions
    if match := _MISSING_ARGUMENT.search(message):
        field, argument = match.groups()
        extensions = {"code": "missingRequiredArguments", "className": "Field", "name": field, "arguments": argument}
        return f"Field '{field}' is missing required arguments: {argument}", extensions
    if match := _ENUM_VALUE.search(message):
        value, type_ = (match[1], match[2]) if match[1] else (match[4], match[3])
        extensions = {"code": "argumentLiteralsIncompatible", "typeName": "Field"}
        return f"Argument has an invalid value ({value}). Expected type '{type_}'.", extensions
    if match := _NO_SELECTION.search(message):
        field, type_ = match[1], match[2].strip("[]!")
        text = f"Field must have selections (field '{field}' returns {type_} but has no selections. Did you mean "
        return f"{text}'{field} {{ ... }}'?)", {"code": "selectionMismatch", "nodeName": f"field '{field}'"}
    return message, {}


def throttled() -> dict[str, Any]:
    """Returns the error for a query that costs more points than there are."""
    extensions = {"code": "THROTTLED", "documentation": f"{_DOCS}/rate-limits"}
    return {"message": "Throttled", "extensions": extensions}


def too_expensive(points: int, limit: int) -> dict[str, Any]:
    """Returns the error for a query that costs more points than any query may."""
    message = (
        f"Query cost is {points}, which exceeds the single query max cost limit ({limit}).\n\n"
        "See https://shopify.dev/concepts/about-apis/rate-limits for more information on how the\n"
        "cost of a query is calculated.\n\nTo query larger amounts of data with fewer limits, bulk operations should "
        "be used instead.\n"
        "See https://shopify.dev/tutorials/perform-bulk-operations-with-admin-api for usage details.\n"
    )
    extensions = {
        "code": "MAX_COST_EXCEEDED",
        "cost": points,
        "maxCost": limit,
        "documentation": f"{_DOCS}/rate-limits",
    }
    return {"message": message, "extensions": extensions}


def access_denied(field: str, scopes: Iterable[str]) -> GraphQLError:
    """Returns the error for a field that needs a scope which the app doesn't have."""
    required = " or ".join(f"`{scope}` access scope" for scope in scopes)
    extensions = {
        "code": "ACCESS_DENIED",
        "documentation": f"{_DOCS}/access-scopes",
        "requiredAccess": f"{required}.",
    }
    return GraphQLError(f"Access denied for {field} field. Required access: {required}.", extensions=extensions)


def not_modelled(what: str) -> GraphQLError:
    """Returns the error for a real feature that the sandbox lacks. Nobody should take it for Shopify's answer."""
    return GraphQLError(what, extensions={"code": "SANDBOX_NOT_MODELLED"})
