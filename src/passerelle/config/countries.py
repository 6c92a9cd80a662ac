"""The countries of ISO 3166-1, so that a slip in two letters is not taken for a place."""

from __future__ import annotations

# Alpha-2 codes officially assigned by the ISO 3166 Maintenance Agency.
COUNTRIES = frozenset(
    """
    AD AE AF AG AI AL AM AO AQ AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN BO BQ BR BS BT BV BW BY BZ
    CA CC CD CF CG CH CI CK CL CM CN CO CR CU CV CW CX CY CZ DE DJ DK DM DO DZ EC EE EG EH ER ES ET FI FJ FK FM FO
    FR GA GB GD GE GF GG GH GI GL GM GN GP GQ GR GS GT GU GW GY HK HM HN HR HT HU ID IE IL IM IN IO IQ IR IS IT JE
    JM JO JP KE KG KH KI KM KN KP KR KW KY KZ LA LB LC LI LK LR LS LT LU LV LY MA MC MD ME MF MG MH MK ML MM MN MO
    MP MQ MR MS MT MU MV MW MX MY MZ NA NC NE NF NG NI NL NO NP NR NU NZ OM PA PE PF PG PH PK PL PM PN PR PS PT PW
    PY QA RE RO RS RU RW SA SB SC SD SE SG SH SI SJ SK SL SM SN SO SR SS ST SV SX SY SZ TC TD TF TG TH TJ TK TL TM
    TN TO TR TT TV TW TZ UA UG UM US UY UZ VA VC VE VG VI VN VU WF WS YE YT ZA ZM ZW
    """.split()  # noqa: SIM905 - a line of codes can be read, a list of 249 strings cannot
)

# What people write for a country whose code is another.
MISTAKEN = {"UK": "GB", "EL": "GR"}


def check_country(value: str) -> str:
    """The code itself. Raises ValueError for what is not the code of a country."""
    if value in COUNTRIES:
        return value
    meant = MISTAKEN.get(value.upper(), value.upper())
    example = meant if meant in COUNTRIES else "FR"
    raise ValueError(f"is not a country; write an ISO 3166-1 code of two capitals, such as {example}")


# European Commission, decisions under article 45 of the GDPR (and of directive 95/46/EC, which are in force by it), as
# known in November 2026. Not the United States: there, a decision covers the entities that are listed, and no others.
EU = frozenset(
    "AT BE BG CY CZ DE DK EE ES FI FR GR HR HU IE IT LT LU LV MT NL PL PT RO SE SI SK".split()  # noqa: SIM905
)
EEA = EU | {"IS", "LI", "NO"}  # EEA Agreement, 2 May 1992
ADEQUATE = frozenset("AD AR BR CA CH FO GB GG IL IM JE JP KR NZ UY".split())  # noqa: SIM905

# Names for groups of countries that may stand in place of a list.
GROUPS = {"EU": EU, "EEA": EEA, "ADEQUATE": ADEQUATE}
