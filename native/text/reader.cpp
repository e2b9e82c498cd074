#include "reader.hpp"

#include <algorithm>
#include <array>
#include <iterator>

#include "folding.hpp"

namespace rw {
namespace {

constexpr uint32_t TABLED = 0x3000;
constexpr uint32_t INVALID = 0xFFFD;

template <size_t N>
bool within(const folding::Pair (&ranges)[N], uint32_t code) {
  const auto* next = std::upper_bound(
      std::begin(ranges), std::end(ranges), code,
      [](uint32_t c, const folding::Pair& range) { return c < range.first; });
  return next != std::begin(ranges) && code <= std::prev(next)->second;
}

uint32_t searched_fold(uint32_t code) {
  const auto* found = std::lower_bound(
      std::begin(folding::FOLDS), std::end(folding::FOLDS), code,
      [](const folding::Pair& pair, uint32_t c) { return pair.first < c; });
  return found != std::end(folding::FOLDS) && found->first == code ? found->second : code;
}

uint8_t searched_kind(uint32_t code) {
  if (code < 0x80) {
    const bool letter = (code >= 'a' && code <= 'z') || (code >= 'A' && code <= 'Z') ||
                        (code >= '0' && code <= '9');
    return letter ? 1 : 0;
  }
  if (within(folding::IGNORED, code)) return 3;
  if (within(folding::SINGLES, code)) return 2;
  return within(folding::WORDS, code) ? 1 : 0;
}

struct Tables {
  std::array<uint16_t, TABLED> fold;
  std::array<uint8_t, TABLED> kind;
  Tables() {
    for (uint32_t code = 0; code < TABLED; ++code) {
      const bool capital = code >= 'A' && code <= 'Z';
      fold[code] = static_cast<uint16_t>(capital ? code + 32 : code);
      kind[code] = searched_kind(code);
    }
    for (const auto& pair : folding::FOLDS)
      if (pair.first < TABLED && pair.second < 0x10000)
        fold[pair.first] = static_cast<uint16_t>(pair.second);
  }
};

const Tables& tables() {
  static const Tables made;
  return made;
}

bool is_latin(uint32_t c) { return (c >= 'a' && c <= 'z'); }
bool is_digit(uint32_t c) { return c >= '0' && c <= '9'; }

uint32_t latin_twin(uint32_t c) {
  switch (c) {
    case 0x430: case 0x3B1: return 'a';
    case 0x435: case 0x3B5: return 'e';
    case 0x43E: case 0x3BF: return 'o';
    case 0x440: case 0x3C1: return 'p';
    case 0x441: return 'c';
    case 0x443: return 'y';
    case 0x445: case 0x3C7: return 'x';
    case 0x456: case 0x3B9: return 'i';
    case 0x455: return 's';
    case 0x458: return 'j';
    case 0x43A: case 0x3BA: return 'k';
    case 0x432: return 'b';
    case 0x43D: return 'h';
    case 0x43C: return 'm';
    case 0x442: case 0x3C4: return 't';
    case 0x3BD: return 'v';
    default: return c;
  }
}

uint32_t letter_of_digit(uint32_t c) {
  switch (c) {
    case '0': return 'o';
    case '1': return 'i';
    case '3': return 'e';
    case '4': return 'a';
    case '5': return 's';
    case '7': return 't';
    default: return c;
  }
}

}  // namespace

// One code point; bytes that are no UTF-8 count as one separator each.
uint32_t Reader::decode(std::string_view text, size_t& at) {
  const auto byte = [&](size_t i) { return static_cast<uint8_t>(text[i]); };
  const uint8_t lead = byte(at++);
  if (lead < 0x80) return lead;
  const int more = lead >= 0xF0 && lead < 0xF5 ? 3 : lead >= 0xE0 ? 2 : lead >= 0xC2 ? 1 : 0;
  if (more == 0 || lead >= 0xF5 || at + more > text.size()) return INVALID;
  uint32_t code = lead & (0x3F >> more);
  for (int k = 0; k < more; ++k) {
    const uint8_t next = byte(at + k);
    if ((next & 0xC0) != 0x80) return INVALID;
    code = code << 6 | (next & 0x3F);
  }
  at += more;
  const uint32_t least[] = {0, 0x80, 0x800, 0x10000};
  return code < least[more] || code > 0x10FFFF || (code >= 0xD800 && code < 0xE000) ? INVALID
                                                                                   : code;
}

uint32_t Reader::fold(uint32_t code) {
  return code < TABLED ? tables().fold[code] : searched_fold(code);
}

Reader::Kind Reader::kind(uint32_t code) {
  return static_cast<Kind>(code < TABLED ? tables().kind[code] : searched_kind(code));
}

void Reader::count(uint32_t code) {
  ++lexical.characters;
  lexical.beyond_ascii += code >= 0x80;
  lexical.upper += code >= 'A' && code <= 'Z';
  lexical.digits += is_digit(code);
  lexical.questions += code == '?';
  lexical.exclamations += code == '!';
  lexical.lines += code == '\n';
  lexical.punctuation += code > 0x20 && code < 0x7F && !is_digit(code) &&
                         !is_latin(code | 0x20);
}

void undisguise(std::vector<uint32_t>& letters) {
  size_t latin = 0, other = 0, digits = 0;
  for (const uint32_t c : letters) {
    latin += is_latin(c);
    digits += is_digit(c);
    other += c >= 0x370 && c < 0x530;
  }
  if (latin > 0 && other > 0)
    for (uint32_t& c : letters) c = latin_twin(c);
  if (digits == 0 || latin < 2) return;
  for (size_t i = 1; i + 1 < letters.size(); ++i)
    if (is_digit(letters[i]) && is_latin(letters[i - 1]) && is_latin(letters[i + 1]))
      letters[i] = letter_of_digit(letters[i]);
}

}  // namespace rw
