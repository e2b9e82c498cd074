"""Personal data: published test numbers are found, and one changed digit is not."""

import random

import pytest

from riskwright.scoring.text.rules import checksums, personal
from riskwright.scoring.text.rules.rule import uncontained


def found(text):
    return {(hit.by.partition(".")[2], text[hit.start : hit.end]) for hit in found_hits(text)}


def found_hits(text):
    return uncontained(personal.find(text))


PUBLISHED = [
    ("email", "{}", "ann.lee+news@mail.example.co.uk"),
    ("phone", "{}", "+49 30 1234567"),
    ("phone", "call me: {}", "(415) 555-2671"),
    ("card", "{}", "4111 1111 1111 1111"),
    ("card", "{}", "5500-0055-5555-5559"),
    ("card", "{}", "378282246310005"),
    ("card", "{}", "3782 822463 10005"),
    ("card", "{}", "30569309025904"),
    ("card", "{}", "3530111333300000"),
    ("iban", "{}", "DE89 3704 0044 0532 0130 00"),
    ("iban", "{}", "GB82WEST12345698765432"),
    ("iban", "{}", "NO93 8601 1117 947"),
    ("iban", "{}", "FR14 2004 1010 0505 0001 3M02 606"),
    ("us_ssn", "SSN {}", "219-09-9998"),
    ("uk_nhs", "NHS number {}", "943 476 5919"),
    ("uk_nino", "{}", "AB 12 34 56 C"),
    ("de_tax_id", "Steuer-ID: {}", "86095742719"),
    ("de_tax_id", "Steuer-ID: {}", "47 036 892 816"),
    ("fr_nir", "{}", "2 55 08 14 168 025 38"),
    ("es_dni", "{}", "12345678Z"),
    ("es_nie", "{}", "X1234567L"),
    ("it_codice_fiscale", "{}", "RSSMRA85T10A562S"),
    ("br_cpf", "{}", "529.982.247-25"),
    ("br_cpf", "CPF {}", "52998224725"),
    ("br_cnpj", "{}", "11.222.333/0001-81"),
    ("in_aadhaar", "Aadhaar {}", "2341 2341 2346"),
    ("ca_sin", "SIN {}", "130 692 544"),
    ("au_tfn", "TFN {}", "123 456 782"),
    ("au_abn", "ABN {}", "51 824 753 556"),
    ("nl_bsn", "BSN {}", "111222333"),
    ("pl_pesel", "PESEL {}", "44051401359"),
    ("se_personnummer", "{}", "811228-9874"),
    ("ip_address", "{}", "8.8.4.4"),
    ("ip_address", "{}", "2001:db8::8a2e:370:7334"),
    ("mac_address", "{}", "00:1B:44:11:3A:B7"),
    ("crypto_address", "{}", "1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa"),
    ("crypto_address", "{}", "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4"),
    ("crypto_address", "{}", "0x52908400098527886E0F7030069857D2E4169EE7"),
]


@pytest.mark.parametrize(("rule", "frame", "value"), PUBLISHED)
def test_a_published_test_value_is_found_with_its_exact_place(rule, frame, value):
    for around in ("{}", "Well: {}, and so on", "({})", "a\n{}\nb", "{}."):
        text = around.format(frame.format(value))
        assert (rule, value) in found(text)


CHECKED = [row for row in PUBLISHED if row[0] not in ("email", "phone", "ip_address")]
CHECKED = [
    row
    for row in CHECKED
    if row[0] not in ("us_ssn", "uk_nino", "mac_address") and row[2][:2] != "0x"
]


@pytest.mark.parametrize(("rule", "frame", "value"), CHECKED)
def test_a_value_with_one_changed_digit_is_refused(rule, frame, value):
    """Every one of these check digits finds every single changed digit, except where noted."""
    digits = [place for place, one in enumerate(value) if one.isdigit() and place > 1]
    place = digits[len(digits) // 2]
    changed = value[:place] + str((int(value[place]) + 1) % 10) + value[place + 1 :]
    assert (rule, changed) not in found(frame.format(changed))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("uk_nhs", "943 476 5919"),
        ("de_tax_id", "86095742719"),
        ("ca_sin", "130 692 544"),
        ("au_tfn", "123 456 782"),
        ("nl_bsn", "111222333"),
        ("pl_pesel", "44051401359"),
        ("in_aadhaar", "234123412346"),
        ("br_cpf", "52998224725"),
    ],
)
def test_a_weakly_checked_number_counts_only_beside_a_word_that_says_what_it_is(name, value):
    assert name not in {rule for rule, _ in found(f"order {value} has been sent")}


def test_a_context_word_counts_as_a_whole_word_and_only_nearby():
    assert not found_hits("using 130 692 544")
    assert not found_hits("SIN" + " so" * 40 + " 130 692 544")
    assert found_hits("SIN" + " so" * 10 + " 130 692 544")


@pytest.mark.parametrize(
    "text",
    [
        "version 1.2.3.4.5 of 2026-11-21 at 12:30:45",
        "1234567890123456 and 0000 0000 0000 0000",
        "isbn 978-3-16-148410-0, order no. 20261121000123",
        "000-12-3456, 666-12-3456, 900-12-3456, 078-05-1120",
        "pi is 3.14159265358979323846, e is 2.718281828459045",
        "127.0.0.1 and 0.0.0.0 and 255.255.255.255 and ::1",
        "a@b, @someone, user@localhost, x@.com",
        "3 x 4 = 12, 100,000,000 people, 12 345 678 units",
        "BG123456C and 12345678A and ABCDEF85T10A562X",
        "ff:ff:ff:ff:ff:ff",
    ],
)
def test_ordinary_numbers_are_no_personal_data(text):
    assert found(text) == set()


def test_a_card_is_found_after_a_number_and_before_one():
    assert ("card", "4111 1111 1111 1111") in found("buy 5 4111 1111 1111 1111 12/29")


def test_numbers_drawn_at_random_pass_each_check_as_often_as_its_design_says():
    """10,000 draws; a rate off by four standard errors fails."""
    rng = random.Random(5)
    draws = ["".join(rng.choices("0123456789", k=9)) for _ in range(10_000)]
    for check, rate in ((personal._sin, 1 / 10), (personal._tfn, 1 / 11), (personal._bsn, 1 / 11)):
        passed = sum(bool(check(draw)) for draw in draws)
        assert abs(passed - 10_000 * rate) < 4 * (10_000 * rate * (1 - rate)) ** 0.5


@pytest.mark.parametrize("check", [checksums.luhn, checksums.verhoeff])
def test_exactly_one_check_digit_fits_and_neighbours_cannot_be_swapped(check):
    """Luhn lets 09 and 90 pass for each other; Verhoeff lets no swap pass."""
    rng = random.Random(1)
    for _ in range(200):
        body = "".join(rng.choices("0123456789", k=11))
        [last] = [one for one in "0123456789" if check(body + one)]
        whole = body + last
        for place in range(11):
            a, b = whole[place : place + 2]
            if a != b and (check is checksums.verhoeff or {a, b} != {"0", "9"}):
                assert not check(whole[:place] + b + a + whole[place + 2 :])


def test_bech32_examples_of_the_proposals():
    valid = ["A12UEL5L", "abcdef1qpzry9x8gf2tvdw0s3jn54khce6mua7lmqqqxw", "?1ezyfcl"]
    valid += ["A1LQFN3A", "abcdef1l7aum6echk45nj3s0wdvt2fg8x9yrzpqzd3ryx", "split1checkupstagehand"]
    assert [checksums.bech32(one) for one in valid] == [True] * 5 + [False]
    assert not checksums.bech32("A12uEL5L")
    assert not checksums.bech32("1pzry9x0s0muk")


def test_base58_check_refuses_characters_and_lengths_outside_of_it():
    good = "1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa"
    assert checksums.base58_check(good)
    assert not checksums.base58_check(good[:-1] + "0")
    assert not checksums.base58_check(good[:-1])
    assert not checksums.base58_check("1" + good)
