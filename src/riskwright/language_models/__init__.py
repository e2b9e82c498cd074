"""Calls to OpenAI-compatible endpoints: many at once, retried, cached, resumed."""
