"""A job of texts with one of everything: written, flawed, decided on, failed, and hostile."""

from __future__ import annotations

from datetime import UTC, datetime

from passerelle.domain.content import (
    Check,
    Choice,
    ContentJob,
    Decision,
    Flaw,
    Form,
    Piece,
    Standing,
    Worked,
    Written,
)
from passerelle.domain.jobs import Trouble

AT = datetime(2026, 11, 20, 9, 30, tzinfo=UTC)
HOSTILE = '=HYPERLINK("http://x")<script>alert(1)</script><img src=x onerror=alert(2)>'
SOURCE = (
    "# Formation Excel niveau 2\n\nLa formation dure 14 h sur deux jours. Elle coûte 1 200,50 € HT par personne.\n\n"
    "Le groupe compte 8 à 12 participants. Inscription : https://exemple.fr/excel."
)
WRITTEN = (
    "# Excel, niveau 2\n\nPerfectionnez-vous en deux jours (14 h), pour 1 200,50 € HT par personne.\n\n"
    "Les groupes comptent de 8 à 15 participants. Inscription : https://exemple.fr/excel."
)


def _choice(decision: Decision, value: str | tuple[str, ...] | None = None) -> Choice:
    return Choice(decision, value, "key-1", AT)


def job() -> ContentJob:
    return ContentJob(
        id="job-1", tenant="client-a", recipe="fiche-complete", version=3, brand=2, model="assistant", preview=False,
        budget=2 * 10**12, spent=123_400_000_000, currency="EUR", unpriced=0,
        counts={Standing.WRITTEN: 2, Standing.FLAWED: 1, Standing.FAILED: 1, Standing.REUSED: 0}, estimate={},
        state="done", created_at=AT,
    )  # fmt: skip


def pieces() -> list[Worked]:
    flaws = (
        Flaw(Check.NUMBERS, "text", "Ces nombres du texte source manquent : « 12 ». Reprenez-les tels quels.", ("12",)),
        Flaw(Check.NUMBERS, "text", "Ces nombres ne figurent pas dans le texte source : « 15 participants ».", ("15",)),
        Flaw(Check.NAMES, "summary", "Ces noms ne figurent pas dans le texte source : « Lyon ».", ("Lyon",), serious=False),
    )  # fmt: skip
    first = Worked(
        "job-1", 1, Piece("excel-2", SOURCE, Form.MARKDOWN, language="fr"), Standing.FLAWED,
        Written({"text": WRITTEN, "summary": "Deux jours à Lyon pour progresser sur Excel.", "tags": ("Bureautique", "Tableur")}, flaws, engine="gpu/Qwen2.5-7B", calls=2),
        {"summary": _choice(Decision.ACCEPTED), "tags": _choice(Decision.EDITED, ("Bureautique", "Excel"))},
    )  # fmt: skip
    second = Worked(
        "job-1", 2, Piece("seo-1", "Prendre la parole en public sans trembler.", title="Parler en public"), Standing.WRITTEN,
        Written({"text": "Prendre la parole en public, sans trembler.", "seo_title": "Parler en public", "seo_description": "", "slug": "parler-en-public", "level": "beginner", "objectives": ()}, offline=True),
        {"text": _choice(Decision.EDITED, "Parler en public, enfin sans trembler."), "seo_title": _choice(Decision.REJECTED)},
    )  # fmt: skip
    third = Worked(
        "job-1", 3, Piece(HOSTILE, HOSTILE, Form.HTML, title=HOSTILE), Standing.WRITTEN,
        Written({"text": HOSTILE.replace("http", "https"), "tags": (HOSTILE,)}, (Flaw(Check.STRUCTURE, "text", HOSTILE),)),
        {"text": _choice(Decision.ACCEPTED, HOSTILE.replace("http", "https"))},
    )  # fmt: skip
    fourth = Worked(
        "job-1", 4, Piece("vide", "Un texte."), Standing.FAILED,
        trouble=Trouble("context_too_long", "The text is longer than the model can read."),
    )  # fmt: skip
    return [first, second, third, fourth]
