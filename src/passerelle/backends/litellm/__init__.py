"""Kind `litellm`: any other provider, in its own wire format, through the LiteLLM SDK."""
