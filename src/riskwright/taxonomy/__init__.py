"""Taxonomies of hazards as data, crosswalks among them, and policies over them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from riskwright.core.rooms import lazy_names

if TYPE_CHECKING:
    from .crosswalks import Crosswalk, Translated, crosswalk_names, load_crosswalk, read_crosswalk
    from .policies import Policy, load_policy, policy_schema, policy_template
    from .policy_records import Audience, Fallback, Rule
    from .taxonomies import Category, Taxonomy, load_taxonomy, taxonomy_names

_HOMES = {
    "Audience": "policy_records",
    "Category": "taxonomies",
    "Crosswalk": "crosswalks",
    "Fallback": "policy_records",
    "Policy": "policies",
    "Rule": "policy_records",
    "Taxonomy": "taxonomies",
    "Translated": "crosswalks",
    "crosswalk_names": "crosswalks",
    "load_crosswalk": "crosswalks",
    "load_policy": "policies",
    "load_taxonomy": "taxonomies",
    "policy_schema": "policies",
    "policy_template": "policies",
    "read_crosswalk": "crosswalks",
    "taxonomy_names": "taxonomies",
}

__all__ = [
    "Audience",
    "Category",
    "Crosswalk",
    "Fallback",
    "Policy",
    "Rule",
    "Taxonomy",
    "Translated",
    "crosswalk_names",
    "load_crosswalk",
    "load_policy",
    "load_taxonomy",
    "policy_schema",
    "policy_template",
    "read_crosswalk",
    "taxonomy_names",
]

__getattr__ = lazy_names(__name__, _HOMES)
