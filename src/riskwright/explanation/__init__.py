"""Explanations: what a person could change, which inputs matter, what a black box really uses.

Each works for any `predict` callable and says how sure it is: exact where the space can be
enumerated, sampled with an interval where not.
"""
