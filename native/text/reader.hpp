// Text to words: UTF-8, folding, and a few undone disguises, one code point at a time.
#pragma once
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

namespace rw {

inline constexpr size_t MAX_WORD = 64;  // code points; a longer run is cut into words

// What can be counted without knowing any word.
struct Lexical {
  int64_t characters = 0, upper = 0, digits = 0, questions = 0, exclamations = 0;
  int64_t punctuation = 0, lines = 0, beyond_ascii = 0;
  static constexpr size_t COUNT = 8;
};

// A folded word and where it stands, in code points from the beginning of the text.
struct Word {
  std::vector<uint32_t> letters;
  int64_t start = 0, end = 0;
  int64_t capitals = 0;
};

// Reads text and hands over each finished word. The state between two calls is the unfinished
// word, so that a text may be cut anywhere between two code points.
class Reader {
 public:
  Lexical lexical;

  template <class Take>
  void read(std::string_view text, Take&& take) {
    for (size_t at = 0; at < text.size();) step(decode(text, at), take);
  }

  // Ends the text: the unfinished word is finished.
  template <class Take>
  void finish(Take&& take) {
    if (!word_.letters.empty()) hand_over(take);
  }

  const Word& unfinished() const { return word_; }

 private:
  static uint32_t decode(std::string_view text, size_t& at);
  static uint32_t fold(uint32_t code);
  enum Kind : uint8_t { SEPARATOR, LETTER, SINGLE, IGNORED };
  static Kind kind(uint32_t code);
  void count(uint32_t code);

  template <class Take>
  void step(uint32_t code, Take& take) {
    count(code);
    const int64_t here = position_++;
    if (kind(code) == IGNORED) return;
    const uint32_t folded = fold(code);
    switch (kind(folded)) {
      case IGNORED:
        return;
      case SEPARATOR:
        if ((folded == '\'' || folded == 0x2019) && !word_.letters.empty()) return;
        finish(take);
        return;
      case SINGLE:
        finish(take);
        add(folded, here, false);
        hand_over(take);
        return;
      case LETTER:
        if (word_.letters.size() == MAX_WORD) hand_over(take);
        add(folded, here, code != folded && code < 0x80);
    }
  }

  void add(uint32_t code, int64_t here, bool capital) {
    if (word_.letters.empty()) word_.start = here;
    word_.letters.push_back(code);
    word_.end = here + 1;
    word_.capitals += capital;
  }

  template <class Take>
  void hand_over(Take& take) {
    take(static_cast<const Word&>(word_));
    word_.letters.clear();
    word_.capitals = 0;
  }

  Word word_;
  int64_t position_ = 0;
};

// Letters of a word with look-alikes undone: Cyrillic and Greek letters in a Latin word, and
// digits and signs between two letters.
void undisguise(std::vector<uint32_t>& letters);

}  // namespace rw
