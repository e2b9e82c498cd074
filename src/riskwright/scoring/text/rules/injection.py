"""Prompt injection: orders to drop the instructions, false roles, and ways to carry data out.

Matched on folded text (`fold`), so patterns are written in lower case without accents. A match
says that such words occur, not that anybody means harm: a text about injection quotes them too.
"""

from __future__ import annotations

from .folding import Folded, fold
from .rule import Hit, Rule, find_all

__all__ = ["REACH", "RULES", "find", "find_folded", "overrides"]

REACH = 1024
"""The longest match, in characters."""

_B = r"(?<![^\W_])"
_X = r"(?![^\W_])"
_G = r"[^\n.!?]{0,40}?"


def _rule(name: str, pattern: str, weight: float, *triggers: str) -> Rule:
    return Rule(f"injection.{name}", pattern, weight, triggers=triggers)


def _order(language: str, verbs: str, old: str, things: str, *triggers: str) -> Rule:
    """A verb of dropping, then what went before and the instructions, in either order."""
    pattern = (
        rf"{_B}(?:{verbs}){_X}{_G}"
        rf"(?:{_B}(?:{old}){_X}{_G}{_B}(?:{things}){_X}|{_B}(?:{things}){_X}{_G}{_B}(?:{old}){_X})"
    )
    return _rule(f"override_{language}", pattern, 0.9, *triggers)


def _reveal(language: str, verbs: str, things: str, *triggers: str) -> Rule:
    return _rule(
        f"reveal_{language}", rf"{_B}(?:{verbs}){_X}{_G}{_B}(?:{things}){_X}", 0.7, *triggers
    )


_OVERRIDES: tuple[Rule, ...] = (
    _order(
        "en",
        r"ignore|disregard|forget|override|bypass|discard|drop|neglect",
        r"(?:all|any|the|your|these|those) (?:of (?:the|your) )?(?:previous|prior|earlier|above"
        r"|preceding|former|foregoing|existing|original|initial|system|safety|old)|previous|prior"
        r"|preceding|foregoing|all (?:of )?(?:your|the)|everything|you were (?:told|given)"
        r"|(?:written |given |stated )?(?:above|before)",
        r"instructions?|prompts?|rules|directions|directives|guidelines|commands|orders|context"
        r"|policies|restrictions|guardrails|above|before|said|told",
        *("ignore", "disregard", "forget", "override", "bypass", "discard", "drop", "neglect"),
    ),
    _order(
        "de",
        r"ignorier\w{0,3}|missacht\w{0,3}|vergiss|vergessen sie|uberschreib\w{0,3}|umgeh\w{0,3}",
        r"alle|alles|(?:die|deine|ihre|samtliche|meine) (?:vorherigen|bisherigen|obigen|fruheren"
        r"|vorigen|ursprunglichen)|vorherige[nr]?|bisherige[nr]?|obige[nr]?|fruhere[nr]?"
        r"|vorangegangene[nr]?",
        r"anweisung\w{0,2}|instruktion\w{0,2}|regeln|vorgaben|befehle?|richtlinien|davor|bisher",
        *("ignorier", "missacht", "vergiss", "vergessen sie", "uberschreib", "umgeh"),
    ),
    _order(
        "fr",
        r"ignore[zr]?|oublie[zr]?|neglige[zr]?|ne (?:tiens|tenez) pas compte|contourne[zr]?",
        r"toutes?|tous|tout|precedent\w{0,3}|anterieur\w{0,3}|ci-dessus|avant",
        r"instructions?|consignes?|regles?|directives?|ordres?|ce qui precede",
        *("ignore", "oublie", "neglige", "compte", "contourne"),
    ),
    _order(
        "es",
        r"ignor[ae]\w{0,2}|olvid[ae]\w{0,2}|descart[ae]\w{0,2}|haz caso omiso|pasa por alto",
        r"todas?|todos?|anterior\w{0,2}|previ[ao]s?|de arriba|antes",
        r"instruccion\w{0,2}|reglas?|ordenes|indicacion\w{0,2}|directrices",
        *("ignor", "olvid", "descart", "caso omiso", "pasa por alto"),
    ),
    _order(
        "it",
        r"ignor[aie]\w{0,2}|dimentica\w{0,2}|trascura\w{0,2}|non considerare",
        r"tutte|tutti|tutto|precedent[ei]|anterior[ei]|sopra|prima",
        r"istruzion[ei]|regol[ae]|direttive|indicazion[ei]|ordini|comandi",
        *("ignor", "dimentica", "trascura", "non considerare"),
    ),
    _order(
        "pt",
        r"ignor[ae]\w{0,2}|esque[cç]\w{0,3}|desconsider[ae]\w{0,2}|descart[ae]\w{0,2}",
        r"todas?|todos?|anterior\w{0,2}|previ[ao]s?|acima|antes",
        r"instruc\w{0,4}|regras?|ordens|orientac\w{0,4}|diretrizes",
        *("ignor", "esquec", "desconsider", "descart"),
    ),
    _rule(
        "override_zh",
        r"(?:忽略|无视|無視|忘记|忘記|忽视|不要理会|不用理会|不要遵守)[^\n]{0,12}?"
        r"(?:之前|以前|以上|先前|上面|前面|此前|所有|全部|一切)[^\n]{0,12}?"
        r"(?:指令|指示|提示|规则|規則|命令|要求|说明|內容|内容|限制)",
        0.9,
        *("忽略", "无视", "無視", "忘记", "忘記", "忽视", "不要理会", "不用理会", "不要遵守"),
    ),
)

_REVEALS: tuple[Rule, ...] = (
    _reveal(
        "en",
        r"reveal|show|print|repeat|output|display|tell|give|share|leak|dump|write|recite|what (?:is"
        r"|are|was|were)|copy|expose|disclose",
        r"(?:system|initial|hidden|secret|original|developer|internal) (?:prompt|instructions?"
        r"|messages?|directives?|rules)|your (?:prompt|instructions)",
        *(" prompt", " instruction", " messages", " message", " directive", " rules"),
    ),
    _rule(
        "repeat_above",
        rf"{_B}(?:repeat|print|output|copy|recite|write out|echo)\b{_G}"
        r"\b(?:(?:words|text|everything|all|lines?|content|message|anything) (?:that (?:is|was"
        r"|were) |written )?(?:above|before this|prior to this|preceding)|the above"
        r"(?! (?:\w{1,12} )?(?:steps?|process|exercise|procedure|calculation|experiment)))",
        0.6,
        *("above", "before this", "prior to this", "preceding"),
    ),
    _reveal(
        "de",
        r"zeig\w{0,2}|verrat\w{0,2}|gib|nenn\w{0,2}|wiederhol\w{0,2}|druck\w{0,2}",
        r"system-?\s?prompt|systemanweisung\w{0,2}|(?:geheimen|urspr\w{0,9}) anweisungen",
        *("system", "anweisung"),
    ),
    _reveal(
        "romance",
        r"montre\w{0,2}|revele\w{0,2}|affiche\w{0,2}|repete\w{0,2}|muestra\w{0,2}|revela\w{0,2}"
        r"|repite|repita|mostra\w{0,2}|mostre|ripeti|rivela\w{0,2}|imprim\w{0,3}|stampa",
        r"(?:prompt|instructions?|consignes?|instrucciones|instrucoes|istruzioni|mensaje|message"
        r"|messaggio|mensagem) (?:du |de |del |do |di )?(?:systeme|initial\w{0,2}|sistema"
        r"|inicial\w{0,2}|secret\w{0,2}|iniziali?|cachees?|ocult[ao]s?)",
        *("prompt", "instruc", "consigne", "istruzion", "mensa", "messag"),
    ),
    _rule(
        "reveal_zh",
        r"(?:显示|顯示|告诉我|告訴我|输出|輸出|重复|重複|透露|泄露|打印)[^\n]{0,12}?"
        r"(?:系统|系統|初始|隐藏|隱藏|原始)[^\n]{0,4}?(?:提示词|提示詞|提示|指令|消息)",
        0.7,
        *("系统", "系統", "初始", "隐藏", "隱藏", "原始"),
    ),
)

_ROLES: tuple[Rule, ...] = (
    _rule(
        "template_token",
        r"<\|(?:im_start|im_end|im_sep|system|user|assistant|end|eot_id|eom_id|begin_of_text"
        r"|end_of_text|start_header_id|end_header_id|endoftext|endofprompt|channel|message|start"
        r"|return|call|tool_call|end_of_turn|start_of_role|end_of_role|fim_[a-z]{3,6})\|>"
        r"|\[/?inst\]|<</?sys>>|</?(?:start|end)_of_turn>|\[/?(?:available_tools|tool_calls"
        r"|tool_results|system_prompt)\]|</?\|?(?:system_prompt|system_instructions?)\|?>",
        0.8,
        *("<|", "inst]", "sys>>", "_of_turn>", "[/", "[tool", "[avail", "[system", "<system", "</"),
    ),
    _rule(
        "role_header",
        r"(?<![^\n])[ \t]{0,8}(?:#{1,6} ?|\*\*|\[)?(?:system|developer)(?: (?:prompt|message"
        r"|override|update|instructions?))?(?:\*\*|\])?[ \t]{0,2}:(?=[ \t]{0,4}[^\s])",
        0.4,
        *("system", "developer"),
    ),
    _rule(
        "new_role",
        rf"{_B}(?:from now on,? )?you are (?:now )?(?:dan\b|in (?:developer|debug|god|admin"
        r"|maintenance|jailbreak|unrestricted) mode|(?:an? )?(?:unrestricted|unfiltered"
        r"|uncensored|jailbroken) )|do anything now\b|(?:enable|enter|activate|switch to)"
        r" (?:developer|debug|god|admin|jailbreak|unrestricted) mode\b",
        0.8,
        *("you are", "do anything now", " mode"),
    ),
    _rule(
        "new_instructions",
        rf"{_B}(?:(?:your )?new (?:system )?(?:instructions?|prompt|directives?)(?: (?:are|is))?"
        r" ?:|(?:end|begin|start) of (?:the )?(?:system|user) (?:prompt|message|instructions?))",
        0.6,
        *("new ", " of "),
    ),
)

_EXFILTRATION: tuple[Rule, ...] = (
    _rule(
        "image_with_data",
        r"!\[[^\]\n]{0,128}+\]\(\s{0,4}+<?https?://[^\s)?#]{1,200}+\?[^\s)=]{1,60}+=[^\s)]{1,400}+\)"
        r"?|<img\s[^>\n]{0,64}?src\s{0,2}=\s{0,2}['\"]?https?://[^\s>'\"?]{1,200}+\?[^\s>'\"]"
        r"{1,60}+",
        0.5,
        *("![", "<img"),
    ),
    _rule(
        "send_data",
        rf"{_B}(?:send|post|upload|forward|exfiltrate|transmit|e-?mail|append|include)\b[^\n]"
        r"{0,60}?\b(?:conversation|chat (?:history|log)|history|credentials?|api keys?|passwords?"
        r"|secrets?|tokens?|cookies?|system prompt|private (?:data|information))\b[^\n]{0,60}?"
        r"(?:https?://|\w@\w|\burl\b|\bwebhook\b)",
        0.7,
        *("http", "@", "url", "webhook"),
    ),
    _rule(
        "hidden_from_user",
        rf"{_B}(?:do not|don't|never|without) (?:tell|telling|mention|mentioning|inform|informing"
        r"|reveal|revealing|show|showing|alert|alerting)\b[^\n]{0,24}?\b(?:the user|the human)\b",
        0.6,
        *("the user", "the human"),
    ),
)

RULES: tuple[Rule, ...] = (*_OVERRIDES, *_REVEALS, *_ROLES, *_EXFILTRATION)


def find_folded(folded: Folded) -> list[Hit]:
    """Injections in folded text, at their places in the original."""
    hits = find_all(RULES, folded.text)
    if folded.places is None:
        return hits
    moved = [Hit(*folded.span(hit.start, hit.end), hit.by, hit.weight) for hit in hits]
    return [hit for hit in moved if hit.end - hit.start <= REACH]


def find(text: str) -> list[Hit]:
    """Injections in the text, also overlapping finds."""
    return find_folded(fold(text))


def overrides(text: str) -> list[Hit]:
    """English overrides in text that is folded already."""
    return find_all(_OVERRIDES[:1], text)
