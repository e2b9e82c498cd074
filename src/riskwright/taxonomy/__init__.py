"""Taxonomies of hazards, as data: categories with codes and names, found by name."""
