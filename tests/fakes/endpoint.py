"""A Hugging Face Inference Endpoint: its control plane, the proxy in front of it, and an engine that may sleep.

Running, requests reach the engine. Scaled to zero, any request starts it and gets 503 meanwhile, or is held as
long as `X-Scale-Up-Timeout` allows. Paused, nothing starts it: 400. The bodies of the proxy's own 401 and 503
are not documented; these are plausible. The control plane's documents have the fields `huggingface_hub` reads;
while the fake runs, that library asks it instead of Hugging Face.
"""

from __future__ import annotations

import asyncio
from typing import Any, Literal, Self

from huggingface_hub import constants
from typing_extensions import override

from tests.fakes.engine import Answers, Engine
from tests.fakes.script import Plan
from tests.fakes.wire import Received, Reply, json_reply

State = Literal["running", "scaledToZero", "initializing", "paused", "failed", "updating", "pending"]


class EndpointFake(Engine):
    """The endpoint `formation/qwen-eu`. The engine behind it is asked in process; its own `requests` stay empty."""

    def __init__(
        self,
        engine: Engine,
        *,
        state: State = "running",
        token: str = "hf_test",
        image: str = "vLLM",
        region: str = "eu-west-1",
        min_replica: int = 1,
        max_replica: int = 2,
    ) -> None:
        self.engine = engine
        super().__init__(engine.answer)
        self.token, self.image, self.region = token, image, region
        self.min_replica, self.max_replica = min_replica, max_replica
        self.server = engine.server
        self.woken = 0  # how often a request started a replica
        self.resumed = 0
        self.addressed = True  # does the control plane tell its address?
        self.control_down = False
        self._awake = asyncio.Event()
        self._state: State = state
        self._real = constants.INFERENCE_ENDPOINTS_ENDPOINT
        self.state = state

    @override
    async def __aenter__(self) -> Self:
        await super().__aenter__()
        self._real = constants.INFERENCE_ENDPOINTS_ENDPOINT
        constants.INFERENCE_ENDPOINTS_ENDPOINT = f"{self.url}/v2"
        return self

    @override
    async def __aexit__(self, *error: object) -> None:
        constants.INFERENCE_ENDPOINTS_ENDPOINT = self._real
        await super().__aexit__(*error)

    @property
    def answer(self) -> Answers:
        """What the engine says."""
        return self.engine.answer

    @answer.setter
    def answer(self, answer: Answers) -> None:
        self.engine.answer = answer

    @property
    def state(self) -> State:
        """Where the endpoint is in its life; setting it to running lets held requests through."""
        return self._state

    @state.setter
    def state(self, state: State) -> None:
        self._state = state
        if state == "running":
            self._awake.set()
        else:
            self._awake.clear()

    @property
    def asked(self) -> list[Received]:
        """The requests for inference."""
        return [
            request for request in self.requests if request.method == "POST" and "/v2/" not in request.path
        ]

    @override
    async def reply(self, request: Received, plan: Plan) -> Reply:
        if request.path.startswith("/v2/"):
            return self._control(request)
        if request.bearer != self.token:
            return json_reply({"error": "Unauthorized"}, 401)
        if self.state == "paused":
            return json_reply({"error": "Bad Request: Invalid state"}, 400)
        if self.state == "scaledToZero":
            self.woken += 1
            self.state = "initializing"
        if self.state == "initializing" and not await self._held(request):
            return json_reply({"error": "503 Service Unavailable"}, 503)
        return await self.engine.reply(request, plan)

    async def _held(self, request: Received) -> bool:
        """Wait for a replica as long as the client said; True when one is there."""
        patience = request.headers.get("x-scale-up-timeout", "")
        if not patience.isdecimal():
            return False
        try:
            async with asyncio.timeout(int(patience)):
                await self._awake.wait()
        except TimeoutError:
            return False
        return True

    def _control(self, request: Received) -> Reply:
        if self.control_down:
            return json_reply({"error": "Internal Server Error"}, 500)
        if request.bearer != self.token:
            return json_reply({"error": "Invalid credentials"}, 401)
        match request.path.split("/")[2:]:
            case ["endpoint", "formation", "qwen-eu"]:
                return json_reply(self.document())
            case ["endpoint", "formation", "qwen-eu", "resume"]:
                if self.state != "paused":
                    return json_reply({"error": "Endpoint is already running"}, 400)
                self.resumed += 1
                self.state = "initializing"
                return json_reply(self.document())
            case ["provider", "formation"]:
                return json_reply(_HARDWARE)
        return json_reply({"error": "Not Found"}, 404)

    def document(self) -> dict[str, Any]:
        """What the control plane says of the endpoint."""
        status = {
            "state": self.state,
            "message": "Endpoint is ready" if self.state == "running" else "",
            "createdAt": "2026-09-01T08:00:00.000Z",
            "updatedAt": "2026-11-01T08:00:00.000Z",
            "readyReplica": int(self.state == "running"),
            "targetReplica": 1,
        }
        if self.addressed:
            status["url"] = self.url
        scaling = {"minReplica": self.min_replica, "maxReplica": self.max_replica, "scaleToZeroTimeout": 60}
        return {
            "name": "qwen-eu",
            "type": "authenticated",
            "healthRoute": "/health",
            "provider": {"vendor": "aws", "region": self.region},
            "compute": {
                "accelerator": "gpu",
                "instanceType": "nvidia-l4",
                "instanceSize": "x1",
                "scaling": scaling if self.min_replica == 0 else {**scaling, "scaleToZeroTimeout": None},
            },
            "model": {
                "repository": "Qwen/Qwen2.5-7B-Instruct",
                "framework": "custom",
                "revision": "main",
                "task": "text-generation",
                "image": {self.image: {"url": "registry/image:1", "port": 8000}},
            },
            "status": status,
        }


def _offer(region: str, size: str, price: float) -> dict[str, Any]:
    return {
        "id": f"aws-{region}-nvidia-l4-{size}",
        "accelerator": "gpu",
        "instanceType": "nvidia-l4",
        "instanceSize": size,
        "architecture": "Nvidia L4",
        "numAccelerators": int(size[1:]),
        "numCpus": 7,
        "memoryGb": 30,
        "gpuMemoryGb": 24,
        "pricePerHour": price,
        "status": "available",
        "quota": {"maxAccelerators": 4, "usedAccelerators": 1},
    }


_HARDWARE = {
    "vendors": [
        {
            "name": "aws",
            "regions": [
                {"name": "us-east-1", "computes": [_offer("us-east-1", "x1", 0.75)]},
                {
                    "name": "eu-west-1",
                    "computes": [_offer("eu-west-1", "x1", 0.8), _offer("eu-west-1", "x4", 3.8)],
                },
            ],
        }
    ]
}
