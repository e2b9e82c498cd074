"""Guard models behind an OpenAI-compatible endpoint: what to ask, how to read the answer."""
