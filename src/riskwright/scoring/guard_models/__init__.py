"""Guard models behind an OpenAI-compatible endpoint: what to ask them and how to read the answer."""
