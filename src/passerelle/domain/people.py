"""Names of fields that say that what they hold is about people. Pure."""

from __future__ import annotations

import re

# Words that, alone or as a part of a name, say so.
_PEOPLE = frozenset(
    {
        "user", "users", "username", "userid", "uid", "login", "person", "people", "employee", "student",
        "email", "emails", "mail", "courriel", "phone", "tel", "telephone", "firstname", "lastname",
        "surname", "fullname", "prenom", "nom", "address", "adresse", "birthdate", "birthday", "dob", "ssn", "nir",
        "iban", "passport", "ip",
    }
)  # fmt: skip
_ALONE = frozenset({"name", "names", "who", "age", "gender", "birth"})

_BETWEEN = re.compile(r"[._\s-]+")


def is_about_people(name: str) -> bool:
    """Does a name in lower case, of words between dots, dashes or underscores, promise personal data?"""
    words = [word for word in _BETWEEN.split(name) if word]
    return not _PEOPLE.isdisjoint(words) or "".join(words) in _PEOPLE | _ALONE
