"""Tests that LangChain wrote for its models, run over ours. They want plugins of pytest that the other tests do without."""
