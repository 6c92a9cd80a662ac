"""LangChain models over the gateway in process, and answers held to a schema."""
