import pytest

from passerelle.backends.builtin import polarity
from passerelle.backends.builtin.embedder import Embedder
from passerelle.backends.builtin.labels import readable, scores

TOPICS = ("card_arrival", "lostOrStolenCard", "exchange-rate")


def _nearest(text: str, labels: tuple[str, ...], embedder: Embedder, about: str = "") -> str:
    found = scores(text, labels, embedder, about=about)
    return labels[found.index(max(found))]


def test_identifiers_are_read_as_words() -> None:
    assert [readable(label) for label in TOPICS] == ["card arrival", "lost or stolen card", "exchange rate"]


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("When will my new card be delivered?", "card_arrival"),
        ("Someone stole my card at the bar.", "lostOrStolenCard"),
        ("How many dollars do I get for a euro?", "exchange-rate"),
    ],
)
def test_the_nearest_topic_is_chosen(embedder: Embedder, text: str, label: str) -> None:
    assert _nearest(text, TOPICS, embedder) == label


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("Le formateur était passionnant, j'ai adoré ce cours.", "positif"),
        ("Salle froide, support inutile : une vraie perte de temps.", "négatif"),
        ("La réunion a lieu jeudi en salle B.", "neutre"),
        ("What a wonderful day, thank you all!", "positif"),
        ("The parcel arrived broken and nobody answers, terrible.", "négatif"),
    ],
)
def test_opinions_are_told_in_both_languages(embedder: Embedder, text: str, label: str) -> None:
    assert _nearest(text, ("positif", "neutre", "négatif"), embedder) == label


def test_a_negation_turns_an_opinion() -> None:
    assert (
        polarity.leaning("The course was good.", "en")
        > 0
        > polarity.leaning("The course was not good.", "en")
    )
    assert polarity.leaning("C'est bien", "fr") > 0 > polarity.leaning("Ce n'est pas bien", "fr")


@pytest.mark.parametrize(
    ("text", "label"), [("Où est la gare ?", "français"), ("Where is the station?", "anglais")]
)
def test_a_property_named_language_asks_for_the_language(embedder: Embedder, text: str, label: str) -> None:
    assert _nearest(text, ("anglais", "français", "allemand"), embedder, about="langue") == label


def test_a_text_longer_than_the_model_is_judged_as_a_whole(embedder: Embedder) -> None:
    long = "The meeting is on Tuesday. " * 20 + "My card was stolen and I lost it. " * 60

    assert _nearest(long, TOPICS, embedder) == "lostOrStolenCard"
