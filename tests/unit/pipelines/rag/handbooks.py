"""Two small handbooks of one firm, French and English, and what is asked of them: for tests and measures."""

from __future__ import annotations

import math

import qdrant_edge as edge

from passerelle.domain.rag import Found
from passerelle.domain.retrieval import Chunk
from passerelle.text.words import Language

HANDBOOKS: dict[Language, dict[str, str]] = {
    "fr": {
        "Congés payés": "Chaque salarié acquiert 2,5 jours de congés par mois travaillé. Les demandes se font un mois à l'avance "
        "auprès du responsable, qui les valide. Les salariés à temps partiel ont les mêmes droits que les autres.",
        "Télétravail": "Le télétravail est possible deux jours par semaine, en accord avec le manager. L'entreprise verse 20 euros "
        "par mois pour les frais d'internet. Il n'est pas ouvert aux stagiaires.",
        "Mutuelle": "La mutuelle est prise en charge à hauteur de 60 % par l'entreprise. Le conjoint et les enfants peuvent être "
        "couverts moyennant un supplément de 35 euros.",
        "Notes de frais": "Les frais de déplacement sont remboursés sur justificatif, avant le 15 du mois suivant. Les repas sont "
        "plafonnés à 22 euros. Au-delà de 500 euros, la direction financière doit donner son accord.",
        "Congé parental": "Le second parent bénéficie de 28 jours à la naissance de l'enfant. La demande est adressée aux ressources "
        "humaines au moins un mois avant la date prévue.",
        "Formation": "Chaque collaborateur dispose de 1 500 euros de budget de formation par an. Le catalogue est publié en janvier. "
        "Le service des ressources humaines valide les inscriptions.",
        "Horaires": "La durée du travail est de 37 heures par semaine. Les plages fixes vont de 10 heures à 16 heures. Le vendredi, "
        "les bureaux ferment à 17 heures.",
        "Matériel informatique": "Un ordinateur portable est remis à l'arrivée. Il est renouvelé tous les quatre ans. En cas de vol ou "
        "de perte, il faut prévenir le support dans les 24 heures.",
        "Arrêt maladie": "L'absence pour maladie doit être signalée le jour même, et le certificat médical envoyé sous 48 heures. Le "
        "salaire est maintenu pendant 90 jours après un an d'ancienneté.",
        "Départ": "La période de préavis est de trois mois pour les cadres et d'un mois pour les employés. Le badge et le matériel "
        "sont rendus le dernier jour.",
    },
    "en": {
        "Annual leave": "Every employee earns two days of leave for each month worked. Requests are made four weeks in advance and "
        "approved by the line manager. Part-time staff earn leave in proportion to their hours.",
        "Remote work": "Working from home is possible three days a week, in agreement with the manager. The company pays 25 pounds a "
        "month towards internet costs. It is not open to interns.",
        "Health insurance": "The employer covers 70% of the health insurance premium. Spouses and children can be added for an extra "
        "40 pounds a month.",
        "Expenses": "Travel costs are reimbursed against receipts, before the 15th of the following month. Meals are capped at 30 "
        "pounds. Above 600 pounds, the finance department must approve.",
        "Parental leave": "The second parent receives 20 days off at the birth of a child. The request goes to human resources at "
        "least one month before the due date.",
        "Training": "Each employee has a yearly training budget of 1,200 pounds. The catalogue is published in January. Human resources "
        "confirm the registrations.",
        "Working hours": "The working week has 38 hours. Core hours run from 10 in the morning to 4 in the afternoon. The office closes "
        "at 5 on Fridays.",
        "Equipment": "A laptop is handed out on the first day. It is replaced every four years. If it is stolen or lost, tell the "
        "help desk within 24 hours.",
        "Sick leave": "Illness must be reported on the same day, and a doctor's note sent within two days. Pay continues in full for "
        "twelve weeks after one year of service.",
        "Leaving": "The notice period is three months for managers and one month for other staff. Badges and equipment are returned "
        "on the last day.",
    },
}
TITLES = {language: tuple(sections) for language, sections in HANDBOOKS.items()}


def sections(language: Language) -> list[Chunk]:
    """A handbook's sections as passages, each with its heading, as Markdown is cut."""
    return [
        Chunk(
            title,
            "handbook",
            f"## {title}\n\n{text}",
            title="Manuel" if language == "fr" else "Handbook",
            headings=(title,),
            language=language,
        )
        for title, text in HANDBOOKS[language].items()
    ]


class Shelf:
    """A handbook that is searched by words, as collections are: BM25 over title, headings and text."""

    def __init__(self, language: Language) -> None:
        stemmed = "french" if language == "fr" else "english"
        self._words = edge.Bm25(edge.Bm25Config(language=stemmed, avg_len=40))
        self._sections = sections(language)
        embedded = [self._words.embed_document(chunk.indexed) for chunk in self._sections]
        self._held = [dict(zip(each.indices, each.values, strict=True)) for each in embedded]

    def found(self, question: str, k: int = 6) -> list[Found]:
        """The best sections, best first."""
        wanted = {
            stem: math.log(1 + (len(self._held) - rare + 0.5) / (rare + 0.5))
            for stem in self._words.embed_query(question).indices
            if (rare := sum(stem in held for held in self._held))
        }
        scored = [
            (sum(rarity * held.get(stem, 0.0) for stem, rarity in wanted.items()), chunk)
            for held, chunk in zip(self._held, self._sections, strict=True)
        ]
        best = sorted((each for each in scored if each[0] > 0), key=lambda each: (-each[0], each[1].id))[:k]
        return [Found(chunk, score, text_score=score) for score, chunk in best]
