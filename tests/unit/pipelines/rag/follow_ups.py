"""Questions that follow others, and the section of the handbook that must be found first."""

from __future__ import annotations

from passerelle.text.words import Language

# What was asked before, what is asked now, and where it is answered.
FOLLOW_UPS: dict[Language, list[tuple[tuple[str, ...], str, str]]] = {
    "fr": [
        (("Combien de jours de congés par mois ?",), "Et le télétravail ?", "Télétravail"),
        (
            ("Combien de jours de congés par mois ?",),
            "Et pour les salariés à temps partiel ?",
            "Congés payés",
        ),
        (("Combien de jours de congés par mois ?",), "Qui valide les demandes ?", "Congés payés"),
        (("Combien de jours de congés par mois ?",), "Et la mutuelle, qui la paie ?", "Mutuelle"),
        (("Combien de jours de télétravail par semaine ?",), "Et pour les stagiaires ?", "Télétravail"),
        (("Combien de jours de télétravail par semaine ?",), "Qui décide de ça ?", "Télétravail"),
        (("Combien de jours de télétravail par semaine ?",), "Et les horaires ?", "Horaires"),
        (("Combien de jours de télétravail par semaine ?",), "Combien ça rapporte par mois ?", "Télétravail"),
        (("Qui prend en charge la mutuelle ?",), "Et pour mon conjoint ?", "Mutuelle"),
        (("Qui prend en charge la mutuelle ?",), "Combien ça coûte ?", "Mutuelle"),
        (("Qui prend en charge la mutuelle ?",), "Et les frais de déplacement ?", "Notes de frais"),
        (
            ("Qui prend en charge la mutuelle ?", "Et les notes de frais ?"),
            "Et les repas ?",
            "Notes de frais",
        ),
        (("Quel est le plafond des repas ?",), "Et au-delà de 500 euros ?", "Notes de frais"),
        (("Quel est le budget de formation ?",), "Pourquoi ?", "Formation"),
        (("Quel est le budget de formation ?",), "Quand paraît le catalogue ?", "Formation"),
        (("Quel est le préavis des cadres ?",), "Et celui des employés ?", "Départ"),
        (("Quel est le préavis des cadres ?",), "Qu'en est-il du congé parental ?", "Congé parental"),
        (("Quand l'ordinateur portable est-il renouvelé ?",), "Et en cas de vol ?", "Matériel informatique"),
        (("Sous combien de temps envoyer le certificat médical ?",), "Et mon salaire ?", "Arrêt maladie"),
        (("Combien de jours de congés par mois ?", "Et le télétravail ?"), "Et en 2020 ?", "Télétravail"),
    ],
    "en": [
        (("How many days of leave do I earn each month?",), "What about parental leave?", "Parental leave"),
        (("How many days of leave do I earn each month?",), "And for part-time staff?", "Annual leave"),
        (("How many days of leave do I earn each month?",), "Who approves that?", "Annual leave"),
        (("How many days of leave do I earn each month?",), "And remote work?", "Remote work"),
        (("How many days a week can I work from home?",), "And interns?", "Remote work"),
        (("How many days a week can I work from home?",), "Who decides that?", "Remote work"),
        (("How many days a week can I work from home?",), "What about the working hours?", "Working hours"),
        (("How many days a week can I work from home?",), "Does the company pay for it?", "Remote work"),
        (("Who pays the health insurance premium?",), "And my children?", "Health insurance"),
        (("Who pays the health insurance premium?",), "How much is it?", "Health insurance"),
        (("Who pays the health insurance premium?",), "What about travel costs?", "Expenses"),
        (("Who pays the health insurance premium?", "What about expenses?"), "And meals?", "Expenses"),
        (("How much can I spend on meals?",), "And above 600 pounds?", "Expenses"),
        (("What is the training budget?",), "Why?", "Training"),
        (("What is the training budget?",), "When is the catalogue published?", "Training"),
        (("What is the notice period for managers?",), "And for other staff?", "Leaving"),
        (("What is the notice period for managers?",), "How about sick leave?", "Sick leave"),
        (("When is my laptop replaced?",), "And if it is stolen?", "Equipment"),
        (("When must I report an illness?",), "And my pay?", "Sick leave"),
        (("How many days of leave do I earn each month?", "And remote work?"), "And in 2020?", "Remote work"),
    ],
}

# Written after the rules that take them were, to see how those do elsewhere.
LATER: dict[Language, list[tuple[tuple[str, ...], str, str]]] = {
    "fr": [
        (("Quel est le budget de formation ?",), "Et l'ordinateur portable ?", "Matériel informatique"),
        (("Combien d'heures travaille-t-on par semaine ?",), "Et le vendredi ?", "Horaires"),
        (("Combien d'heures travaille-t-on par semaine ?",), "Et la maladie ?", "Arrêt maladie"),
        (("La mutuelle couvre-t-elle les enfants ?",), "À quel prix ?", "Mutuelle"),
        (("Combien de jours pour le second parent ?",), "À qui adresser la demande ?", "Congé parental"),
        (("Qui paie les frais d'internet ?",), "Combien ?", "Télétravail"),
        (("Quel est le préavis des cadres ?",), "Et si je perds mon ordinateur ?", "Matériel informatique"),
        (("Combien de jours de congés par mois ?",), "Et le préavis ?", "Départ"),
        (
            ("Combien de jours de congés par mois ?", "Et le télétravail ?"),
            "Et pour les stagiaires ?",
            "Télétravail",
        ),
        (("Quand paraît le catalogue des formations ?",), "Qui valide ?", "Formation"),
    ],
    "en": [
        (("How many days of leave do I earn each month?",), "And if I'm ill?", "Sick leave"),
        (("How long is the working week?",), "What about Fridays?", "Working hours"),
        (("Who pays internet costs?",), "How much?", "Remote work"),
        (("When is my laptop replaced?",), "What about my badge?", "Leaving"),
        (("What is the training budget?",), "And the notice period?", "Leaving"),
        (("What happens when I am ill?",), "Is it paid?", "Sick leave"),
        (("Who pays the health insurance premium?",), "Do spouses pay extra?", "Health insurance"),
        (("What is the notice period for managers?",), "Then what about laptops?", "Equipment"),
        (
            ("How many days of leave do I earn each month?", "What about remote work?"),
            "Who agrees to it?",
            "Remote work",
        ),
        (("When is the catalogue published?",), "And who confirms?", "Training"),
    ],
}
