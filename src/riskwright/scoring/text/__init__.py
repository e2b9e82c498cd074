"""Scorers of text that run offline: rules, n-grams, incremental classifiers, embeddings."""
