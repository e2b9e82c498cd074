"""Guard models behind an OpenAI-compatible endpoint: what to ask, how to read the answer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from riskwright.core.rooms import lazy_names

if TYPE_CHECKING:
    from .adapters import Adapter, GuardAdapter, Unreadable
    from .constitution import Constitution, Rule, load_constitution, save_constitution, split_rules
    from .constitution_judge import ConstitutionJudge
    from .endpoint_scorer import EndpointScorer
    from .endpoint_settings import EndpointSettings, load_endpoint_settings
    from .expected_number import ExpectedNumber, expected_number
    from .granite_guardian import Criterion, GraniteGuardian
    from .llama_guard import Example, LlamaGuard
    from .marginals import (
        AnswerLabels,
        Marginals,
        Step,
        marginal_at_any_place,
        marginal_at_fixed_place,
        recorded,
        token_probability,
    )
    from .nemotron import NemotronSafety
    from .next_tokens import next_tokens_of
    from .openai_moderation import OpenAIModeration
    from .qwen3guard import Qwen3Guard
    from .registry import adapter_named, adapter_names
    from .sampled import Sampled
    from .severity_judge import SeverityJudge
    from .shieldgemma import Principle, ShieldGemma
    from .wildguard import WildGuard
    from .xguard import XGuard

_HOMES = {
    "Adapter": "adapters",
    "AnswerLabels": "marginals",
    "Constitution": "constitution",
    "ConstitutionJudge": "constitution_judge",
    "Criterion": "granite_guardian",
    "EndpointScorer": "endpoint_scorer",
    "EndpointSettings": "endpoint_settings",
    "Example": "llama_guard",
    "ExpectedNumber": "expected_number",
    "GraniteGuardian": "granite_guardian",
    "GuardAdapter": "adapters",
    "LlamaGuard": "llama_guard",
    "Marginals": "marginals",
    "NemotronSafety": "nemotron",
    "OpenAIModeration": "openai_moderation",
    "Principle": "shieldgemma",
    "Qwen3Guard": "qwen3guard",
    "Rule": "constitution",
    "Sampled": "sampled",
    "SeverityJudge": "severity_judge",
    "ShieldGemma": "shieldgemma",
    "Step": "marginals",
    "Unreadable": "adapters",
    "WildGuard": "wildguard",
    "XGuard": "xguard",
    "adapter_named": "registry",
    "adapter_names": "registry",
    "expected_number": "expected_number",
    "load_constitution": "constitution",
    "load_endpoint_settings": "endpoint_settings",
    "marginal_at_any_place": "marginals",
    "marginal_at_fixed_place": "marginals",
    "next_tokens_of": "next_tokens",
    "recorded": "marginals",
    "save_constitution": "constitution",
    "split_rules": "constitution",
    "token_probability": "marginals",
}

__all__ = [
    "Adapter",
    "AnswerLabels",
    "Constitution",
    "ConstitutionJudge",
    "Criterion",
    "EndpointScorer",
    "EndpointSettings",
    "Example",
    "ExpectedNumber",
    "GraniteGuardian",
    "GuardAdapter",
    "LlamaGuard",
    "Marginals",
    "NemotronSafety",
    "OpenAIModeration",
    "Principle",
    "Qwen3Guard",
    "Rule",
    "Sampled",
    "SeverityJudge",
    "ShieldGemma",
    "Step",
    "Unreadable",
    "WildGuard",
    "XGuard",
    "adapter_named",
    "adapter_names",
    "expected_number",
    "load_constitution",
    "load_endpoint_settings",
    "marginal_at_any_place",
    "marginal_at_fixed_place",
    "next_tokens_of",
    "recorded",
    "save_constitution",
    "split_rules",
    "token_probability",
]

__getattr__ = lazy_names(__name__, _HOMES)
