"""The check digits of numbers that name a person or a firm in Europe. Pure; every number comes without separators."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

LA_POSTE = "356000000"
_DNI = "TRWAGMYFPDXBNJZSQVHLCKE"
_HETU = "0123456789ABCDEFHJKLMNPRSTUVWXY"
_PPS = "WABCDEFGHIJKLMNOPQRSTUV"
_CF_ODD = dict(
    zip(
        "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ",
        (1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 2, 4, 18, 20, 11, 3, 6, 8, 12, 14, 16,
         10, 22, 25, 24, 23),
        strict=True,
    )
)  # fmt: skip
_PESEL_CENTURIES = {0: 1900, 1: 2000, 2: 2100, 3: 2200, 4: 1800}  # by the tens of the month, halved
_CNP_CENTURIES = {"1": 1900, "2": 1900, "3": 1800, "4": 1800, "5": 2000, "6": 2000, "7": 1900, "8": 1900}


def _weighted(number: str, weights: Sequence[int]) -> int:
    return sum([int(digit) * weight for digit, weight in zip(number, weights, strict=False)])


def _is_day(year: int, month: int, day: int) -> bool:
    try:
        date(year, month, day)
    except ValueError:
        return False
    return True


def _is_birth(year: str, month: str, day: str) -> bool:
    """A day of some century, where only two digits of its year are written."""
    return any(_is_day(century + int(year), int(month), int(day)) for century in (1900, 2000))


def luhn(number: str) -> bool:
    """ISO/IEC 7812-1, annex B."""
    doubled = (int(digit) * (2 if place % 2 else 1) for place, digit in enumerate(reversed(number)))
    return sum(value - 9 if value > 9 else value for value in doubled) % 10 == 0


def siren(number: str) -> bool:
    """INSEE (decree 73-314): nine digits, by Luhn."""
    return len(number) == 9 and number != "000000000" and luhn(number)


def siret(number: str) -> bool:
    """INSEE: a SIREN and five digits, all by Luhn; of La Poste's, the sum of the digits is a multiple of five."""
    if len(number) != 14 or not siren(number[:9]):
        return False
    return luhn(number) or (number.startswith(LA_POSTE) and sum(map(int, number)) % 5 == 0)


def french_vat(number: str) -> bool:
    """Article 286 ter of the CGI: two digits (12 + 3 times the SIREN by 97, by 97), then the SIREN."""
    key, firm = number[2:4], number[4:]
    return key.isdigit() and siren(firm) and int(key) == (12 + 3 * (int(firm) % 97)) % 97


def french_tax(number: str) -> bool:
    """The numéro fiscal (SPI) of the DGFiP: the last three of thirteen digits are the first ten by 511."""
    return len(number) == 13 and number[0] in "0123" and int(number[:10]) % 511 == int(number[10:])


def german_tax(number: str) -> bool:
    """Steuer-ID (section 139b AO): ISO 7064 mod 11,10; of the first ten digits one stands twice or three times."""
    if len(number) != 11 or number[0] == "0":
        return False
    counts = sorted([number[:10].count(digit) for digit in "0123456789"], reverse=True)
    if counts[0] not in (2, 3) or counts[1] > 1:
        return False
    product = 10
    for digit in number[:10]:
        product = (((int(digit) + product) % 10 or 10) * 2) % 11
    return (11 - product) % 10 == int(number[10])


def spanish(number: str) -> bool:
    """DNI and NIE (Real Decreto 1553/2005; INT/2058/2008): the letter is the number by 23; X, Y, Z count 0, 1, 2."""
    number = number.upper()
    plain = {"X": "0", "Y": "1", "Z": "2"}.get(number[0], number[0]) + number[1:-1]
    return len(number) == 9 and plain.isdigit() and _DNI[int(plain) % 23] == number[-1]


def italian(number: str) -> bool:
    """Codice fiscale (D.M. 23/12/1976): odd places by a table, even ones by their rank, the letter is the sum by 26."""
    number = number.upper()
    if len(number) != 16:
        return False
    odd = sum([_CF_ODD[each] for each in number[0:15:2]])
    even = sum([int(each) if each.isdigit() else ord(each) - 65 for each in number[1:15:2]])
    return chr(65 + (odd + even) % 26) == number[15]


def dutch(number: str) -> bool:
    """BSN (RvIG, elfproef): nine digits weighted 9 to 2 and -1 give a multiple of 11."""
    return len(number) == 9 and int(number) > 0 and _weighted(number, (9, 8, 7, 6, 5, 4, 3, 2, -1)) % 11 == 0


def belgian(number: str) -> bool:
    """Rijksregisternummer (royal decree 3/4/1984): 97 less nine digits by 97, with a 2 before them from 2000 on.

    The month may be 20 or 40 more (BIS numbers), and a birth that is not known well has zeros.
    """
    if len(number) != 11 or int(number[2:4]) % 20 > 12 or int(number[2:4]) >= 60 or int(number[4:6]) > 31:
        return False
    key = int(number[9:])
    return key in (97 - int(number[:9]) % 97, 97 - int("2" + number[:9]) % 97)


def polish(number: str) -> bool:
    """PESEL (Dz.U. 2010 nr 217): weights 1, 3, 7, 9; the century is in the month."""
    if len(number) != 11:
        return False
    tens, month = divmod(int(number[2:4]), 20)
    if not _is_day(_PESEL_CENTURIES[tens] + int(number[:2]), month, int(number[4:6])):
        return False
    return (10 - _weighted(number, (1, 3, 7, 9, 1, 3, 7, 9, 1, 3)) % 10) % 10 == int(number[10])


def portuguese(number: str) -> bool:
    """NIF (Decreto-Lei 463/79) of a person: it begins with 1, 2, 3 or 45; 11 less the weighted sum by 11, or 0."""
    if len(number) != 9 or not (number[0] in "123" or number.startswith("45")):
        return False
    rest = 11 - _weighted(number, (9, 8, 7, 6, 5, 4, 3, 2)) % 11
    return (0 if rest > 9 else rest) == int(number[8])


def romanian(number: str) -> bool:
    """CNP (Legea 105/1996): sex and century, day of birth, county, and a weighted sum by 11 in which 10 is 1."""
    if len(number) != 13 or number[0] not in _CNP_CENTURIES:
        return False
    year = _CNP_CENTURIES[number[0]] + int(number[1:3])
    county = int(number[7:9])
    if not _is_day(year, int(number[3:5]), int(number[5:7])) or not (1 <= county <= 52 or county == 70):
        return False
    rest = _weighted(number, (2, 7, 9, 1, 4, 6, 3, 5, 8, 2, 7, 9)) % 11
    return (1 if rest == 10 else rest) == int(number[12])


def swedish(number: str) -> bool:
    """Personnummer (Folkbokföringslag 1991:481): Luhn over ten digits; a day past 60 is a samordningsnummer."""
    if len(number) == 12 and number[:2] not in ("18", "19", "20"):
        return False
    last = number[-10:]
    day = int(last[4:6])
    return _is_birth(last[:2], last[2:4], f"{day - 60 if day > 60 else day}") and luhn(last)


def finnish(number: str) -> bool:
    """Henkilötunnus (VNa 128/2010): the day and the three digits of the number, as one, by 31."""
    number = number.upper()
    digits = number[:6] + number[7:10]
    return (
        digits.isdigit()
        and _is_birth(number[4:6], number[2:4], number[:2])
        and _HETU[int(digits) % 31] == number[10]
    )


def czech(number: str) -> bool:
    """Rodné číslo (zákon 133/2000): ten digits are a multiple of 11; a woman's month is 50 more, some 20 more."""
    month = int(number[2:4]) % 50
    month = month - 20 if month > 20 else month
    if len(number) != 10 or not _is_birth(number[:2], f"{month}", number[4:6]):
        return False
    return int(number[:9]) % 11 % 10 == int(number[9])


def austrian(number: str) -> bool:
    """Sozialversicherungsnummer (section 31 ASVG): weights 3, 7, 9, 0, 5, 8, 4, 2, 1, 6 by 11; the day of birth."""
    if len(number) != 10 or number[0] == "0" or not 1 <= int(number[4:6]) <= 31 or int(number[6:8]) > 15:
        return False
    return _weighted(number, (3, 7, 9, 0, 5, 8, 4, 2, 1, 6)) % 11 == int(number[3])


def danish(number: str) -> bool:
    """CPR: a day of birth and four digits; since 2007 there is no check digit (CPR-kontoret)."""
    return len(number) == 10 and _is_birth(number[4:6], number[2:4], number[:2])


def irish(number: str) -> bool:
    """PPS number (Social Welfare Consolidation Act 2005): seven digits weighted 8 to 2, a second letter nine, by 23."""
    number = number.upper()
    second = number[8:]
    extra = 0 if second in ("", "W") else ord(second) - 64
    return _PPS[(_weighted(number[:7], (8, 7, 6, 5, 4, 3, 2)) + 9 * extra) % 23] == number[7]
