"""The documents: the same inputs are the same bytes, what people wrote stays, links lead somewhere, French is set right."""

from __future__ import annotations

import csv
import io
import json
import re
from datetime import date
from pathlib import Path

import pytest

from passerelle.compliance.build import Built, build, drift, write
from passerelle.compliance.build_documents import DOCUMENTS
from passerelle.compliance.manifest import digest, kept
from passerelle.compliance.words import MARKS, Words
from passerelle.domain.errors import CannotRun
from passerelle.rights.retained import retention_of
from tests.unit.compliance.ground import DAY, PLAIN, ROOT, built, catalog_of, estate_of

_ONE = ("fr",)
_LATER = date(2027, 1, 15)
_AUTO = PLAIN.replace("provider: scaleway", "provider: auto")
_CODE = re.compile(r"```.*?```|`[^`\n]*`|<!--.*?-->|<[^>\n]*>|\]\([^)\n]*\)", re.DOTALL)


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Built:
    return built(estate_of(), tmp_path_factory.mktemp("dpa"))


def test_every_document_is_there_in_both_languages_and_linked_from_the_summary(demo: Built) -> None:
    assert len(demo.files) == 2 * (len(DOCUMENTS) + 2) + 1
    for language, summary in (("fr", "fr/00-synthese.md"), ("en", "en/00-summary.md")):
        linked = set(re.findall(r"\]\(([^)#]+)\)", demo.files[summary]))
        assert {each.names[language] for each in DOCUMENTS} - linked <= {summary.split("/")[1]}


def test_every_link_leads_somewhere(demo: Built) -> None:
    for name, text in demo.files.items():
        if not name.endswith(".md"):
            continue
        for target in re.findall(r"\]\(([^)]+)\)", text):
            path, _, anchor = target.partition("#")
            there = demo.files.get(f"{name.split('/')[0]}/{path}" if path else name)
            assert there is not None, (name, target)
            assert not anchor or f'<a id="{anchor}">' in there, (name, target)


def test_tables_have_as_many_cells_in_every_row(demo: Built) -> None:
    for name, text in demo.files.items():
        wide = 0
        for line in text.splitlines() if name.endswith(".md") else ():
            cells = len(re.findall(r"(?<!\\)\|", line)) if line.startswith("|") else 0
            assert not cells or not wide or cells == wide, (name, line)
            wide = cells


def test_french_is_set_as_printers_set_it(demo: Built) -> None:
    for name, text in demo.files.items():
        if name.startswith("fr/") and name.endswith(".md"):
            prose = _CODE.sub("", text)
            assert not re.search(r" [;:?!»]|« |\w'", prose), name
            assert not re.search(r"[A-Za-zéà)][;?!](?!\w)", prose.replace("&lt;", "").replace("&amp;", "")), (
                name
            )


def test_the_same_inputs_are_the_same_bytes_whenever_they_are_built(tmp_path: Path) -> None:
    folder = tmp_path / "generated" / "demo"
    first = built(estate_of(), tmp_path)
    assert len(write(first, folder)) == len(first.files)

    again = built(estate_of(environment={"HF_TOKEN": "hf_x"}), tmp_path, on=_LATER)

    assert again.files == first.files
    assert write(again, folder) == ()
    assert drift(again, folder) == ()


def test_a_party_that_is_added_is_announced_with_the_end_of_the_time_to_object(tmp_path: Path) -> None:
    folder = tmp_path / "generated" / "demo"
    write(built(estate_of(), tmp_path, languages=_ONE), folder)
    changed = built(estate_of(_AUTO), tmp_path, languages=_ONE, on=_LATER)
    write(changed, folder)

    entry, first = changed.manifest["changes"]
    assert (entry["added"], entry["removed"], entry["date"]) == (["hub"], ["Scaleway SAS"], "2027-01-15")
    assert entry["objection_until"] == "2027-02-14"
    assert "fr/04-annexe-III-sous-traitants.md" in entry["documents"]
    assert first["first"]
    assert "14 février 2027" in changed.files["fr/CHANGES.md"]
    assert built(estate_of(_AUTO), tmp_path, languages=_ONE, on=date(2027, 3, 1)).files == changed.files


def test_what_is_added_and_taken_back_on_one_day_was_never_there(tmp_path: Path) -> None:
    folder = tmp_path / "generated" / "demo"
    for text, on in ((PLAIN, DAY), (_AUTO, _LATER), (PLAIN, _LATER)):
        last = built(estate_of(text), tmp_path, languages=_ONE, on=on)
        write(last, folder)

    entry = last.manifest["changes"][0]
    assert (entry["added"], entry["removed"], entry["objection_until"]) == ([], [], None)


def test_what_people_wrote_survives_a_rebuild_and_is_no_drift(tmp_path: Path) -> None:
    folder = tmp_path / "generated" / "demo"
    write(built(estate_of(), tmp_path, languages=_ONE), folder)
    file = folder / "fr" / "01-accord-article-28.md"
    theirs = "Selon l'avenant n° 2 : rien d'autre."
    file.write_text(file.read_text(encoding="utf-8").replace("Sans objet.", theirs), encoding="utf-8")

    again = built(estate_of(), tmp_path, languages=_ONE, on=_LATER)
    assert drift(again, folder) == ()
    assert again.manifest["date"] == "2026-11-22"
    changed = built(estate_of(_AUTO), tmp_path, languages=_ONE, on=_LATER)
    assert theirs in changed.files["fr/01-accord-article-28.md"]


def test_an_edit_outside_kept_blocks_a_lost_file_and_a_foreign_one_are_drift(tmp_path: Path) -> None:
    folder = tmp_path / "generated" / "demo"
    write(built(estate_of(), tmp_path), folder)
    edited = folder / "en" / "00-summary.md"
    edited.write_text(edited.read_text(encoding="utf-8").replace("| no |", "| yes |"), encoding="utf-8")
    (folder / "en" / "CHANGES.md").unlink()
    (folder / "en" / "14-more.md").write_text("x", encoding="utf-8")

    found = {each.file: each.why for each in drift(built(estate_of(), tmp_path), folder)}

    assert found == {"en/00-summary.md": "edited", "en/CHANGES.md": "missing", "en/14-more.md": "unexpected"}
    (folder / "en" / "14-more.md").unlink()
    assert {each.why for each in drift(built(estate_of(_AUTO), tmp_path), folder)} >= {"outdated"}


def test_a_block_that_is_not_whole_is_refused_before_a_rebuild_loses_it() -> None:
    text = "<!-- keep:begin a -->\nmine\n<!-- keep:end -->\n"

    assert kept(text, file="x.md") == {"a": "mine\n"}
    assert digest(text) == digest(text.replace("mine", "yours"))
    for broken in (text.replace("<!-- keep:end -->\n", ""), text * 2, text + "<!-- keep:end -->\n"):
        with pytest.raises(CannotRun, match=r"x\.md: a kept block"):
            kept(broken, file="x.md")


def test_a_broken_manifest_is_told(tmp_path: Path) -> None:
    folder = tmp_path / "generated" / "demo"
    folder.mkdir(parents=True)
    (folder / "manifest.json").write_text("{}", encoding="utf-8")

    with pytest.raises(CannotRun, match="not a manifest"):
        built(estate_of(), tmp_path)


def test_what_nobody_wrote_is_a_visible_gap(tmp_path: Path) -> None:
    files = built(estate_of(dpa=tmp_path), tmp_path).files
    agreement = files["fr/01-accord-article-28.md"], files["en/01-article-28-agreement.md"]

    assert all(mark in text for mark, text in zip(MARKS, agreement, strict=True))
    assert "[À compléter\u00a0: dénomination du client]" in agreement[0]


def test_the_demo_has_no_gaps(demo: Built) -> None:
    assert not [name for name, text in demo.files.items() if any(mark in text for mark in MARKS)]


def test_what_stands_in_sources_is_text_and_never_markup(tmp_path: Path) -> None:
    evil = "a | b <script>alert(1)</script> [x](javascript:1) `c` =1+1"
    file = tmp_path / "sources" / "tenants" / "demo.yaml"
    file.parent.mkdir(parents=True)
    file.write_text(f"tenant: demo\nname: {json.dumps(evil)}\n", encoding="utf-8")
    files = built(estate_of(dpa=tmp_path), tmp_path).files

    for name, text in files.items():
        if name.endswith(".md"):
            assert "<script" not in text
            assert "](javascript" not in text.replace("\\]", "")
    assert r"a \| b &lt;script" in files["en/00-summary.md"]


def test_no_cell_of_the_table_begins_as_a_formula_would(tmp_path: Path) -> None:
    file = tmp_path / "sources" / "tenants" / "demo.yaml"
    file.parent.mkdir(parents=True)
    file.write_text('tenant: demo\npurposes: {fr: ["=cmd()"], en: ["@x"]}\n', encoding="utf-8")
    text = built(estate_of(dpa=tmp_path), tmp_path).files["fr/05-registre-article-30-2.csv"]
    rows = list(csv.reader(io.StringIO(text)))

    assert all(len(row) == len(rows[0]) == 14 for row in rows)
    assert rows[1][5] == "'=cmd()"
    assert not [cell for row in rows for cell in row if cell.startswith(("=", "+", "-", "@"))]


def test_the_linked_register_names_both_sides_and_the_chain(demo: Built) -> None:
    register = json.loads(demo.files["en/05-register-article-30-2.jsonld"])
    process = register["dpv:hasProcess"][0]

    assert register["@context"]["dpv"] == "https://w3id.org/dpv#"
    assert process["dpv:hasDataController"]["dpv:hasName"].startswith("Formation")
    assert [each["@type"] for each in process["dpv:hasDataProcessor"]] == [
        "dpv:DataProcessor",
        "dpv:DataSubProcessor",
        "dpv:DataSubProcessor",
    ]


# Looked up in the vocabulary's own lists of classes and properties, version 2.
_DPV = {
    "dpv:DataController", "dpv:DataProcessor", "dpv:DataSubProcessor", "dpv:DataSubject", "dpv:OrganisationalMeasure",
    "dpv:PersonalData", "dpv:Process", "dpv:Purpose", "dpv:RecordsOfActivities", "dpv:StorageDuration",
    "dpv:TechnicalMeasure", "dpv:hasAddress", "dpv:hasContact", "dpv:hasCountry", "dpv:hasDataController",
    "dpv:hasDataProcessor", "dpv:hasDataSubject", "dpv:hasName", "dpv:hasPersonalData", "dpv:hasProcess",
    "dpv:hasPurpose", "dpv:hasStorageCondition", "dpv:hasTechnicalOrganisationalMeasure",
}  # fmt: skip


def test_the_linked_register_speaks_in_terms_that_the_vocabulary_has(demo: Built) -> None:
    for language, name in (("fr", "05-registre"), ("en", "05-register")):
        text = demo.files[f"{language}/{name}-article-30-2.jsonld"]
        assert set(re.findall(r'"(dpv:[A-Za-z]+)"', text)) <= _DPV
        assert '"@id": "loc:US"' in text


def test_two_classes_of_one_store_are_told_apart_and_each_says_what_ends_it() -> None:
    file = (ROOT / "providers.yaml").read_text(encoding="utf-8").split("tenants:")[0]
    kept = retention_of(
        catalog_of(f"{file}tenants:\n  demo: {{rag: {{conversations: {{keep: 30d}}}}}}\n").tenants["demo"]
    )

    for words in (Words("fr"), Words("en")):
        labels = [words.label(each) for each in kept]
        assert len(set(labels)) == len(labels)
        assert not set(labels) & {each.store for each in kept}
        ends = {each.store: words.ends(each) for each in kept if each.seconds is None}
        explained = {"restrictions", "requests", "files", "ledger", "audit", "keys"}
        assert explained <= set(ends)
        assert words.known["deleted"] not in {ends[store] for store in explained}


def test_an_operator_that_serves_itself_is_told_as_the_controller(tmp_path: Path) -> None:
    (tmp_path / "sources").mkdir()
    (tmp_path / "sources" / "operator.yaml").write_text(
        "name: Us\nposition: controller-self-hosted\n", encoding="utf-8"
    )
    files = built(estate_of(dpa=tmp_path), tmp_path).files

    assert "| Controller and operator | Us |" in files["en/00-summary.md"]
    assert "article 30, § 1" in files["fr/05-registre-article-30-2.md"].replace("\u00a0", " ")
    assert "conclude no processing agreement" in files["en/01-article-28-agreement.md"]


def test_a_template_of_ones_own_goes_before_the_shipped_one(tmp_path: Path) -> None:
    own = tmp_path / "templates" / "en"
    own.mkdir(parents=True)
    (own / "changes.md.j2").write_text("# Ours\n", encoding="utf-8")
    assert built(estate_of(), tmp_path, languages=("en",)).files["en/CHANGES.md"] == "# Ours\n"

    (own / "changes.md.j2").write_text("{{ ''.__class__.__mro__ }} {% if %}", encoding="utf-8")
    with pytest.raises(CannotRun, match=r"en/changes\.md\.j2:1 cannot be rendered"):
        built(estate_of(), tmp_path, languages=("en",))


def test_templates_cannot_reach_into_the_program(tmp_path: Path) -> None:
    own = tmp_path / "templates" / "en"
    own.mkdir(parents=True)
    (own / "changes.md.j2").write_text("{{ e.__class__.__init__.__globals__ }}", encoding="utf-8")

    with pytest.raises(CannotRun, match="cannot be rendered"):
        built(estate_of(), tmp_path, languages=("en",))


def test_both_languages_know_the_same_words() -> None:
    french, english = Words("fr").known, Words("en").known

    assert french.keys() == english.keys()
    for group, words in french.items():
        if isinstance(words, dict):
            assert words.keys() == english[group].keys(), group


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (None, "jusqu'à suppression"),
        (86_400, "1 jour"),
        (7_200, "2 heures"),
        (900, "15 minutes"),
        (0, "0 jour"),
    ],
)
def test_a_length_of_time_is_said_in_its_largest_unit(seconds: float | None, said: str) -> None:
    assert Words("fr").span(seconds) == said


def test_the_committed_folder_of_the_demo_has_every_file_its_manifest_names() -> None:
    folder = ROOT / "DPA" / "generated" / "demo"
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))

    assert manifest["tenant"] == "demo"
    for name, sha in manifest["files"].items():
        text = (folder / name).read_bytes().decode()
        assert digest(text) == sha, name


def test_a_folder_that_was_never_built_is_all_missing(tmp_path: Path) -> None:
    made = build(estate_of(), folder=tmp_path / "generated" / "demo", languages=("en",), on=DAY)

    assert {each.why for each in drift(made, tmp_path / "generated" / "demo")} == {"missing"}
