"""What is known of LiteLLM's providers: their names, which of them are servers of kinds of ours, where they answer.

The names are those of `LlmProviders` in `litellm/types/utils.py` and of `litellm/llms/openai_like/providers.json`
(1.103.7); the addresses are LiteLLM's own defaults.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from passerelle.domain.ask import Task


@dataclass(frozen=True, slots=True)
class Server:
    """A provider that is a server of a kind of ours. `url` is where it answers when nobody says, `below` its path.

    `key` is the variable its key is proposed to stand in; with `keyed` it is asked for even where none is given.
    """

    kind: str
    name: str
    url: str | None = None
    below: str = ""
    key: str = ""
    keyed: bool = False


_OPENAI = "https://api.openai.com/v1"
_OLLAMA = Server("openai", "ollama", "http://localhost:11434", below="/v1", key="OLLAMA_API_KEY")
_VLLM = Server("vllm", "vllm", key="HOSTED_VLLM_API_KEY")

SERVERS: Mapping[str, Server] = {
    "custom_openai": Server("openai", "openai", key="OPENAI_API_KEY"),
    "hosted_vllm": _VLLM,
    "litellm_proxy": Server("openai", "litellm-proxy", key="LITELLM_PROXY_API_KEY"),
    "llamafile": Server("openai", "llamafile", "http://127.0.0.1:8080/v1", key="LLAMAFILE_API_KEY"),
    "lm_studio": Server("openai", "lm-studio", key="LM_STUDIO_API_KEY"),
    "ollama": _OLLAMA,
    "ollama_chat": _OLLAMA,
    "openai": Server("openai", "openai", _OPENAI, key="OPENAI_API_KEY", keyed=True),
    "openai_like": Server("openai", "openai-like", key="OPENAI_LIKE_API_KEY"),
    "text-completion-openai": Server("openai", "openai", _OPENAI, key="OPENAI_API_KEY", keyed=True),
    "vllm": _VLLM,
}

ENDPOINT = Server("openai", "endpoint", key="HF_TOKEN", keyed=True)  # of Hugging Face; its engine is not said
TGI = Server("tgi", "tgi", key="HF_TOKEN")

ROUTER_HOST = "router.huggingface.co"

# Providers whose library finds credentials of its own, so that there is no key to refer to.
KEYLESS = frozenset({"bedrock", "bedrock_mantle", "github_copilot", "oci", "sagemaker", "sagemaker_chat",
                     "sagemaker_nova", "vertex_ai", "vertex_ai_beta", "chatgpt"})  # fmt: skip

# The fields in which a region stands, by provider.
REGIONS = ("aws_region_name", "vertex_location", "watsonx_region_name", "region_name")

# Models that LiteLLM knows without a provider before their name, by how they begin.
BARE: Mapping[str, str] = {
    **dict.fromkeys(("gpt-", "o1", "o3", "o4", "chatgpt-", "text-embedding-", "ft:gpt-"), "openai"),
    "claude-": "anthropic",
    "gemini-": "vertex_ai",
    "command-": "cohere_chat",
}

# The modes of `model_info` that are tasks here.
TASKS: Mapping[str, Task] = {
    "chat": Task.CHAT,
    "completion": Task.CHAT,
    "responses": Task.CHAT,
    "embedding": Task.EMBED,
}

# What people write where a client insists on a key and the server does not.
FILLERS = frozenset({"", "-", "dummy", "empty", "fake", "fake-key", "n/a", "na", "no-key", "none", "not-needed",
                     "null", "sk-no-key-required", "unused"})  # fmt: skip

PROVIDERS = frozenset(
    """
    a2a a2a_agent abliteration ai21 ai21_chat aihubmix aiml aiohttp_openai amazon_nova anthropic anthropic_text
    apertis assemblyai auto_router aws_polly aws_textract azure azure_ai azure_speech azure_text baseten bedrock
    bedrock_mantle black_forest_labs bytez cerebras charity_engine chatgpt chutes clarifai cloudflare codestral
    cognition cohere cohere_chat cometapi compactifai crusoe cursor custom custom_openai darkbloom dashscope
    databricks datarobot deepgram deepinfra deepseek docker_model_runner dotprompt elevenlabs empiriolabs empower
    fal_ai featherless_ai fireworks_ai friendliai galadriel gdc gemini gigachat github github_copilot gmi
    gradient_ai groq helicone heroku hosted_vllm huggingface humanloop hyperbolic inception infinity jina_ai
    lambda_ai langflow langfuse langgraph lemonade libertai litellm_agent litellm_proxy llamafile llamagate
    lm_studio manus maritalk meta meta_llama milvus minimax mistral modelscope mongodb moonshot morph nano-gpt
    nebius neosantara nlp_cloud novita nscale nvidia_nim nvidia_riva oci ollama ollama_chat oobabooga openai
    openai_like openrouter ovhcloud parasail perplexity petals pg_vector pinstripes poe predibase publicai
    qwen_ai_platform qwencloud ragflow recraft reducto replicate runwayml s3_vectors sagemaker sagemaker_chat
    sagemaker_nova sambanova sap sarvam scaleway scx-ai snowflake soniox stability synthetic tencent tensormesh
    text-completion-codestral text-completion-inception text-completion-openai together_ai topaz transcribe triton
    v0 valkey veniceai vercel_ai_gateway vertex_ai vertex_ai_beta vllm volcengine voyage wandb watsonx watsonx_text
    xai xiaomi_mimo xinference zai
    """.split()  # noqa: SIM905 - names can be read, a list of strings cannot
)
