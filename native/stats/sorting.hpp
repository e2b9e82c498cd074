// Radix sort of doubles with a payload, and outcomes folded by score.
#pragma once
#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <memory>
#include <utility>
#include <vector>

namespace rw {

// A whole number that orders as the double does; -0 and +0 give the same one. Not for NaN.
inline uint64_t ordered_key(double x) {
  x += 0.0;
  uint64_t bits;
  std::memcpy(&bits, &x, 8);
  return bits ^ ((bits >> 63) ? ~uint64_t{0} : uint64_t{1} << 63);
}

inline double key_value(uint64_t key) {
  const uint64_t bits = key ^ ((key >> 63) ? uint64_t{1} << 63 : ~uint64_t{0});
  double x;
  std::memcpy(&x, &bits, 8);
  return x;
}

template <class Payload>
struct Keyed {
  uint64_t key;
  Payload payload;
};

inline uint64_t key_of(uint64_t key) { return key; }

template <class Payload>
uint64_t key_of(const Keyed<Payload>& item) {
  return item.key;
}

// Stable, ascending by key; least significant digit first, digits in which all keys agree skipped.
template <class Item>
void radix_sort(std::vector<Item>& items) {
  constexpr int kBits = 11, kDigits = 6;
  constexpr size_t kSize = size_t{1} << kBits, kMask = kSize - 1;
  std::vector<std::array<uint32_t, kSize>> counts(kDigits);
  for (auto& digit : counts) digit.fill(0);
  for (const Item& item : items)
    for (int d = 0; d < kDigits; ++d) ++counts[d][(key_of(item) >> (d * kBits)) & kMask];
  std::unique_ptr<Item[]> spare(new Item[items.size()]);
  Item *from = items.data(), *to = spare.get();
  for (int d = 0; d < kDigits; ++d) {
    auto& count = counts[d];
    const size_t n = items.size();
    if (n == 0 || count[(key_of(from[0]) >> (d * kBits)) & kMask] == n) continue;
    uint32_t start = 0;
    for (auto& c : count) start += std::exchange(c, start);
    for (size_t i = 0; i < n; ++i) to[count[(key_of(from[i]) >> (d * kBits)) & kMask]++] = from[i];
    std::swap(from, to);
  }
  if (from != items.data()) std::copy(from, from + items.size(), items.data());
}

// Distinct scores, ascending, with the weight of events and of non-events at each.
struct Folded {
  std::vector<double> value, events, nonevents;
};

namespace detail {

// Rows of weight 1: the keys of the two classes are sorted apart, without a payload, and merged.
inline Folded fold_counts(const double* score, const double* outcome, size_t n) {
  std::vector<uint64_t> keys[2];
  size_t events = 0;
  for (size_t i = 0; i < n; ++i) events += outcome[i] > 0.0;
  keys[0].resize(n - events + 1);
  keys[1].resize(events + 1);
  uint64_t* end[2] = {keys[0].data(), keys[1].data()};
  for (size_t i = 0; i < n; ++i) {
    const bool event = outcome[i] > 0.0;
    *end[event]++ = ordered_key(score[i]);
  }
  for (auto& side : keys) {
    side.pop_back();
    radix_sort(side);
  }
  Folded out;
  out.value.resize(n);
  out.events.resize(n);
  out.nonevents.resize(n);
  size_t i = 0, j = 0, m = 0;
  const size_t ni = keys[0].size(), nj = keys[1].size();
  while (i < ni || j < nj) {
    const uint64_t key = j == nj || (i < ni && keys[0][i] < keys[1][j]) ? keys[0][i] : keys[1][j];
    const size_t i0 = i, j0 = j;
    while (i < ni && keys[0][i] == key) ++i;
    while (j < nj && keys[1][j] == key) ++j;
    out.value[m] = key_value(key);
    out.nonevents[m] = static_cast<double>(i - i0);
    out.events[m++] = static_cast<double>(j - j0);
  }
  for (auto* column : {&out.value, &out.events, &out.nonevents}) column->resize(m);
  return out;
}

}  // namespace detail

// `outcome` holds 0 and 1; `weight` (all above 0) may be null for weights of 1; n below 2^32.
inline Folded fold_by_score(const double* score, const double* outcome, const double* weight,
                            size_t n) {
  if (!weight) return detail::fold_counts(score, outcome, n);
  std::vector<Keyed<double>> rows(n);
  for (size_t i = 0; i < n; ++i)
    rows[i] = {ordered_key(score[i]), outcome[i] > 0.0 ? weight[i] : -weight[i]};
  radix_sort(rows);
  size_t distinct = 0;
  for (size_t i = 0; i < n; ++i) distinct += i == 0 || rows[i].key != rows[i - 1].key;
  Folded out;
  out.value.reserve(distinct);
  out.events.reserve(distinct);
  out.nonevents.reserve(distinct);
  for (size_t i = 0; i < n;) {
    const uint64_t key = rows[i].key;
    double events = 0.0, nonevents = 0.0;
    for (; i < n && rows[i].key == key; ++i) {
      const double w = rows[i].payload;
      events += w > 0.0 ? w : 0.0;
      nonevents += w > 0.0 ? 0.0 : -w;
    }
    out.value.push_back(key_value(key));
    out.events.push_back(events);
    out.nonevents.push_back(nonevents);
  }
  return out;
}

}  // namespace rw
