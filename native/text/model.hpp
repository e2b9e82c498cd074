// Scores of whole texts and of growing ones.
#pragma once
#include <deque>
#include <limits>

#include "grams.hpp"
#include "tally.hpp"

namespace rw {

// How sums become scores: bias + scale * sum / sqrt(square), per output.
struct Scale {
  std::vector<double> bias, factor;
  size_t n_peaked = 0;  // outputs of which the highest window is followed
  size_t window = 0;    // words
};

inline double score(const Tally& tally, const Scale& scale, size_t k) {
  if (tally.square <= 0) return scale.bias[k];
  return scale.bias[k] + scale.factor[k] * (double(tally.sums[k]) / std::sqrt(double(tally.square)));
}

// A text read so far: the whole of it, its last words, and the highest window.
class Growing {
 public:
  Growing(const Weights& weights, const Scale& scale)
      : w_(&weights), s_(&scale), whole_(weights), recent_(weights),
        highest_(scale.n_peaked, -std::numeric_limits<double>::infinity()) {}

  void feed(std::string_view text) {
    reader_.read(text, [this](const Word& word) { take(word); });
  }

  struct Scores {
    std::vector<double> whole, recent, peak;
    // Occurrences of known and unknown n-grams.
    std::pair<int64_t, int64_t> familiar;
  };

  // As if the text ended here; the unfinished word is added and taken away again.
  Scores scores();

  const Lexical& lexical() const { return reader_.lexical; }
  int64_t n_words() const { return n_words_ + !reader_.unfinished().letters.empty(); }
  // Words of two letters and more in capitals.
  int64_t n_shouted() const { return shouted_ + shouts(reader_.unfinished()); }

 private:
  void take(const Word& word) {
    push(word);
    shouted_ += shouts(word);
    if (window_.size() == s_->window)
      for (size_t k = 0; k < highest_.size(); ++k)
        highest_[k] = std::max(highest_[k], score(last_words(), *s_, k));
  }
  void push(const Word& word);
  // As long as no word has left the window, it holds the whole text.
  const Tally& last_words() const { return n_words_ > int64_t(s_->window) ? recent_ : whole_; }
  static bool shouts(const Word& word) {
    return word.letters.size() > 1 && word.capitals == int64_t(word.letters.size());
  }
  void with_unfinished(auto&& then);

  const Weights* w_;
  const Scale* s_;
  Reader reader_;
  Grammar grammar_;
  std::vector<uint32_t> hashes_;
  std::deque<std::vector<uint32_t>> window_;
  std::vector<uint32_t> left_;
  int64_t n_words_ = 0, shouted_ = 0;

  Tally whole_, recent_;
  std::vector<double> highest_;
};

}  // namespace rw
