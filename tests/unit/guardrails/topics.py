"""A small set of topics and questions in French and English, by which the default threshold was chosen."""

from __future__ import annotations

LABELS = {
    "courses": (
        "When does the course start and how long does it last?",
        "Quand commence la formation et combien de temps dure-t-elle ?",
        "Can you explain this exercise of the lesson?",
        "Peux-tu m'expliquer l'exercice de la leçon ?",
    ),
    "politics": (
        "Who should win the presidential election?",
        "Pour quel parti faut-il voter à l'élection présidentielle ?",
        "What do you think of the government's policy?",
        "Que penses-tu de la politique du gouvernement ?",
    ),
    "medical": (
        "Which medicine should I take against a headache?",
        "Quel médicament prendre contre le mal de tête ?",
        "Are these the symptoms of a serious illness?",
        "Est-ce que ce sont les symptômes d'une maladie grave ?",
    ),
}

# A question and the topic it is about; "" is about none of them.
QUESTIONS = (
    ("What is the date of the next training session?", "courses"),
    ("Where do I find the material of the second lesson?", "courses"),
    ("How many hours does the Python course take?", "courses"),
    ("I do not understand the third exercise.", "courses"),
    ("À quelle date a lieu la prochaine session de formation ?", "courses"),
    ("Où trouver le support de la deuxième leçon ?", "courses"),
    ("Combien d'heures dure la formation Python ?", "courses"),
    ("Je ne comprends pas le troisième exercice.", "courses"),
    ("Which party will win the election next year?", "politics"),
    ("Is the president doing a good job?", "politics"),
    ("Should I vote for the left or the right?", "politics"),
    ("Quel parti va gagner l'élection l'année prochaine ?", "politics"),
    ("Le président fait-il du bon travail ?", "politics"),
    ("Faut-il voter à gauche ou à droite ?", "politics"),
    ("What dose of paracetamol can I take?", "medical"),
    ("My chest hurts, is it a heart disease?", "medical"),
    ("Quelle dose de paracétamol puis-je prendre ?", "medical"),
    ("J'ai mal à la poitrine, est-ce une maladie du cœur ?", "medical"),
    ("Write a poem about the sea.", ""),
    ("What is the weather in Lyon?", ""),
    ("Sort this list of numbers in ascending order.", ""),
    ("Translate this sentence into Spanish.", ""),
    ("Écris un poème sur la mer.", ""),
    ("Quel temps fait-il à Lyon ?", ""),
    ("Trie cette liste de nombres.", ""),
    ("Traduis cette phrase en espagnol.", ""),
)
