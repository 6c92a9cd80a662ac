"""`dpa check`: every rule by its stable id, and what they find of one case or of many. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from itertools import chain

from passerelle.compliance import check_papers, check_parties, check_run
from passerelle.compliance.check_case import Case
from passerelle.compliance.findings import Found, put_in_order

Run = Callable[[Case], Iterable[Found]]


@dataclass(frozen=True, slots=True)
class Rule:
    """When it fails, for people; the law or guidance behind it; and the functions that find out."""

    fails_when: str
    law: str
    run: tuple[Run, ...]


RULES: Mapping[str, Rule] = {
    "R01": Rule(
        "A party that data may reach is outside the countries or operators that the tenant's policy names.",
        "GDPR, article 28(3)(a)",
        (check_parties.place,),
    ),
    "R02": Rule(
        "A party outside the EEA has no transfer tool, or relies on the Data Privacy Framework alone.",
        "GDPR, articles 44 to 46; EDPB guidelines 05/2021",
        (check_parties.all_of_transfer,),
    ),
    "R03": Rule(
        "A transfer on standard clauses was not assessed, or its assessment was to be reviewed.",
        "Decision 2021/914, clause 14; EDPB recommendations 01/2020",
        (check_papers.assessment,),
    ),
    "R04": Rule(
        "The place where a party processes data is not promised, or may change.",
        "GDPR, article 28(3)(a)",
        (check_parties.pinned,),
    ),
    "R05": Rule(
        "A party trains on what it is sent, and nothing shows that it was told not to.",
        "GDPR, articles 5(1)(b) and 28(3)(a)",
        (check_parties.training,),
    ),
    "R06": Rule(
        "A party keeps data longer than the tenant's policy allows, or it is not known how long.",
        "GDPR, article 5(1)(e)",
        (check_parties.retention,),
    ),
    "R07": Rule(
        "Special categories or minors are concerned, without zero retention or an impact assessment.",
        "GDPR, articles 9 and 35",
        (check_parties.sensitive,),
    ),
    "R08": Rule(
        "No signed agreement with a sub-processor in use is on file.",
        "GDPR, article 28(4)",
        (check_papers.agreement,),
    ),
    "R09": Rule(
        "A party in use has no entry in the catalogue, or its evidence is unverified or too old.",
        "EDPB opinion 22/2024",
        (check_papers.evidence,),
    ),
    "R10": Rule(
        "A router is used whose operator is not declared, or that chooses the provider itself.",
        "EDPB opinion 22/2024",
        (check_parties.router,),
    ),
    "R11": Rule(
        "A measure of annex II is not as it is declared; prompts are logged after their last day.",
        "GDPR, article 32",
        (check_run.measures,),
    ),
    "R12": Rule(
        "Data is purged at another time than the documents say, or is older than it may be.",
        "GDPR, article 5(1)(e)",
        (check_run.purges,),
    ),
    "R13": Rule(
        "A generated document is not what a rebuild gives.",
        "GDPR, article 5(2)",
        (check_run.files,),
    ),
    "R14": Rule(
        "A sub-processor was added without the notice that was agreed, and it was no emergency.",
        "GDPR, article 28(2)",
        (check_run.notice,),
    ),
    "R15": Rule(
        "The ledger saw a country, provider or operator that the signed annex does not name.",
        "GDPR, articles 5(2) and 28(3)(a)",
        (check_run.served,),
    ),
    "R16": Rule(
        "A contact or a field of the agreement is missing, or a document waits for a human.",
        "GDPR, articles 28(3) and 30(2)",
        (check_papers.contacts, check_run.gaps),
    ),
    "R17": Rule(
        "People talk to the tenant's models, and are not told so or answers are not marked.",
        "AI Act, article 50",
        (check_papers.disclosure,),
    ),
    "R18": Rule(
        "A decision on the adequacy of a country has ended, or ends within 90 days.",
        "GDPR, article 45",
        (check_papers.adequacy,),
    ),
    "R19": Rule(
        "A provider that is asked through the Hub's router is not on the Hub's list any more.",
        "EDPB opinion 22/2024",
        (check_papers.partners,),
    ),
}


def check(cases: Iterable[Case], *, strict: bool = False) -> tuple[Found, ...]:
    """Everything that every rule finds. With `strict`, warnings are errors."""
    found = chain.from_iterable(run(case) for case in cases for rule in RULES.values() for run in rule.run)
    return put_in_order(found, strict=strict)
