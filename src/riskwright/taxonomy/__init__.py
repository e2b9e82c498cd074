"""Taxonomies of hazards, as data: categories with codes and names, found by name."""

from .policies import load_policy
from .taxonomies import Category, Taxonomy, load_taxonomy, taxonomy_names

__all__ = ["Category", "Taxonomy", "load_policy", "load_taxonomy", "taxonomy_names"]
