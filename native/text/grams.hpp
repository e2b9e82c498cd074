// Words to hashed n-grams: words and pairs of words, and 3 to 5 characters within a word.
#pragma once
#include <cstdint>
#include <vector>

#include "reader.hpp"

namespace rw {

class Grammar {
 public:
  // The hashes of one more word are put into `out` (emptied before): the word, the pair with the
  // word before it, its characters.
  void word(const Word& word, std::vector<uint32_t>& out) {
    out.clear();
    letters_ = word.letters;
    undisguise(letters_);
    uint64_t whole = WORD;
    for (const uint32_t c : letters_) whole = (whole ^ c) * PRIME;
    out.push_back(finished(whole));
    if (before_ != 0) out.push_back(finished((mixed(before_) ^ whole) * PRIME + PAIR));
    before_ = whole;
    if (letters_.size() > 1) characters(out);
  }

  uint64_t before() const { return before_; }
  void set_before(uint64_t hash) { before_ = hash; }

 private:
  static constexpr uint64_t WORD = 0xcbf29ce484222325ull, PRIME = 0x100000001b3ull;
  static constexpr uint64_t PAIR = 0x9e3779b97f4a7c15ull, CHARACTERS = 0x84222325cbf29ce4ull;
  static constexpr uint32_t EDGE = ' ';

  static uint64_t mixed(uint64_t h) {
    h = (h ^ (h >> 32)) * 0xd6e8feb86659fd93ull;
    h = (h ^ (h >> 32)) * 0xd6e8feb86659fd93ull;
    return h ^ (h >> 32);
  }
  static uint32_t finished(uint64_t h) { return static_cast<uint32_t>(mixed(h) >> 32); }

  void characters(std::vector<uint32_t>& out) {
    letters_.insert(letters_.begin(), EDGE);
    letters_.push_back(EDGE);
    for (size_t i = 0; i + 3 <= letters_.size(); ++i) {
      uint64_t h = CHARACTERS;
      for (size_t n = 1; n <= 5 && i + n <= letters_.size(); ++n) {
        h = (h ^ letters_[i + n - 1]) * PRIME;
        if (n >= 3) out.push_back(finished(h + n));
      }
    }
  }

  uint64_t before_ = 0;
  std::vector<uint32_t> letters_;
};

}  // namespace rw
