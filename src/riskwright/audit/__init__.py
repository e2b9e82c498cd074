"""Audits: what a score does to people. Each result carries `Finding`s and plain aggregates.

An audit measures; it does not decide what is acceptable. A policy file does that, and `Audit.gate`
compares the two. No audit changes the score it looks at.
"""
