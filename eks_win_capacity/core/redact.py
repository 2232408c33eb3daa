"""Texts of others without the account ids that they carry."""

from __future__ import annotations

import re
from typing import Final

_ACCOUNT: Final = re.compile(
    # An encoded colon or slash ends in a letter, which is not a part of a word.
    r"(?:(?<![0-9A-Za-z])|(?<=%3[Aa])|(?<=%253[Aa])|(?<=%2[Ff])|(?<=%252[Ff]))"
    r"[0-9]{12}(?![0-9A-Za-z])"
)

MASK: Final = "ACCOUNT_ID"
"""What stands where an account id stood."""


def without_accounts(text: str) -> str:
    """
    Put a word in place of every AWS account id.

    ARNs, image names and messages about permissions carry them. They are nobody's
    business in a report that is passed on, and no answer here needs one.

    Parameters
    ----------
    text : str
        A text of AWS, of kubectl or of a file.

    Examples
    --------
    >>> without_accounts("arn:aws:iam::123456789012:role/win may not do that")
    'arn:aws:iam::ACCOUNT_ID:role/win may not do that'
    >>> without_accounts("arn%3Aaws%3Aiam%3A%3A123456789012%3Arole%2Fwin")
    'arn%3Aaws%3Aiam%3A%3AACCOUNT_ID%3Arole%2Fwin'
    >>> without_accounts("i-0123456789012 of 2026-10-03")
    'i-0123456789012 of 2026-10-03'
    """
    return _ACCOUNT.sub(MASK, text)
