"""What to write to somebody upstream who saw a person's data: the text of a letter, in French and in English. Pure.

Whoever sends it completes it: addresses, references of the contract, a signature. It is no legal advice.
"""

from __future__ import annotations

from dataclasses import dataclass

from passerelle.domain.privacy import Deed

_HELD_EN = (
    "1. tell us whether you still hold any of their content, metadata or logs, where, and until when;\n"
)
_HELD_FR = (
    "1. de nous dire si vous détenez encore des contenus, des métadonnées ou des journaux s'y rapportant, où, et\n"
    "   jusqu'à quand ;\n"
)
_DELETE_EN = (
    "2. delete what you hold, in logs kept against abuse and in backups too, or say when it will be gone and why\n"
    "   not before;\n"
)
_DELETE_FR = (
    "2. d'effacer ce que vous détenez, y compris dans les journaux tenus contre les abus et dans les sauvegardes,\n"
    "   ou de nous dire quand ce sera fait et pourquoi pas avant ;\n"
)
# A person who asks for access wants a copy, and nothing deleted; who erases tells recipients (article 19); a tenant
# that goes has everything returned or deleted at the end of the service.
_ENGLISH = {
    Deed.EXPORT: "The person has asked for access (article 15). Under article 28(3)(e) of Regulation (EU) 2016/679, "
    f"please:\n{_HELD_EN}2. send us a copy of what you hold, in a usual electronic form, and delete nothing for that;\n",
    Deed.ERASE: "The person's data is being erased (article 17). Under article 28(3)(e) and, where it applies,\n"
    f"article 19 of Regulation (EU) 2016/679, please:\n{_HELD_EN}{_DELETE_EN}",
    Deed.WIPE: "The service for them has ended. Under article 28(3)(g) of Regulation (EU) 2016/679, please:\n"
    f"{_HELD_EN}{_DELETE_EN}",
}
_FRENCH = {
    Deed.EXPORT: "Cette personne a demandé l'accès à ses données (article 15). En application de l'article 28,\n"
    f"paragraphe 3, point e), du règlement (UE) 2016/679, nous vous demandons :\n{_HELD_FR}"
    "2. de nous en remettre une copie sous une forme électronique d'usage courant, sans rien effacer à ce titre ;\n",
    Deed.ERASE: "Ses données sont en cours d'effacement (article 17). En application de l'article 28, paragraphe 3,\n"
    "point e), et le cas échéant de l'article 19 du règlement (UE) 2016/679, nous vous demandons :\n"
    f"{_HELD_FR}{_DELETE_FR}",
    Deed.WIPE: "La prestation rendue pour ce client a pris fin. En application de l'article 28, paragraphe 3, point g),\n"
    f"du règlement (UE) 2016/679, nous vous demandons :\n{_HELD_FR}{_DELETE_FR}",
}


@dataclass(frozen=True, slots=True)
class Addressed:
    """To whom, of whom, about which days. `subject` is a pseudonym; None: everybody of the tenant."""

    provider: str
    tenant: str
    subject: str | None
    request: str
    deed: Deed
    first_day: str
    last_day: str


def letters(to: Addressed) -> dict[str, str]:
    """By language."""
    return {"en": _english(to), "fr": _french(to)}


def _english(to: Addressed) -> str:
    whom = (
        f"one person, known to you as `{to.subject}` where a `user` was sent along"
        if to.subject is not None
        else f"all persons whose data we handle for {to.tenant}"
    )
    return (
        f"To: {to.provider}\n"
        f"Subject: personal data processed on behalf of {to.tenant} (our reference {to.request})\n\n"
        f"Between {to.first_day} and {to.last_day} you processed requests on our behalf that concern {whom}.\n"
        f"{_ENGLISH[to.deed]}"
        "3. pass this on to whomever you engaged for it, and confirm in writing within ten working days.\n"
    )


def _french(to: Addressed) -> str:
    whom = (
        f"une personne, que vous connaissez sous `{to.subject}` lorsqu'un champ `user` était transmis"
        if to.subject is not None
        else f"toutes les personnes dont nous traitons les données pour le client {to.tenant}"
    )
    return (
        f"À : {to.provider}\n"
        f"Objet : données personnelles traitées pour le compte du client {to.tenant} (notre référence {to.request})\n\n"
        f"Entre le {to.first_day} et le {to.last_day}, vous avez traité pour notre compte des requêtes qui concernent "
        f"{whom}.\n"
        f"{_FRENCH[to.deed]}"
        "3. de transmettre cette demande à vos propres sous-traitants et de nous la confirmer par écrit sous dix jours\n"
        "   ouvrés.\n"
    )
