"""Secrets: values made here in the published formats are found; placeholders are not."""

import base64
import json
import random
import string

import pytest

from riskwright.scoring.text.rules import secrets
from riskwright.scoring.text.rules.checksums import BASE62, crc32_base62
from riskwright.scoring.text.rules.rule import uncontained

RNG = random.Random(7)


def drawn(n, letters=BASE62):
    return "".join(RNG.choices(letters, k=n))


def hits(text):
    return {
        hit.by.partition(".")[2]: text[hit.start : hit.end]
        for hit in uncontained(secrets.find(text))
    }


def aws(account):
    """A key id that holds this account number, as AWS lays it out."""
    body = ((1 << 47) | account << 7 | RNG.getrandbits(7)).to_bytes(6, "big")
    return "AK" + "IA" + base64.b32encode(body + RNG.randbytes(4)).decode()


def checked(prefix):
    body = drawn(30)
    return prefix + body + crc32_base62(body)


def jwt():
    parts = (json.dumps({"alg": "none"}), json.dumps({"sub": "nobody"}), "no signature")
    return ".".join(base64.urlsafe_b64encode(one.encode()).decode().rstrip("=") for one in parts)


def pem():
    lines = [drawn(64) for _ in range(20)]
    return "\n".join(["-----BEGIN " + "PRIVATE KEY-----", *lines, "-----END " + "PRIVATE KEY-----"])


MADE = {
    "aws_access_key": lambda: aws(123456789012),
    "github_token": lambda: checked("gh" + "p_"),
    "npm_token": lambda: checked("np" + "m_"),
    "github_fine_grained": lambda: "github_" + "pat_" + drawn(22) + "_" + drawn(59),
    "gitlab_token": lambda: "glp" + "at-" + drawn(20),
    "slack_token": lambda: "xo" + "xb-" + drawn(12, string.digits) + "-" + drawn(24),
    "slack_webhook": lambda: (
        "https://hooks.slack." + "com/services/T0" + "ABCDEFG/B0ABCDEFG/" + drawn(24)
    ),
    "stripe_key": lambda: "sk_" + "live_" + drawn(24),
    "google_api_key": lambda: "AI" + "za" + drawn(35),
    "google_oauth_secret": lambda: "GOC" + "SPX-" + drawn(28),
    "openai_key": lambda: "s" + "k-" + drawn(20) + "T3Blbk" + "FJ" + drawn(20),
    "anthropic_key": lambda: "sk-" + "ant-api03-" + drawn(93) + "AA",
    "hugging_face_token": lambda: "h" + "f_" + drawn(34),
    "pypi_token": lambda: "py" + "pi-AgE" + drawn(120),
    "sendgrid_key": lambda: "S" + "G." + drawn(22) + "." + drawn(43),
    "digitalocean_token": lambda: "do" + "p_v1_" + drawn(64, "0123456789abcdef"),
    "shopify_token": lambda: "shp" + "at_" + drawn(32, "0123456789abcdef"),
    "telegram_token": lambda: drawn(10, string.digits[1:]) + ":A" + "A" + drawn(33),
    "age_key": lambda: "AGE-SECRET-" + "KEY-1" + drawn(58, "0123456789ACDEFGHJKLMNPQRSTUVWXYZ"),
    "private_key": pem,
    "json_web_token": jwt,
    "url_password": lambda: "postgres://nobody:" + drawn(12) + "@db.example.org",
    "connection_string": lambda: "AccountKey=" + drawn(86) + "==",
}


@pytest.mark.parametrize("rule", MADE)
def test_a_made_up_secret_in_a_published_format_is_found_whole(rule):
    for frame in ("{}", "export X='{}'", "it is {} ok", "a\n{}\n"):
        value = MADE[rule]()
        assert hits(frame.format(value)).get(rule) == value


def test_every_vendor_rule_has_an_example_here():
    names = {rule.name.partition(".")[2] for rule in secrets.RULES}
    weaker = {"github_token_unchecked", "npm_token_unchecked", "stripe_test_key"}
    assert names - weaker == set(MADE)


def test_a_token_whose_checksum_is_wrong_is_believed_less():
    token = checked("gh" + "p_")
    other = "A" if token[10] != "A" else "B"
    [right] = uncontained(secrets.find(token))
    [wrong] = uncontained(secrets.find(token[:10] + other + token[11:]))
    assert (right.by, wrong.by) == ("secrets.github_token", "secrets.github_token_unchecked")
    assert right.weight > wrong.weight


def test_checksum_of_the_token_that_github_printed_when_it_published_the_format():
    assert crc32_base62("zQWBuTSOoRi4A9sp" + "HcVY5ncnsDkxkJ") == "0mLq17"


def test_the_account_number_inside_a_key_id_is_read_back():
    assert secrets.aws_account(aws(98765432109)) == 98765432109
    assert hits(aws(10**12)) == {}


def test_assignments_of_random_values_are_found_and_placeholders_are_not():
    value = "a8F3kq92LmZ0pQ7sX1cV"
    for text in (f"api_key = '{value}'", f'"client-secret": "{value}"', f"TOKEN={value}"):
        assert "assigned" in hits(text)
    assert "password" in hits("password: Tr0ub4dor&3")
    for value in ("your_api_key_goes_here1", "x" * 24, "${API_KEY_FROM_ENV_1}", "example1example2"):
        assert hits(f"api_key = '{value}'") == {}
    for text in ("password: changeme", "the password is required", "pwd=${HOME}", "secret: love"):
        assert hits(text) == {}
    for text in ("the password is case-sensitive.", "pwd: /home/me/2026", "password: {field1}"):
        assert hits(text) == {}


def test_urls_without_a_password_are_no_secrets():
    for url in ("https://example.org:8080/a@b", "ssh://git@example.org", "http://a:b/c", "x://y"):
        assert hits(url) == {}


def test_three_parts_with_dots_are_no_token_unless_the_first_decodes():
    assert hits("eyJhbGciabcdef.abcdefgh.abcdefgh") == {}


def test_a_private_key_without_an_end_is_found_and_prose_after_the_word_is_left():
    begin = "-----BEGIN " + "PRIVATE KEY-----"
    text = f"The line {begin} begins a key, as everybody knows."
    assert hits(text)["private_key"] == begin
    broken = f"{begin}\n{drawn(64)}\n{drawn(64)}\nand then"
    assert hits(broken)["private_key"] == broken.removesuffix("\nand then")
