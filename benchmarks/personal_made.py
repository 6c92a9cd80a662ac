"""Values and sentences for `benchmarks.personal`: valid numbers, and what only looks like one. All are made up."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping

from passerelle.text import personal_sums as sums

Make = Callable[[random.Random], str]

_FIRST = ("Anna", "Jean", "Zoé", "Marie-Claude", "Thomas", "Sarah", "Hugo", "Inès", "Oliver", "Emily")
_LAST = ("Petit", "Durand", "Lefèvre", "Smith", "Okafor", "Martin", "Garcia", "Rousseau", "Müller", "Brown")
_HOSTS = ("laposte.net", "orange.fr", "gmail.com", "univ-lyon1.fr", "mail.co.uk")
_PREFIXES = ("", "Bonjour, ", "Hello, ", "Note : ", "(urgent) ")


def _digits(draw: random.Random, count: int) -> str:
    return "".join(draw.choice("0123456789") for _ in range(count))


def _day(draw: random.Random, order: str) -> str:
    parts = {"y": draw.randint(40, 99), "m": draw.randint(1, 12), "d": draw.randint(1, 28)}
    return "".join(f"{parts[each]:02}" for each in order)


def _until(draw: random.Random, make: Make, check: Callable[[str], bool]) -> str:
    while not check(value := make(draw)):
        pass
    return value


def _spaced(draw: random.Random, number: str, *sizes: int, by: str = "  \u00a0.") -> str:
    """In groups, or as one."""
    if draw.random() < 0.4:
        return number
    gap, parts, at = draw.choice(by), [], 0
    for size in sizes:
        parts.append(number[at : at + size])
        at += size
    return gap.join(parts)


def _iban(draw: random.Random) -> str:
    account = _digits(draw, 23)
    key = 98 - int(account + "152700") % 97
    return _spaced(draw, f"FR{key:02}{account}", 4, 4, 4, 4, 4, 4, 3, by=" ")


def _nir(draw: random.Random) -> str:
    place = draw.choice([f"{draw.randint(1, 95):02}", "2A", "2B"])
    number = f"{draw.choice('12')}{draw.randint(0, 99):02}{draw.randint(1, 12):02}{place}{_digits(draw, 6)}"
    key = 97 - int(number.replace("2A", "19").replace("2B", "18")) % 97
    return _spaced(draw, f"{number}{key:02}", 1, 2, 2, 2, 3, 3, 2, by=" ")


def _card(draw: random.Random) -> str:
    number = _until(
        draw, lambda draw: draw.choice(("4", "51", "37")) + _digits(draw, 15), lambda n: sums.luhn(n[:16])
    )
    return _spaced(draw, number[:16], 4, 4, 4, 4, by=" -")


def _phone(draw: random.Random) -> str:
    rest = _digits(draw, 8)
    gap = draw.choice(["", " ", ".", "-"])
    pairs = gap.join([rest[at : at + 2] for at in range(0, 8, 2)])
    return draw.choice([f"0{draw.choice('1234567')}{gap}{pairs}", f"+33 {draw.choice('67')} {pairs}"])


def _mail(draw: random.Random) -> str:
    first = draw.choice(("anna", "j.durand", "zoe_p", "thomas+news", "m-c.petit"))
    return f"{first}{draw.randint(1, 999)}@{draw.choice(_HOSTS)}"


def _ip(draw: random.Random) -> str:
    return draw.choice([f"{draw.randint(11, 99)}.{draw.randint(0, 255)}.{draw.randint(0, 255)}.{draw.randint(1, 254)}",
                        f"2a01:e0a:{draw.randrange(65536):x}:{draw.randrange(1, 65536):x}::1"])  # fmt: skip


def _name(draw: random.Random) -> str:
    return f"{draw.choice(_FIRST)} {draw.choice(_LAST)}"


def _siret(draw: random.Random) -> str:
    firm = _until(draw, lambda draw: _digits(draw, 9), sums.siren)
    return _spaced(draw, _until(draw, lambda draw: firm + _digits(draw, 5), sums.siret), 3, 3, 3, 5, by=" ")


def _siren(draw: random.Random) -> str:
    return _spaced(draw, _until(draw, lambda draw: _digits(draw, 9), sums.siren), 3, 3, 3, by=" ")


def _steuer(draw: random.Random) -> str:
    def one(draw: random.Random) -> str:
        digits = draw.sample("0123456789", 9)
        digits.insert(draw.randrange(1, 9), draw.choice(digits))
        return "".join(digits) + draw.choice("0123456789")

    return _spaced(draw, _until(draw, one, sums.german_tax), 2, 3, 3, 3, by=" ")


def _fiscale(draw: random.Random) -> str:
    letters = "".join(draw.choice("BCDFGLMNPRST") for _ in range(6))
    body = f"{letters}{draw.randint(40, 99)}{draw.choice('ABCDEHLMPRST')}{draw.randint(1, 28):02}H{_digits(draw, 3)}"
    return _until(draw, lambda draw: body + draw.choice("ABCDEFGHIJKLMNOPQRSTUVWXYZ"), sums.italian)


def _belgian(draw: random.Random) -> str:
    number = _day(draw, "ymd") + _digits(draw, 3)
    number = f"{number}{97 - int(number) % 97:02}"
    return draw.choice([number, f"{number[:2]}.{number[2:4]}.{number[4:6]}-{number[6:9]}.{number[9:]}"])


def _by(make: Make, check: Callable[[str], bool], shape: Callable[[str], str] = str) -> Make:
    return lambda draw: shape(_until(draw, make, check))


AROUND = (
    "{}",
    "{}",
    "{}",
    "({})",
    "n°{}",
    '"{}"',
    "«\u00a0{}\u00a0»",
    "{};",
    "\n{}\n",
    "[{}]",
    "\t{}\t",
    "*{}*",
    "={}",
    "'{}'",
)
_WITH = ("Mon numéro est {}.", "My number: {}", "Voici : {} merci", "{}")
VALUES: Mapping[str, tuple[str, Make, tuple[str, ...]]] = {
    "email": ("email", _mail, ("Écrivez à {}.", "Contact me at {}, please", "<{}>", "mail:{}")),
    "phone": ("phone", _phone, ("Appelez le {}.", "Call me on {} tomorrow", "tél : {}", "{}")),
    "iban": ("iban", _iban, ("IBAN {}", "Virez sur {}.", "My account is {}, thanks")),
    "card": ("card", _card, ("Carte {}.", "card number {} exp 12/27", "payé avec {}")),
    "nir": ("nir", _nir, ("Sécu : {}", "NIR {}.", "My French social security number is {}")),
    "ssn": ("ssn", lambda d: f"{d.randint(100, 665)}-{d.randint(10, 99)}-{d.randint(1000, 9999)}", ("SSN {}", "My SSN is {}.")),
    "ip": ("ip", _ip, ("connecté depuis {}", "from {} at noon", "IP {}")),
    "name": ("name", _name, ("Je m'appelle {}.", "My name is {}, hello", "Bonjour Mme {}", "Dear Mr {},")),
    "name-in-passing": ("name", _name, ("Le dossier de {} est complet.", "Ask {} about it.")),
    "birth": ("birth", lambda d: f"{d.randint(1, 28):02}/{d.randint(1, 12):02}/{d.randint(1940, 2008)}",
              ("née le {}", "date of birth: {}", "born on {}.", "né le {}")),
    "address": ("address", lambda d: f"{d.randint(1, 99)} {d.choice(['rue Victor', 'avenue Foch', 'rue de Lyon', 'Baker Street'])}",
                ("J'habite {}.", "I live at {}.", "Adresse : {}")),
    "siren": ("siren", _siren, ("SIREN {}", "RCS Lyon {}", "immatriculée sous le numéro {}", "company number {}")),
    "siret": ("siren", _siret, ("SIRET {}", "établissement {}", "our office {}")),
    "de": ("national-id", _steuer, ("Steuer-ID {}", *_WITH)),
    "es": ("national-id", _by(lambda d: _digits(d, 8) + d.choice("TRWAGMYFPDXBNJZSQVHLCKE"), sums.spanish), ("DNI {}", *_WITH)),
    "es-nie": ("national-id", _by(lambda d: d.choice("XYZ") + _digits(d, 7) + d.choice("TRWAGMYFPDXBNJZSQVHLCKE"), sums.spanish),
               ("NIE {}", *_WITH)),
    "it": ("national-id", _fiscale, ("codice fiscale {}", *_WITH)),
    "nl": ("national-id", _by(lambda d: _digits(d, 9), sums.dutch), ("BSN {}", "Burgerservicenummer: {}", "{} is my BSN")),
    "be": ("national-id", _belgian, ("registre national {}", *_WITH)),
    "pl": ("national-id", _by(lambda d: _day(d, "ymd") + _digits(d, 5), sums.polish), ("PESEL {}", "mon PESEL est le {}")),
    "pt": ("national-id", _by(lambda d: d.choice("123") + _digits(d, 8), sums.portuguese), ("NIF {}", "contribuinte n.º {}")),
    "ro": ("national-id", _by(lambda d: d.choice("12") + _day(d, "ymd") + f"{d.randint(1, 46):02}" + _digits(d, 4), sums.romanian),
           ("CNP {}", *_WITH)),
    "se": ("national-id", _by(lambda d: _day(d, "ymd") + _digits(d, 4), sums.swedish, lambda n: f"{n[:6]}-{n[6:]}"),
           ("personnummer {}", *_WITH)),
    "fi": ("national-id", _by(lambda d: _day(d, "dmy") + "-" + _digits(d, 3) + d.choice("0123456789ABCDEFHJKLMNPRSTUVWXY"), sums.finnish),
           ("HETU {}", *_WITH)),
    "cz": ("national-id", _by(lambda d: f"{d.randint(54, 99)}{_day(d, 'md')}" + _digits(d, 4), sums.czech, lambda n: f"{n[:6]}/{n[6:]}"),
           ("rodné číslo {}", *_WITH)),
    "fr-tax": ("national-id", _by(lambda d: d.choice("0123") + _digits(d, 12), sums.french_tax), ("numéro fiscal {}", *_WITH)),
}  # fmt: skip


def _near(make: Make, text: str) -> Make:
    """A value with its last digit changed, so that it is none."""

    def one(draw: random.Random) -> str:
        value = make(draw)
        at = max(place for place, char in enumerate(value) if char.isdigit())
        other = str((int(value[at]) + draw.randint(1, 8)) % 10)
        return text.format(value[:at] + other + value[at + 1 :])

    return one


NEGATIVES: tuple[Make, ...] = (
    _near(_iban, "référence {}"),
    _near(_nir, "code {} du dossier"),
    _near(_siren, "SIREN {}"),
    _near(_steuer, "reference {}"),
    _near(_belgian, "dossier {}"),
    lambda d: f"La facture s'élève à {d.randint(1, 999)} {_digits(d, 3)},{_digits(d, 2)} € TTC.",
    lambda d: f"Total: ${d.randint(1, 99)},{_digits(d, 3)}.{_digits(d, 2)} for {d.randint(2, 99)} seats",
    lambda d: f"Commande n° {_digits(d, 9)} expédiée",
    lambda d: f"order {_digits(d, 8)} and ticket #{_digits(d, 6)}",
    lambda d: f"version {d.randint(0, 20)}.{d.randint(0, 40)}.{d.randint(0, 99)} build {_digits(d, 5)}",
    lambda d: (
        f"Le {d.randint(1, 28)}/{d.randint(1, 12):02}/{d.randint(2000, 2030)} à {d.randint(0, 23)}h{d.randint(10, 59)}"
    ),
    lambda d: (
        f"on {d.randint(2000, 2030)}-{d.randint(1, 12):02}-{d.randint(1, 28):02}T{d.randint(10, 23)}:{d.randint(10, 59)}:00Z"
    ),
    lambda d: (
        f"backup-{d.randint(2000, 2030)}{d.randint(1, 12):02}{d.randint(1, 28):02}-{d.randint(10, 23)}{d.randint(10, 59)}.tar"
    ),
    lambda d: f"ISBN 978-2-{_digits(d, 2)}-{_digits(d, 6)}-{_digits(d, 1)}",
    lambda d: f"ISBN 978{_digits(d, 10)}",
    lambda d: f"réf. AB{_digits(d, 4)}-{_digits(d, 6)}",
    lambda d: f"écrire à {d.choice(['support', 'contact', 'info'])}@{d.choice(_HOSTS)}",
    lambda d: f"host 192.168.{d.randint(0, 255)}.{d.randint(0, 255)} port {_digits(d, 4)}",
    lambda d: f"lat {d.randint(40, 50)}.{_digits(d, 6)}, lon {d.randint(0, 9)}.{_digits(d, 6)}",
    lambda d: f"id {d.getrandbits(128):032x}",
    lambda d: f"{d.randint(2, 40)} cours de Python pour {d.randint(5, 900)} personnes, {d.randint(1, 99)} %",
    lambda d: f"Le numéro vert 0800 {_digits(d, 3)} {_digits(d, 3)}",
    lambda d: (
        f"{d.choice(['Marie Curie', 'Victor Hugo', 'La Fayette'])} street map, page {d.randint(1, 400)}"
    ),
    lambda d: f"pi is about 3.{_digits(d, 12)} and {_digits(d, 6)} more",
)

PLAIN = (
    "La formation dure 2 jours et se déroule à Lyon, dans nos locaux. Les participants apprennent à présenter un projet, à "
    "répondre aux questions et à conclure. The course takes two days; a laptop is needed, and lunch is included at 12:30. "
)
