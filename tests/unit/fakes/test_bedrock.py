"""The fake of Bedrock's Converse API frames its stream as botocore reads it."""

from botocore.eventstream import EventStreamBuffer

from tests.fakes.bedrock import BedrockFake
from tests.fakes.client import post
from tests.fakes.script import Fail

_BODY = {"messages": [{"role": "user", "content": [{"text": "un deux"}]}]}
_HEADERS = {"authorization": "Bearer k"}


async def test_a_whole_answer_and_its_usage() -> None:
    async with BedrockFake() as fake:
        heard = await post(f"{fake.url}/model/m/converse", _BODY, _HEADERS)

    assert heard.json["output"]["message"]["content"] == [{"text": "Bonjour le monde."}]
    assert heard.json["usage"]["totalTokens"] == 5


async def test_a_stream_passes_the_checksums_of_the_sdk() -> None:
    async with BedrockFake() as fake:
        heard = await post(f"{fake.url}/model/m/converse-stream", _BODY, _HEADERS)

    buffer = EventStreamBuffer()
    buffer.add_data(heard.body)
    kinds = [message.headers[":event-type"] for message in buffer]
    assert kinds[0] == "messageStart"
    assert kinds[-2:] == ["messageStop", "metadata"]


async def test_without_credentials_and_under_load_it_refuses() -> None:
    async with BedrockFake() as fake:
        bare = await post(f"{fake.url}/model/m/converse", _BODY)
        fake.script(Fail("rate_limited"))
        busy = await post(f"{fake.url}/model/m/converse", _BODY, _HEADERS)

    assert (bare.status, busy.status) == (403, 429)
    assert busy.headers["x-amzn-errortype"] == "ThrottlingException"
