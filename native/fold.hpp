// Rows with the same items become one pattern with two weights.
#pragma once
#include <cstdint>
#include <cstring>
#include <vector>

namespace rw {

// Rows of 0/1 bytes arrive in any number of chunks. The order of the patterns is the order of
// their bits, so it does not depend on the order of the rows.
class BinaryFolder {
 public:
  explicit BinaryFolder(int d) : d_(d), words_((d + 63) / 64) { rehash(1 << 12); }

  void add(const uint8_t* rows, int64_t n, const uint8_t* y, const double* weight) {
    std::vector<uint64_t> key(words_);
    for (int64_t i = 0; i < n; ++i) {
      const double w = weight ? weight[i] : 1.0;
      pack(rows + i * d_, key.data());
      const int64_t at = find(key.data());
      (y[i] ? positive_ : negative_)[at] += w;
    }
  }

  int d() const { return d_; }
  int64_t size() const { return int64_t(positive_.size()); }
  int words() const { return words_; }
  const std::vector<uint64_t>& keys() const { return keys_; }
  const std::vector<double>& positive() const { return positive_; }
  const std::vector<double>& negative() const { return negative_; }

 private:
  void pack(const uint8_t* row, uint64_t* key) const {
    for (int w = 0; w < words_; ++w) {
      uint64_t bits = 0;
      const int last = d_ - 64 * w < 64 ? d_ - 64 * w : 64;
      int j = 0;
      for (; j + 8 <= last; j += 8) {
        uint64_t eight;
        std::memcpy(&eight, row + 64 * w + j, 8);
        // gather the lowest bit of eight bytes: byte k lands on bit k of the top byte
        bits |= ((eight & 0x0101010101010101ull) * 0x0102040810204080ull >> 56) << j;
      }
      for (; j < last; ++j) bits |= uint64_t(row[64 * w + j] & 1) << j;
      key[w] = bits;
    }
  }

  static uint64_t mix(uint64_t h) {
    h ^= h >> 32;
    h *= 0xD6E8FEB86659FD93ull;
    h ^= h >> 32;
    return h;
  }

  uint64_t hash(const uint64_t* key) const {
    uint64_t h = 0x9E3779B97F4A7C15ull;
    for (int w = 0; w < words_; ++w) h = mix(h ^ key[w]);
    return h;
  }

  int64_t find(const uint64_t* key) {
    uint64_t at = hash(key) & mask_;
    for (;; at = (at + 1) & mask_) {
      const int64_t slot = slots_[at];
      if (slot < 0) break;
      if (std::memcmp(&keys_[slot * words_], key, 8 * size_t(words_)) == 0) return slot;
    }
    const int64_t fresh = size();
    slots_[at] = fresh;
    keys_.insert(keys_.end(), key, key + words_);
    positive_.push_back(0.0);
    negative_.push_back(0.0);
    if (2 * uint64_t(fresh + 1) > mask_) rehash(2 * (mask_ + 1));
    return fresh;
  }

  void rehash(uint64_t capacity) {
    mask_ = capacity - 1;
    slots_.assign(capacity, -1);
    for (int64_t s = 0; s < size(); ++s) {
      uint64_t at = hash(&keys_[s * words_]) & mask_;
      while (slots_[at] >= 0) at = (at + 1) & mask_;
      slots_[at] = s;
    }
  }

  int d_, words_;
  uint64_t mask_ = 0;
  std::vector<int64_t> slots_;
  std::vector<uint64_t> keys_;
  std::vector<double> positive_, negative_;
};

}  // namespace rw
