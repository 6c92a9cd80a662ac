"""Every way to break the file that we know of is told with its rule, its line, its cause and its cure."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from tests.unit.routing.files import ENVIRONMENT, HF_TOKEN, OTHER_TOKEN, SMALL, WHOLE, changed, loaded


@dataclass(frozen=True, slots=True)
class Broken:
    """A file, and the finding it must give: `cause` and `cure` are words of the message and of the way out."""

    id: str
    text: str
    rule: str
    line: int | None
    cause: tuple[str, ...] = ()
    cure: tuple[str, ...] = ()


def _bomb() -> str:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 10)]
    return "\n".join(lines)


_GPU = 'gpu: {kind: tgi, url: "http://tgi:80", location: {country: FR, operator: self}}'
_HUB = "hub: {kind: hf-providers, token: env:HF_TOKEN}"
_FIRST = "- {backend: gpu, model: Qwen/Qwen2.5-7B-Instruct, rank: 1, weight: 3}"
_POLICY = "eu-only: {countries: [EEA]}"
_SWITCH = "backends: {prefer: [vllm], deny: [hub]}"
_ALLOW = "models: {default: assistant, allow: [assistant, embeddings]}"

YAML = [
    Broken("a tab", changed("    task: chat\n", "\ttask: chat\n"), "C01", 10, ("tab",), ("space",)),
    Broken("a key twice", changed("  offline: {", "  gpu: {"), "C02", 7, ("'gpu'", "line 4"), ("Keep one",)),
    Broken("two documents", SMALL + "---\nversion: 1\n", "C01", 5, ("document",), ("Keep one",)),
    Broken("nothing", "", "C01", None, ("empty",), ("version: 1",)),
    Broken("only a comment", "# nothing yet\n", "C01", None, ("empty",), ("version: 1",)),
    Broken("a list at the top", "- version: 1\n", "C01", None, ("keys and values",), ("version: 1",)),
    Broken("an alias bomb", _bomb(), "C01", 6, ("200000 values",), ("aliases",)),
    Broken("an alias of itself", "version: 1\nbackends: &b {gpu: *b}\n", "C01", 2, ("alias",), ("Write",)),
    Broken("an alias of nothing", "version: 1\nbackends: *b\n", "C01", 2, ("alias",), ("quote",)),
    Broken("a merge key", changed(_ALLOW, "<<: {degraded: true}"), "C01", 23, ("<<",), ("defaults",)),
    Broken("not a number", changed("weight: 3", "weight: .nan"), "C01", 12, ("not finite",), ("number",)),
    Broken("infinity", changed("weight: 3", "weight: -.inf"), "C01", 12, ("not finite",), ("number",)),
    Broken("an endless number", changed("weight: 3", f"weight: {'9' * 5000}"), "C01", 12, (), ("digits",)),
    Broken("a huge file", SMALL + "#" * 1_100_000, "C01", None, ("1048576 bytes",), ("Remove",)),
    Broken(
        "a quote left open", changed("extractive}", '"extractive}', SMALL), "C01", 3, ("quote",), ("Close",)
    ),
    Broken(
        "a brace left open", changed("offline: {kind: builtin}", "offline: {kind: builtin"), "C01", 7, ("{",)
    ),
    Broken("a bracket left open", changed("[EEA]", "[EEA"), "C01", 20, ("[",), ("Close",)),
    Broken("deep nesting", "a: " + "[" * 1000 + "]" * 1000, "C01", 1, ("deep",), ("example",)),
    Broken("bottomless nesting", "[" * 300_000, "C01", 1, ("deep",), ("example",)),
    Broken("a colon in a value", changed("    task: chat", "    task: chat: now"), "C01", 10, (), ("quote",)),
    Broken("a slipped key", changed("    task: chat", "   task: chat"), "C01", 11, (), ("Indent",)),
    Broken("a reserved character", changed("task: chat", "task: @chat"), "C01", 10, ("@",), ("Quote",)),
    Broken(
        "a Python object", changed("kind: builtin", "kind: !!python/name:os.system x"), "C01", 7, ("Tag",)
    ),
    Broken("a key that is a list", "version: 1\n? [a]\n: b\n", "C01", 2, ("key",), ("Write",)),
    Broken(
        "a control character", changed("task: chat", "task: ch\x07at"), "C01", 10, ("U+0007",), ("Remove",)
    ),
    Broken(
        "half a character", changed("task: chat", "task: ch\ud800at"), "C01", 10, ("U+D800",), ("Remove",)
    ),
    Broken("an impossible escape", changed('"Formation SAS"', r'"\UFFFFFFFF"'), "C01", 2, (), ("quotes",)),
]

SHAPE = [
    Broken("unknown at the top", "backend: {}\n" + WHOLE, "C03", 1, ("'backend'",), ("backends",)),
    Broken(
        "unknown in operator",
        changed("country: FR}\n", "contry: FR}\n"),
        "C03",
        2,
        ("'contry'",),
        ("country",),
    ),
    Broken(
        "unknown in a backend",
        changed(_GPU, _GPU.replace("location:", "lcation:")),
        "C03",
        4,
        ("'lcation'",),
        ("location",),
    ),
    Broken(
        "unknown in a location",
        changed(_GPU, _GPU.replace("operator", "operater")),
        "C03",
        4,
        (),
        ("operator",),
    ),
    Broken(
        "unknown in timeouts",
        changed("{kind: builtin}", "{kind: builtin, timeouts: {conect: 3}}"),
        "C03",
        7,
        ("'conect'",),
        ("connect",),
    ),
    Broken(
        "a field of another kind", changed("{kind: builtin}", "{kind: builtin, url: x}"), "C03", 7, ("'url'",)
    ),
    Broken("unknown in a model", changed("task: chat", "tasks: chat"), "C03", 10, ("'tasks'",), ("task",)),
    Broken("unknown in a target", changed("weight: 3", "wieght: 3"), "C03", 12, ("'wieght'",), ("weight",)),
    Broken(
        "unknown in a policy", changed("countries:", "country:"), "C03", 20, ("'country'",), ("countries",)
    ),
    Broken("unknown in a tenant", changed("policy: eu-only", "polcy: eu-only"), "C03", 24, (), ("policy",)),
    Broken("unknown in its models", changed("allow:", "alow:"), "C03", 23, ("'alow'",), ("allow",)),
    Broken("unknown in its switch", changed("prefer:", "prefers:"), "C03", 25, ("'prefers'",), ("prefer",)),
    Broken(
        "unknown in defaults",
        changed("tenants:", "defaults: {atempts: 1}\ntenants:"),
        "C03",
        21,
        (),
        ("attempts",),
    ),
    Broken("no version", changed("version: 1\n", ""), "C04", None, ("`version`",), ("Add",)),
    Broken(
        "no models",
        "version: 1\nbackends: {a: {kind: builtin}}\ntenants: {t: }\n",
        "C04",
        None,
        ("`models`",),
    ),
    Broken("no url", changed(', url: "http://tgi:80"', ""), "C04", 4, ("gpu.url",), ("Add `url:`",)),
    Broken("no backend in a target", changed("{backend: vllm, ", "{"), "C04", 13, ("backend",), ("Add",)),
    Broken("no kind", changed("{kind: builtin}", "{}"), "C05", 7, ("kind",), ("builtin",)),
    Broken("a kind that is not", changed("kind: tgi", "kind: tgy"), "C05", 4, ("'tgy'",), ("tgi",)),
    Broken("a kind that is a list", changed("kind: tgi", "kind: [tgi]"), "C05", 4, ("kind",), ("tgi",)),
    Broken("another version", changed("version: 1", "version: 2"), "C06", 1, ("version",), ("1",)),
    Broken("a version in quotes", changed("version: 1", 'version: "1"'), "C06", 1, ("version",), ("1",)),
    Broken("text for a number", changed("weight: 3", "weight: three"), "C06", 12, ("weight",), ("number",)),
    Broken("a number for text", changed("model: extractive", "model: 7"), "C06", 15, ("model",), ("quotes",)),
    Broken("a list for a mapping", changed(_POLICY, "[EEA]"), "C06", 19, ("policies",), ("key",)),
    Broken("text for a list", changed("deny: [hub]", "deny: hub"), "C06", 25, ("deny", "list"), ("entry",)),
    Broken("a word for a switch", changed("degraded: true}", "degraded: yes}"), "C06", 15, (), ("true",)),
    Broken("too small", changed("weight: 3", "weight: 0"), "C06", 12, ("weight",), ("1",)),
    Broken(
        "too many attempts", changed("degraded: true\n", "attempts: 99\n"), "C06", 27, ("attempts",), ("10",)
    ),
    Broken("an empty list", changed("[EEA]", "[]"), "C06", 20, ("countries",), ()),
    Broken("nothing after a key", changed("task: chat", "task:"), "C06", 10, ("task",), ()),
    Broken(
        "a name with spaces", changed("  client-b:", "  client b:"), "C06", 26, ("client b",), ("letters",)
    ),
    Broken("a lower-case country", changed(_GPU, _GPU.replace("FR", "fr")), "C06", 4, ("country",), ("FR",)),
    Broken("a country that is not", changed(_GPU, _GPU.replace("FR", "UK")), "C06", 4, ("country",), ("GB",)),
    Broken("a region as a place", changed(_GPU, _GPU.replace("FR", "EU")), "C06", 4, ("country",), ("ISO",)),
    Broken("a policy of nowhere", changed("[EEA]", "[EAE]"), "C06", 20, ("countr",), ("ISO",)),
    Broken(
        "a url with a query",
        changed("http://tgi:80", "http://tgi:80/?a=b"),
        "C06",
        4,
        ("url",),
        ("http(s)://",),
    ),
    Broken(
        "a url with credentials",
        changed("http://tgi:80", "http://me:pw@tgi:80"),
        "C06",
        4,
        ("url",),
        ("credentials",),
    ),
    Broken("a url without scheme", changed("http://tgi:80", "tgi:80"), "C06", 4, ("url",), ("http(s)://",)),
    Broken("an impossible port", changed("http://tgi:80", "http://tgi:99999"), "C06", 4, ("url",), ("port",)),
    Broken(
        "a url that names a route",
        changed("http://tgi:80", "http://tgi/v1/chat/completions"),
        "C06",
        4,
        ("route",),
    ),
    Broken("a secret as a value", changed("env:HF_TOKEN", HF_TOKEN), "C06", 6, ("token",), ("env:NAME",)),
    Broken(
        "no duration",
        changed("{kind: builtin}", "{kind: builtin, timeouts: {total: 5 d}}"),
        "C06",
        7,
        (),
        ("30s",),
    ),
    Broken(
        "an unknown provider",
        changed(_HUB, _HUB.replace("token", "provider: hugs, token")),
        "C06",
        6,
        ("provider",),
    ),
]

NAMES = [
    Broken("unknown backend", changed("{backend: gpu,", "{backend: gqu,"), "C20", 12, ("'gqu'",), ("gpu",)),
    Broken(
        "unknown model",
        changed(", embeddings]", ", embedings]"),
        "C20",
        23,
        ("'embedings'",),
        ("embeddings",),
    ),
    Broken(
        "unknown default", changed("default: assistant", "default: asistant"), "C20", 23, (), ("assistant",)
    ),
    Broken(
        "unknown policy",
        changed("policy: eu-only", "policy: eu-onyl"),
        "C20",
        24,
        ("'eu-onyl'",),
        ("eu-only",),
    ),
    Broken(
        "unknown preference", changed("prefer: [vllm]", "prefer: [vlm]"), "C20", 25, ("'vlm'",), ("vllm",)
    ),
    Broken("unknown denial", changed("deny: [hub]", "deny: [hubb]"), "C20", 25, ("'hubb'",), ("hub",)),
    Broken(
        "a default that is not allowed",
        changed("allow: [assistant, embeddings]", "allow: [embeddings]"),
        "C21",
        23,
        ("'assistant'", "'client-a'"),
        ("allow",),
    ),
    Broken(
        "a kind that cannot do the task",
        changed(
            "- {backend: offline, model: extractive, rank: 9, degraded: true}\n  embeddings:\n    task: embed\n"
            "    targets: [{backend: offline,",
            "- {backend: offline, model: extractive, rank: 9}\n"
            "  embeddings:\n    task: embed\n    targets: [{backend: gpu,",
        ),
        "C22",
        18,
        ("tgi", "embed", "'embeddings'"),
        ("another",),
    ),
    Broken(
        "a target twice",
        changed("{backend: vllm, model", "{backend: gpu, model"),
        "C23",
        13,
        ("gpu/Qwen/Qwen2.5-7B-Instruct", "'assistant'"),
        ("weight",),
    ),
    Broken(
        "preferred and denied", changed("deny: [hub]", "deny: [vllm]"), "C25", 25, ("'vllm'",), ("Keep one",)
    ),
    Broken(
        "preferred twice",
        changed("prefer: [vllm]", "prefer: [vllm, gpu, vllm]"),
        "C29",
        25,
        ("'vllm'",),
        ("once",),
    ),
    Broken(
        "a preference that matches nothing",
        changed(_ALLOW, "models: {allow: [embeddings]}").replace("deny: [hub]", "deny: []"),
        "C26",
        25,
        ("'vllm'",),
        ("Add a target",),
    ),
    Broken(
        "a denial that matches nothing",
        changed(_ALLOW, "models: {allow: [embeddings]}").replace("prefer: [vllm]", "prefer: []"),
        "C27",
        25,
        ("'hub'",),
        ("Remove",),
    ),
    Broken(
        "every target denied",
        changed("    degraded: true\n", "    backends: {deny: [offline]}\n"),
        "C28",
        26,
        ("'client-b'", "'embeddings'"),
        ("Deny less",),
    ),
    Broken(
        "only degraded answers, which are not allowed",
        changed("all-MiniLM-L6-v2}", "all-MiniLM-L6-v2, degraded: true}"),
        "C33",
        22,
        ("'client-a'", "'embeddings'", "degraded"),
        ("degraded: true",),
    ),
]


@pytest.mark.parametrize("broken", YAML + SHAPE + NAMES, ids=lambda broken: broken.id)
def test_a_broken_file_is_told_with_its_line_its_cause_and_its_cure(broken: Broken) -> None:
    outcome = loaded(broken.text)

    assert outcome.catalog is None
    assert outcome.exit_code == 2
    first = outcome.errors[0]
    assert (first.rule, first.line) == (broken.rule, broken.line), str(first)
    for word in broken.cause:
        assert word in first.message
    for word in broken.cure:
        assert word in first.cure


@pytest.mark.parametrize("broken", YAML + SHAPE + NAMES, ids=lambda broken: broken.id)
def test_every_finding_is_a_cause_and_a_cure_in_whole_sentences_on_one_line(broken: Broken) -> None:
    for finding in loaded(broken.text).findings:
        for sentence in (finding.message, finding.cure):
            assert sentence[:1].isupper() or sentence[:1] in "`'", str(finding)
            assert sentence.endswith((".", "?")), str(finding)
            assert not sentence.endswith(("..", "?.")), str(finding)
            assert "\n" not in sentence
        assert finding.file == "providers.yaml"
        assert HF_TOKEN not in str(finding)
        assert OTHER_TOKEN not in str(finding)


@pytest.mark.parametrize("broken", SHAPE + NAMES, ids=lambda broken: broken.id)
def test_one_slip_gives_few_errors(broken: Broken) -> None:
    assert len(loaded(broken.text).errors) <= 3


def test_the_whole_file_is_good() -> None:
    outcome = loaded(WHOLE)

    assert outcome.errors == ()
    assert outcome.exit_code == 0
    assert outcome.catalog is not None


def test_the_smallest_file_is_good() -> None:
    assert loaded(SMALL, environment={}).exit_code == 0


def test_norway_is_a_country_without_quotes() -> None:
    catalog = loaded(changed('country: "NO"', "country: NO")).catalog

    assert catalog is not None
    assert catalog.backends["vllm"].location.country == "NO"


def test_words_that_older_yaml_took_for_booleans_stay_text() -> None:
    catalog = loaded(changed("model: extractive", "model: on")).catalog

    assert catalog is not None
    assert catalog.models["assistant"].targets[3].model == "on"


def test_a_file_saved_with_a_byte_order_mark_is_read() -> None:
    assert loaded("\ufeff" + WHOLE).exit_code == 0


def test_an_alias_is_followed() -> None:
    text = changed("location: {country: FR, operator: self}", "location: &here {country: FR, operator: self}")
    catalog = loaded(text.replace('location: {country: "NO", operator: self}', "location: *here")).catalog

    assert catalog is not None
    assert catalog.backends["vllm"].location.country == "FR"


def test_several_slips_are_told_at_once_in_the_order_of_the_file() -> None:
    text = changed("weight: 3", "wieght: 3").replace("allow:", "alow:").replace('"http://tgi:80"', "7")

    assert [finding.line for finding in loaded(text).errors] == [4, 12, 23]


def test_environment_values_never_show() -> None:
    assert HF_TOKEN in ENVIRONMENT.values()
    catalog = loaded(WHOLE).catalog

    assert catalog is not None
    assert HF_TOKEN not in repr(catalog)
