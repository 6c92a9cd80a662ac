"""Sentence pairs written for these tests: how alike they are, from 0 (nothing) to 5 (the same), by one reader."""

PAIRS: tuple[tuple[str, str, float, str], ...] = (
    ("A woman is slicing an onion.", "A woman is cutting up an onion.", 5.0, "en"),
    ("The invoice must be paid within thirty days.", "Payment of the bill is due in 30 days.", 4.6, "en"),
    ("A dog runs across the beach.", "A dog is running on the sand by the sea.", 4.2, "en"),
    ("The teacher explained the lesson twice.", "The lesson was explained by the teacher.", 3.8, "en"),
    ("A man plays the violin.", "A man plays the trumpet.", 2.4, "en"),
    ("She bought a ticket to Madrid.", "He sold his house in Madrid.", 1.4, "en"),
    ("Children are swimming in the lake.", "An old man is reading by the lake.", 1.1, "en"),
    ("The engine needs new oil.", "The choir sang until midnight.", 0.1, "en"),
    ("Our office is closed on Sundays.", "Bananas are rich in potassium.", 0.0, "en"),
    ("Une femme coupe un oignon.", "Une dame tranche un oignon.", 5.0, "fr"),
    (
        "La facture doit être payée sous trente jours.",
        "Le paiement de la facture est dû sous 30 jours.",
        4.6,
        "fr",
    ),
    ("Un chien court sur la plage.", "Un chien court au bord de la mer, sur la plage.", 4.4, "fr"),
    ("Le professeur a expliqué la leçon.", "La leçon a été expliquée par le professeur.", 4.3, "fr"),
    ("Un homme joue du violon.", "Un homme joue de la trompette.", 2.6, "fr"),
    ("Elle a acheté un billet pour Madrid.", "Il a vendu sa maison de Madrid.", 1.4, "fr"),
    ("Des enfants nagent dans le lac.", "Un vieil homme lit au bord du lac.", 1.2, "fr"),
    ("Le moteur a besoin d'huile neuve.", "La chorale a chanté jusqu'à minuit.", 0.1, "fr"),
    ("Notre bureau est fermé le dimanche.", "Les bananes sont riches en potassium.", 0.0, "fr"),
)
