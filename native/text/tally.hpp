// Counts of n-grams, and the sums that scores are made of. All sums are of whole numbers, so that
// they do not depend on the order, and what was added can be taken away without a trace.
#pragma once
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "../arrays.hpp"

namespace rw {

inline constexpr uint32_t UNKNOWN = 0xFFFFFFFF;

// Open addressing from a 32-bit key to a 32-bit value; the key UNKNOWN is never held.
class SmallMap {
 public:
  SmallMap() : cells_(512, {UNKNOWN, 0}) {}

  uint32_t& at(uint32_t key) {
    if (2 * (held_ + 1) > cells_.size()) grow();
    size_t i = place(key);
    if (cells_[i].first == UNKNOWN) {
      cells_[i] = {key, 0};
      ++held_;
    }
    return cells_[i].second;
  }

  // The value, or UNKNOWN where the key is not held.
  uint32_t find(uint32_t key) const {
    const auto& cell = cells_[place(key)];
    return cell.first == UNKNOWN ? UNKNOWN : cell.second;
  }

  void clear() {
    if (held_ > 0) std::fill(cells_.begin(), cells_.end(), std::pair{UNKNOWN, uint32_t{0}});
    held_ = 0;
  }

  template <class Visit>
  void each(Visit&& visit) const {
    for (const auto& [key, value] : cells_)
      if (key != UNKNOWN && value != 0) visit(key, value);
  }

 private:
  size_t place(uint32_t key) const {
    const size_t mask = cells_.size() - 1;
    size_t i = (key * 0x9e3779b1u >> 7) & mask;
    while (cells_[i].first != UNKNOWN && cells_[i].first != key) i = (i + 1) & mask;
    return i;
  }
  void grow() {
    std::vector<std::pair<uint32_t, uint32_t>> old(2 * cells_.size(), {UNKNOWN, 0});
    old.swap(cells_);
    for (const auto& cell : old)
      if (cell.first != UNKNOWN) cells_[place(cell.first)] = cell;
  }

  std::vector<std::pair<uint32_t, uint32_t>> cells_;
  size_t held_ = 0;
};

// The learnt numbers: for each known n-gram its hash, its rarity, and a weight per output.
struct Weights {
  size_t n_grams = 0, n_outputs = 0;
  int64_t unknown_rarity = 0;
  std::vector<uint32_t> hashes;
  std::vector<uint8_t> rarity;
  std::vector<int8_t> weight;
  SmallMap index;
};

// Round(64 (1 + ln count)) up to 4,095: how much an n-gram counts that occurs so often.
inline const std::vector<int32_t> DAMPED = [] {
  std::vector<int32_t> made(4096, 0);
  for (size_t c = 1; c < made.size(); ++c)
    made[c] = static_cast<int32_t>(std::lround(64.0 * (1.0 + std::log(double(c)))));
  return made;
}();

inline int32_t damped(uint32_t count) {
  return DAMPED[count < DAMPED.size() ? count : DAMPED.size() - 1];
}

// Sums over the n-grams that were added: per output the weighted, the square of the length.
class Tally {
 public:
  explicit Tally(const Weights& weights) : sums(weights.n_outputs, 0), w_(&weights) {}

  void add(uint32_t gram) { change(gram, +1); }
  void remove(uint32_t gram) { change(gram, -1); }

  void clear() {
    counts_.clear();
    std::fill(sums.begin(), sums.end(), 0);
    square = known = unknown = 0;
  }

  template <class Visit>
  void each(Visit&& visit) const { counts_.each(visit); }

  uint32_t count(uint32_t gram) const { return counts_.find(gram); }

  std::vector<int64_t> sums;
  int64_t square = 0, known = 0, unknown = 0;

 private:
  // `gram` is a row of the weights, or UNKNOWN.
  void change(uint32_t gram, int sign) {
    if (gram == UNKNOWN) {
      const int64_t value = w_->unknown_rarity * damped(1);
      unknown += sign;
      square += sign * value * value;
      return;
    }
    known += sign;
    uint32_t& count = counts_.at(gram);
    const int64_t rarity = w_->rarity[gram];
    const int64_t old = rarity * damped(count);
    count += sign;
    const int64_t now = rarity * damped(count);
    square += now * now - old * old;
    const auto step = static_cast<int32_t>(now - old);
    const int8_t* row = &w_->weight[size_t(gram) * w_->n_outputs];
    for (size_t k = 0; k < sums.size(); ++k) sums[k] += step * int32_t{row[k]};
  }

  const Weights* w_;
  SmallMap counts_;
};

}  // namespace rw
