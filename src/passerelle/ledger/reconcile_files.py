"""What a provider says it is owed, read from its file: a CSV in a plain form, or Hugging Face's usage as JSON.

A figure that can be read in two ways is refused, never guessed; so is a file that is not whole, or not UTF-8.
"""

from __future__ import annotations

import hashlib

from passerelle.domain.calendar import Month
from passerelle.domain.errors import CannotRun
from passerelle.ledger.reconcile_csv import from_csv
from passerelle.ledger.reconcile_json import from_json
from passerelle.ledger.reconcile_lines import Invoice

LARGEST = 64 * 1_048_576  # bytes


def read_invoice(
    content: bytes, *, month: Month, source: str, currency: str | None = None, asked: bool = False
) -> Invoice:
    """The invoice in a file's content, JSON or CSV. Raises CannotRun for one that is not whole or of another month.

    `source` is the file's name, for messages; `currency` is that of amounts in JSON that name none. `asked`: the
    content answers a question about exactly this month, and need not repeat it.
    """
    text = _text(content, source)
    if text.lstrip()[:1] in ("{", "["):
        charges = from_json(text, month=month, source=source, currency=currency, asked=asked)
    else:
        charges = from_csv(text, month=month, source=source)
    if not charges:
        raise CannotRun(f"{source} holds no charge.", "Give the whole export of the month.")
    currencies = sorted({charge.currency for charge in charges})
    if len(currencies) > 1:
        raise CannotRun(
            f"{source} holds amounts in {', '.join(currencies)}.", "Give one file for each currency."
        )
    return Invoice(month, currencies[0], tuple(charges), source, hashlib.sha256(content).hexdigest())


def _text(content: bytes, source: str) -> str:
    if len(content) > LARGEST:
        raise CannotRun(
            f"{source} is larger than {LARGEST} bytes.", "Give the month's summary, not each request."
        )
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise CannotRun(f"{source} is not UTF-8.", "Save it in that encoding.") from None
    if "\0" in text:
        raise CannotRun(f"{source} is not a text in UTF-8.", "Export it as CSV or JSON in that encoding.")
    if not text.strip():
        raise CannotRun(f"{source} is empty.", "Download it again.")
    return text
