#include "model.hpp"

namespace rw {

void Growing::push(const Word& word) {
  grammar_.word(word, hashes_);
  std::vector<uint32_t> rows(hashes_.size());
  for (size_t i = 0; i < rows.size(); ++i) rows[i] = w_->index.find(hashes_[i]);
  left_.clear();
  if (window_.size() == s_->window) {
    left_ = std::move(window_.front());
    window_.pop_front();
  }
  for (const uint32_t row : left_) recent.remove(row);
  for (const uint32_t row : rows) whole.add(row), recent.add(row);
  window_.push_back(std::move(rows));
  ++n_words_;
}

void Growing::with_unfinished(auto&& then) {
  const Word& word = reader_.unfinished();
  if (word.letters.empty()) return then();
  const uint64_t before = grammar_.before();
  push(word);
  std::vector<uint32_t> left = left_;
  then();
  for (const uint32_t row : window_.back()) whole.remove(row), recent.remove(row);
  window_.pop_back();
  if (!left.empty()) {
    for (const uint32_t row : left) recent.add(row);
    window_.push_front(std::move(left));
  }
  --n_words_;
  grammar_.set_before(before);
}

Growing::Scores Growing::scores() {
  Scores found;
  with_unfinished([&] {
    for (size_t k = 0; k < w_->n_outputs; ++k) {
      found.whole.push_back(score(whole, *s_, k));
      found.recent.push_back(score(recent, *s_, k));
    }
    found.peak.resize(s_->n_peaked);
    for (size_t k = 0; k < s_->n_peaked; ++k) {
      const bool full = n_words_ > int64_t(s_->window);
      found.peak[k] = full ? std::max(highest_[k], found.recent[k]) : found.whole[k];
    }
  });
  return found;
}

std::pair<int64_t, int64_t> Growing::familiar() {
  std::pair<int64_t, int64_t> found;
  with_unfinished([&] { found = {whole.known, whole.unknown}; });
  return found;
}

}  // namespace rw
