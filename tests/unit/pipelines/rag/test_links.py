"""Whatever a model is made to write, no address outside the permitted hosts is left in an answer."""

from __future__ import annotations

import unicodedata

import pytest

from passerelle.pipelines.rag.links import host_of, without_links
from tests.unit.pipelines.rag.answers import passage, told

CANARY = "canary.example"
HOSTS = frozenset({"docs.acme.fr"})
TRICKS = [
    "![x](https://canary.example/p.png?q=SECRET)",
    "![x](<https://canary.example/p.png>)",
    "![x]( https://canary.example/p.png 'titre' )",
    "[voir](https://canary.example)",
    "[voir](//canary.example/x)",
    "[voir](\\\\canary.example\\x)",
    "[voir](https:/\\canary.example/x)",
    "[voir](http:canary.example)",
    "[![x](https://canary.example/a.png)](https://canary.example/b)",
    "[voir][1]\n\n[1]: https://canary.example/x",
    "[a]: //canary.example/x",
    "<https://canary.example/x>",
    "<a href='https://canary.example'>voir</a>",
    '<img src="https://canary.example/x.png">',
    '<img src="https://canary.example/x.png',
    "<img src=//canary.example/x onerror=alert(1)>",
    "https://canary.example/x",
    "HTTPS://CANARY.EXAMPLE/x",
    "www.canary.example",
    "canary.example/x?y=1",
    "Voyez canary.example.",
    "Voyez (canary.example), vite",
    "javascript:fetch('https://canary.example')",
    "[voir](javascript:location='//canary.example')",
    "[voir](data:text/html;base64,canary.example)",
    "&#104;ttps://canary&#46;example/x",
    "[voir](https://docs.acme.fr@canary.example/x)",
    "[voir](https://canary.example\\@docs.acme.fr/x)",
    "[voir](https://docs.acme.fr.canary.example/)",
    "mailto:moi@canary.example",
    "Écrivez à moi@canary.example.",
    "cana\u00adry.exam\u200bple",
    "ca\u202enary.example",
    "https://canary。example/x",
    "[voir](ftp://canary.example/x)",
    "https://user:pass@canary.example:8443/x#y",
]


@pytest.mark.parametrize("trick", TRICKS)
@pytest.mark.parametrize("size", [1, 7, 1000])
def test_no_address_of_a_foreign_host_is_left_however_it_comes(trick: str, size: int) -> None:
    found = [passage(1, f"La porte est bleue. {trick} Le mur est vert.")]
    said = f"La porte est bleue [1]. Tout cela est dit [1] {trick} [1]\nLe mur est vert [1]."
    events, citing = told(found, [said[at : at + size] for at in range(0, len(said), size)], links=HOSTS)
    shown = unicodedata.normalize("NFKC", citing.text).lower().replace("。", ".")
    assert "canary" not in shown.replace("\u00ad", ""), shown
    assert "javascript:" not in shown
    assert "<" not in shown
    assert "Le mur est vert [1]." in citing.text
    assert events


@pytest.mark.parametrize(
    "text",
    [
        "[voir](https://docs.acme.fr/guide)",
        "![plan](https://docs.acme.fr/plan.png)",
        "https://docs.acme.fr/guide?x=1.",
        "docs.acme.fr",
        "Écrivez à aide@acme.fr.",
        "Le prix est de 3.5 euros, p. ex. le mardi (cf. rapport.pdf) à 10:30, i.e. 1/2.",
        "Il a dit : non. Et/ou oui, 3 < 5 et a > b.",
        "C'est la fin.Le début suit.",
        "M. J.-C. Martin, etc.",
    ],
)
def test_permitted_addresses_and_plain_text_stay(text: str) -> None:
    assert without_links(text, HOSTS, "(x)") == text


def test_the_words_of_a_link_stay_without_its_address() -> None:
    assert (
        without_links("Voir [le guide](https://a.example/x) ou https://a.example.", HOSTS, "(x)")
        == "Voir le guide ou (x)."
    )


def test_pages_that_are_cited_may_be_linked_to() -> None:
    found = [passage(1, "La porte est bleue.", url="https://www.ville.fr/porte")]
    _, citing = told(
        found, ["La porte est bleue [1], voir https://www.ville.fr/porte et https://autre.fr/porte."]
    )
    assert citing.text == "La porte est bleue [1], voir https://www.ville.fr/porte et (link removed)."


@pytest.mark.parametrize("more", ["?q=SECRET", "/SECRET", "#SECRET", "2"])
def test_to_whoever_owns_a_cited_page_nothing_is_told(more: str) -> None:
    found = [passage(1, "La porte est bleue.", url="https://www.ville.fr/porte")]
    for form in ("![x]({})", "[x]({})", "<{}>", "{}"):
        for address in ("https://www.ville.fr/porte", "//www.ville.fr/porte", "www.ville.fr/porte"):
            said = f"La porte est bleue [1]. {form.format(address + more)} [1]."
            assert "SECRET" not in told(found, [said])[1].text
            assert "porte2" not in told(found, [said])[1].text


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("https://A.Example/x", "a.example"),
        ("http://bücher.example", "xn--bcher-kva.example"),
        ("https://a.example.:443/", "a.example"),
        ("https://a@b.example", None),
        ("https://a%2eexample", None),
        ("https://a.example\\@b", None),
        ("//a.example", None),
        ("javascript:alert(1)", None),
        ("https://а.example", "xn--80a.example"),
        ("https://[", None),
    ],
)
def test_a_host_is_compared_as_a_browser_would_ask_for_it(url: str, host: str | None) -> None:
    assert host_of(url) == host
