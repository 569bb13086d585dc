"""The form of account ids, which each source declares."""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class AccountIdPattern:
    """The account ids of one source, and the ways in which people may write them.

    Args:
        regex: Matches a whole id as the source's API takes it. It must not match a slash, a question mark or anything
            else that could lead a request to another address.
        form: The form in words, for error messages: "digits".
        example: An id as people write it, for error messages.
        prefix: Text that people may write in front of the id, such as "act_".
        separators: Characters that people may write inside the id, such as dashes.
    """

    regex: str
    form: str
    example: str
    prefix: str = ""
    separators: str = ""

    def matches(self, account_id: str) -> bool:
        """True for an id as the API takes it."""
        return re.fullmatch(self.regex, account_id, re.ASCII) is not None

    def read(self, written: str) -> str | None:
        """The id behind what a person wrote; None if it is not a valid one."""
        account_id = written.strip().removeprefix(self.prefix)
        account_id = account_id.translate({ord(separator): None for separator in self.separators})
        return account_id if self.matches(account_id) else None

    @property
    def remedy(self) -> str:
        """The advice for somebody who wrote an invalid id."""
        return f"write {self.form}, as in {self.example}"
