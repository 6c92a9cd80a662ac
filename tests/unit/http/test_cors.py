"""Pages of configured origins may call `/v1/`; nobody else's, nothing else, and never with credentials."""

import pytest

from tests.serving import KEY, one_backend, serving

_PAGE = "https://app.client-a.example"
_ASKS = {
    "Origin": _PAGE,
    "Access-Control-Request-Method": "POST",
    "Access-Control-Request-Headers": "authorization,content-type,x-stainless-lang,x-evil",
}
_CONFIGURATION = {**one_backend("vllm", "http://localhost:1"), "cors": {"origins": [_PAGE]}}


async def test_it_is_off_unless_configured() -> None:
    async with serving(one_backend("vllm", "http://localhost:1"), whole=True) as served:
        async with served.client(None) as http:
            async with http.options("/v1/chat/completions", headers=_ASKS) as reply:
                assert reply.status == 405
                assert not [name for name in reply.headers if name.lower().startswith("access-control")]
            async with http.get("/v1/models", headers={"Origin": _PAGE}) as reply:
                assert "vary" not in reply.headers
        served.publish(_CONFIGURATION)
        async with served.client(None) as http, http.options("/v1/models", headers=_ASKS) as reply:
            assert reply.status == 204


async def test_a_preflight_names_what_the_page_may_send() -> None:
    async with (
        serving(_CONFIGURATION, whole=True) as served,
        served.client(None) as http,
        http.options("/v1/chat/completions", headers=_ASKS) as reply,
    ):
        allowed = set(reply.headers["access-control-allow-headers"].split(", "))

    assert reply.status == 204
    assert reply.headers["access-control-allow-origin"] == _PAGE
    assert "POST" in reply.headers["access-control-allow-methods"]
    assert {"authorization", "content-type", "x-api-key", "idempotency-key", "x-stainless-lang"} <= allowed
    assert "x-evil" not in allowed
    assert "origin" in reply.headers["vary"]
    assert "access-control-allow-credentials" not in reply.headers
    assert "x-request-id" in reply.headers


@pytest.mark.parametrize(
    ("path", "headers"),
    [
        ("/v1/chat/completions", {**_ASKS, "Origin": "https://evil.example"}),
        ("/v1/chat/completions", {**_ASKS, "Origin": f"{_PAGE}.evil.example"}),
        ("/v1/chat/completions", {**_ASKS, "Origin": "null"}),
        ("/v1/chat/completions", {"Origin": _PAGE}),
        ("/admin/keys", _ASKS),
        ("/metrics", _ASKS),
    ],
)
async def test_every_other_preflight_is_answered_like_any_request(path: str, headers: dict[str, str]) -> None:
    async with (
        serving(_CONFIGURATION, whole=True) as served,
        served.client(None) as http,
        http.options(path, headers=headers) as reply,
    ):
        assert reply.status == 405
        assert "access-control-allow-headers" not in reply.headers


@pytest.mark.parametrize("path", ["/v1/models", "/v1/nowhere", "/v1/chat/completions"])
@pytest.mark.parametrize("key", [KEY, None])
async def test_answers_and_errors_are_shown_to_the_page_alone(path: str, key: str | None) -> None:
    async with serving(_CONFIGURATION, whole=True) as served, served.client(key) as http:
        for origin in (_PAGE, "https://evil.example", None):
            headers = {"Origin": origin} if origin else {}
            method = "POST" if "chat" in path else "GET"
            async with http.request(method, path, headers=headers) as reply:
                assert reply.headers["vary"] == "origin"
                assert reply.headers.get("access-control-allow-origin") == (
                    _PAGE if origin == _PAGE else None
                )
                shown = reply.headers.get("access-control-expose-headers", "")
            assert ("x-ratelimit-remaining-tokens" in shown) == (origin == _PAGE)
            assert "*" not in shown
            assert "access-control-allow-credentials" not in reply.headers


async def test_what_only_an_operator_asks_is_shown_to_no_page() -> None:
    async with (
        serving(_CONFIGURATION, whole=True) as served,
        served.client() as http,
        http.get("/admin/backends", headers={"Origin": _PAGE}) as reply,
    ):
        assert "access-control-allow-origin" not in reply.headers
