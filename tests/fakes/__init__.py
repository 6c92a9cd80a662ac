"""Engines that speak the real wire formats, traps included, from inside the test's own event loop.

`engine` is the server, the script and the log; `script` the vocabulary of answers and faults. The engines:
`tgi`, `vllm`, `openai_like` (OpenAI, llama.cpp, Ollama, SGLang, LM Studio), `router` and `endpoint` (Hugging
Face), `tei`, `serve` (transformers).
"""
