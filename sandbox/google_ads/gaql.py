"""The Google Ads Query Language: from text to a `Query`. Knows the grammar, not which fields exist."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import NoReturn

_TOKEN = re.compile(
    r"""\s*(?:
    (?P<string>'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")
  | (?P<number>-?\d+(?:\.\d+)?(?![\w.]))
  | (?P<word>[A-Za-z_][\w.]*)
  | (?P<operator><=|>=|!=|=|<|>)
  | (?P<mark>[(),])
  )""",
    re.VERBOSE,
)
_CLAUSES = ("SELECT", "FROM", "WHERE", "ORDER", "LIMIT", "PARAMETERS")


class QueryError(Exception):
    """A query that is refused. `code` is a name in QueryErrorEnum."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True, slots=True)
class Token:
    """A word, number, text or sign of a query."""

    kind: str
    text: str

    @property
    def upper(self) -> str:
        """The token in capital letters if it is a word: GAQL's keywords ignore case."""
        return self.text.upper() if self.kind == "word" else self.text


@dataclass(frozen=True, slots=True)
class Value:
    """A value as written: `quoted` tells 'REMOVED' from REMOVED."""

    text: str
    quoted: bool


@dataclass(frozen=True, slots=True)
class Condition:
    """One condition of WHERE: `field operator values`.

    Operators are = != < <= > >= IN, NOT IN, BETWEEN, DURING, LIKE, NOT LIKE, REGEXP_MATCH, NOT REGEXP_MATCH, IS NULL,
    IS NOT NULL.
    """

    field: str
    operator: str
    values: tuple[Value, ...] = ()


@dataclass(frozen=True, slots=True)
class Order:
    """A field of ORDER BY."""

    field: str
    descending: bool = False


@dataclass(frozen=True, slots=True)
class Query:
    """A parsed GAQL query."""

    select: tuple[str, ...]
    resource: str
    where: tuple[Condition, ...] = ()
    order_by: tuple[Order, ...] = ()
    limit: int | None = None
    parameters: tuple[tuple[str, str], ...] = ()


def parse(text: str) -> Query:
    """The query as written; raises QueryError with the service's own code."""
    return _Parser(_tokens(text)).query()


def _tokens(text: str) -> list[Token]:
    tokens, position = [], 0
    text = text.rstrip().removesuffix(";").rstrip()
    while position < len(text):
        match = _TOKEN.match(text, position)
        if match is None:
            rest = text[position:].lstrip()
            if rest[:1] in "'\"":
                raise QueryError("STRING_NOT_TERMINATED", f"Error in query: string not terminated: {rest[:40]}.")
            raise QueryError("UNEXPECTED_INPUT", f"Error in query: unexpected input {rest.split()[0]}.")
        kind = match.lastgroup or ""
        tokens.append(Token(kind, match.group(kind)))
        position = match.end()
    return tokens


class _Parser:
    def __init__(self, tokens: list[Token]) -> None:
        self._tokens = tokens
        self._next = 0

    def query(self) -> Query:
        if not self._accept("SELECT"):
            raise QueryError("EXPECTED_SELECT", "Error in query: SELECT is missing at the beginning of query.")
        select = self._fields()
        if not self._accept("FROM"):
            if self._peek() is not None:
                self._unexpected()
            raise QueryError("EXPECTED_FROM", "Error in query: Missing FROM clause.")
        resource = self._word()
        where = self._conditions() if self._accept("WHERE") else ()
        order_by: tuple[Order, ...] = ()
        if self._accept("ORDER"):
            if not self._accept("BY"):
                raise QueryError("EXPECTED_BY", "Error in query: Expecting ORDER BY to have BY.")
            order_by = self._orders()
        limit = self._limit() if self._accept("LIMIT") else None
        parameters = self._parameters() if self._accept("PARAMETERS") else ()
        if self._peek() is not None:
            self._unexpected()
        return Query(select, resource, where, order_by, limit, parameters)

    def _fields(self) -> tuple[str, ...]:
        fields = [self._word()]
        while self._accept(","):
            fields.append(self._word())
        return tuple(dict.fromkeys(fields))

    def _conditions(self) -> tuple[Condition, ...]:
        conditions = [self._condition()]
        while self._accept("AND"):
            conditions.append(self._condition())
        return tuple(conditions)

    def _condition(self) -> Condition:
        field = self._word()
        token = self._take()
        if token.kind == "operator":
            return Condition(field, token.text, (self._value(),))
        word = token.upper
        negated = word == "NOT"
        if negated:
            word = self._take().upper
        prefix = "NOT " if negated else ""
        if word == "IN":
            return Condition(field, prefix + "IN", self._list())
        if word in ("LIKE", "REGEXP_MATCH"):
            return Condition(field, prefix + word, (self._value(),))
        if word == "BETWEEN" and not negated:
            low = self._value()
            if not self._accept("AND"):
                raise QueryError("EXPECTED_AND", "Error in query: Expected AND between values with BETWEEN operator.")
            return Condition(field, "BETWEEN", (low, self._value()))
        if word == "DURING" and not negated:
            return Condition(field, "DURING", (Value(self._word().upper(), quoted=False),))
        if word == "IS" and not negated:
            operator = "IS NOT NULL" if self._accept("NOT") else "IS NULL"
            if not self._accept("NULL"):
                self._unexpected()
            return Condition(field, operator)
        raise QueryError("BAD_OPERATOR", f"Error in query: invalid operator {token.text}.")

    def _list(self) -> tuple[Value, ...]:
        if not self._accept("("):
            raise QueryError("EXPECTED_LIST", "Error in query: the operator requires the value to be a list.")
        if self._accept(")"):
            raise QueryError("PROHIBITED_EMPTY_LIST_IN_CONDITION", "Error in query: a condition has an empty list.")
        values = [self._value()]
        while self._accept(","):
            values.append(self._value())
        if not self._accept(")"):
            self._unexpected()
        return tuple(values)

    def _value(self) -> Value:
        token = self._take()
        if token.kind == "string":
            return Value(re.sub(r"\\(.)", r"\1", token.text[1:-1]), quoted=True)
        if token.kind in ("number", "word"):
            return Value(token.text, quoted=False)
        self._unexpected(token)

    def _orders(self) -> tuple[Order, ...]:
        orders = []
        while True:
            field = self._word()
            descending = self._accept("DESC")
            if not descending:
                self._accept("ASC")
            orders.append(Order(field, descending))
            if not self._accept(","):
                return tuple(orders)

    def _limit(self) -> int:
        token = self._take()
        if token.kind != "number" or not token.text.isdigit():
            raise QueryError("BAD_LIMIT_VALUE", f"Error in query: invalid LIMIT value {token.text}.")
        if int(token.text) < 1:
            raise QueryError("LIMIT_VALUE_TOO_LOW", "Error in query: LIMIT value must be positive.")
        return int(token.text)

    def _parameters(self) -> tuple[tuple[str, str], ...]:
        parameters = []
        while True:
            name = self._word()
            if not self._accept("="):
                self._unexpected()
            parameters.append((name, self._value().text))
            if not self._accept(","):
                return tuple(parameters)

    def _peek(self) -> Token | None:
        return self._tokens[self._next] if self._next < len(self._tokens) else None

    def _take(self) -> Token:
        token = self._peek()
        if token is None:
            raise QueryError("UNEXPECTED_END_OF_QUERY", "Error in query: unexpected end of query.")
        self._next += 1
        return token

    def _accept(self, text: str) -> bool:
        token = self._peek()
        if token is None or token.kind == "string" or token.upper != text:
            return False
        self._next += 1
        return True

    def _word(self) -> str:
        token = self._take()
        if token.kind != "word" or token.upper in _CLAUSES:
            self._unexpected(token)
        return token.text

    def _unexpected(self, token: Token | None = None) -> NoReturn:
        found = token or self._peek()
        if found is None:
            raise QueryError("UNEXPECTED_END_OF_QUERY", "Error in query: unexpected end of query.")
        raise QueryError("UNEXPECTED_INPUT", f"Error in query: unexpected input {found.text}.")
