#include "model.hpp"

namespace rw {

void Growing::push(const Word& word) {
  grammar_.word(word, hashes_);
  std::vector<uint32_t> rows(hashes_.size());
  for (size_t i = 0; i < rows.size(); ++i) rows[i] = w_->index.find(hashes_[i]);
  left_.clear();
  if (n_words_ == int64_t(s_->window)) recent_ = whole_;
  for (const uint32_t row : rows) whole_.add(row);
  if (n_words_ >= int64_t(s_->window)) {
    left_ = std::move(window_.front());
    window_.pop_front();
    for (const uint32_t row : left_) recent_.remove(row);
    for (const uint32_t row : rows) recent_.add(row);
  }
  window_.push_back(std::move(rows));
  ++n_words_;
}

// The unfinished word is added, and taken away again.
void Growing::with_unfinished(auto&& then) {
  const Word& word = reader_.unfinished();
  if (word.letters.empty()) return then();
  const uint64_t before = grammar_.before();
  push(word);
  std::vector<uint32_t> left = left_;
  then();
  for (const uint32_t row : window_.back()) whole_.remove(row);
  if (!left.empty()) {
    for (const uint32_t row : window_.back()) recent_.remove(row);
    for (const uint32_t row : left) recent_.add(row);
    window_.push_front(std::move(left));
  }
  window_.pop_back();
  --n_words_;
  grammar_.set_before(before);
}

Growing::Scores Growing::scores() {
  Scores found;
  with_unfinished([&] {
    const Tally& last = last_words();
    for (size_t k = 0; k < w_->n_outputs; ++k) {
      found.whole.push_back(score(whole_, *s_, k));
      found.recent.push_back(score(last, *s_, k));
    }
    found.peak.assign(found.recent.begin(), found.recent.begin() + s_->n_peaked);
    if (n_words_ > int64_t(s_->window))
      for (size_t k = 0; k < s_->n_peaked; ++k)
        found.peak[k] = std::max(highest_[k], found.peak[k]);
    found.familiar = {whole_.known, whole_.unknown};
  });
  return found;
}

}  // namespace rw
