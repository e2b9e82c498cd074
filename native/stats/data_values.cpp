// KNN-Shapley: what every training row is worth to a nearest-neighbour vote.
#include "../arrays.hpp"

#include <algorithm>
#include <bit>
#include <cstdint>
#include <limits>
#include <thread>
#include <utility>
#include <vector>

namespace {

using rw::Array;
using std::size_t;

constexpr size_t kBlock = 1024;  // rows whose distances are computed while their columns are cached
constexpr size_t kDigits = 2048;

struct Task {
  const double* columns;  // features by rows
  const int32_t* label;
  size_t n, d, k, truncate;
  const double *weight_at, *weight_up_to;  // w_i = min(k, i) / (k i) and its running sum, from 0
  const uint8_t* chosen;
};

// What one thread works with; every validation row uses it anew.
struct Workspace {
  std::vector<double> distance, sum;
  std::vector<uint8_t> match;
  std::vector<uint64_t> key, spare;  // distance as a float in the upper half, row in the lower

  bool nearer(uint64_t a, uint64_t b) const {
    const double x = distance[static_cast<uint32_t>(a)], y = distance[static_cast<uint32_t>(b)];
    return x < y || (x == y && a < b);
  }
  bool tie(uint64_t a, uint64_t b) const {
    return a >> 32 == b >> 32 &&
           distance[static_cast<uint32_t>(a)] == distance[static_cast<uint32_t>(b)];
  }
};

uint64_t key_of(double distance, size_t row) {
  return uint64_t{std::bit_cast<uint32_t>(static_cast<float>(distance))} << 32 | row;
}

void distances(const Task& t, const double* point, size_t start, size_t rows, double* out) {
  std::fill(out, out + rows, 0.0);
  for (size_t j = 0; j < t.d; ++j) {
    const double* column = t.columns + j * t.n + start;
    const double at = point[j];
    for (size_t i = 0; i < rows; ++i) {
      const double gap = column[i] - at;
      out[i] += gap * gap;
    }
  }
}

// Every row by distance: radix sort of the distances as floats, whose ties doubles then decide.
void sort_all(const Task& t, const double* point, Workspace& work) {
  std::vector<uint64_t>&key = work.key, &spare = work.spare;
  key.resize(t.n);
  spare.resize(t.n);
  std::vector<uint32_t> count(3 * kDigits);
  for (size_t start = 0; start < t.n; start += kBlock) {
    const size_t end = std::min(start + kBlock, t.n);
    distances(t, point, start, end - start, work.distance.data() + start);
    for (size_t i = start; i < end; ++i) {
      key[i] = key_of(work.distance[i], i);
      const uint32_t bits = static_cast<uint32_t>(key[i] >> 32);
      ++count[bits & 2047];
      ++count[kDigits + (bits >> 11 & 2047)];
      ++count[2 * kDigits + (bits >> 22)];
    }
  }
  for (int pass = 0; pass < 3; ++pass) {
    uint32_t* place = count.data() + pass * kDigits;
    uint32_t total = 0;
    for (size_t digit = 0; digit < kDigits; ++digit) total += std::exchange(place[digit], total);
    const int shift = 32 + 11 * pass;
    for (const uint64_t one : key) spare[place[one >> shift & 2047]++] = one;
    key.swap(spare);
  }
  for (size_t first = 0, last; first < t.n; first = last) {
    for (last = first + 1; last < t.n && key[last] >> 32 == key[first] >> 32;) ++last;
    // The passes keep the order of rows, so that rows at the same distance are in place already.
    const auto nearer = [&](uint64_t a, uint64_t b) { return work.nearer(a, b); };
    if (!std::is_sorted(key.begin() + first, key.begin() + last, nearer))
      std::sort(key.begin() + first, key.begin() + last, nearer);
  }
}

// The `truncate` nearest rows and all that tie with the last of them.
void sort_nearest(const Task& t, const double* point, Workspace& work) {
  std::vector<uint64_t>&kept = work.key, &tied = work.spare;
  kept.clear();
  tied.clear();
  const size_t limit = t.truncate, full = 2 * limit + kBlock;
  const auto nearer = [&](uint64_t a, uint64_t b) { return work.nearer(a, b); };
  const auto distance = [&](uint64_t one) { return work.distance[static_cast<uint32_t>(one)]; };
  double furthest = std::numeric_limits<double>::infinity();
  auto shrink = [&] {
    if (kept.size() <= limit) return;
    std::nth_element(kept.begin(), kept.begin() + (limit - 1), kept.end(), nearer);
    furthest = distance(kept[limit - 1]);
    std::erase_if(tied, [&](uint64_t one) { return distance(one) > furthest; });
    for (size_t i = limit; i < kept.size(); ++i)
      if (distance(kept[i]) == furthest) tied.push_back(kept[i]);
    kept.resize(limit);
  };
  for (size_t start = 0; start < t.n; start += kBlock) {
    const size_t end = std::min(start + kBlock, t.n);
    distances(t, point, start, end - start, work.distance.data() + start);
    for (size_t i = start; i < end; ++i)
      if (work.distance[i] <= furthest)
        (work.distance[i] < furthest ? kept : tied).push_back(key_of(work.distance[i], i));
    if (kept.size() >= full) shrink();
  }
  shrink();
  kept.insert(kept.end(), tied.begin(), tied.end());
  std::sort(kept.begin(), kept.end(), nearer);
}

// Adds the values for one validation row to `sum`; returns their sum over the chosen rows.
// With s_i = a_i w_i - sum over j > i of a_j (w_(j-1) - w_j), a tie takes the mean over its orders.
double add_values(const Task& t, int32_t label, double scale, Workspace& work) {
  const std::vector<uint64_t>& key = work.key;
  for (size_t i = 0; i < t.n; ++i) work.match[i] = t.label[i] == label;
  double after = 0.0, chosen = 0.0;
  const auto add = [&](uint64_t one, double value) {
    const uint32_t row = static_cast<uint32_t>(one);
    work.sum[row] += scale * value;
    if (t.chosen && t.chosen[row]) chosen += value;
  };
  const auto matched = [&](uint64_t one) { return work.match[static_cast<uint32_t>(one)]; };
  for (size_t last = key.size(), first; last > 0; last = first) {
    first = last - 1;
    while (first > 0 && work.tie(key[first - 1], key[last - 1])) --first;
    const double end = t.weight_at[last], g = static_cast<double>(last - first);
    double matches = matched(key[first]);
    if (last - first == 1) {
      add(key[first], matches * end - after);
    } else {
      for (size_t i = first + 1; i < last; ++i) matches += matched(key[i]);
      const double total = t.weight_up_to[last] - t.weight_up_to[first];
      const double spread = (total - g * end) / (g * (g - 1.0));
      const double other = -spread * matches - after;
      const double match = total / g - spread * (matches - 1.0) - after;
      for (size_t i = first; i < last; ++i) add(key[i], matched(key[i]) ? match : other);
      matches /= g;
    }
    after += matches * (t.weight_at[first] - end);
  }
  return chosen;
}

// Sum of the values of all rows over the validation rows, and per validation row their sum over
// the chosen rows. Halves are summed apart whatever the number of threads: one result for all.
std::pair<nb::ndarray<nb::numpy, double>, nb::ndarray<nb::numpy, double>> knn_values(
    Array<double> columns, Array<int32_t> label, Array<double> points, Array<int32_t> truth,
    Array<double> scale, Array<uint8_t> chosen, size_t k, size_t truncate, bool threads) {
  const size_t n = label.size(), m = truth.size();
  std::vector<double> weight_at(n + 1, 1.0 / static_cast<double>(k)), up_to(n + 1, 0.0), picked(m, 0.0);
  for (size_t i = 1; i <= n; ++i) {
    weight_at[i] = 1.0 / static_cast<double>(std::max(k, i));
    up_to[i] = up_to[i - 1] + weight_at[i];
  }
  const Task task{columns.data(), label.data(), n, columns.shape(0), k, truncate,
                  weight_at.data(), up_to.data(), chosen.size() ? chosen.data() : nullptr};
  Workspace half[2];
  auto run = [&](int part) {
    Workspace& work = half[part];
    work.sum.assign(n, 0.0);
    work.distance.resize(n);
    work.match.resize(n);
    for (size_t r = part ? m / 2 : 0; r < (part ? m : m / 2); ++r) {
      const double* point = points.data() + r * task.d;
      if (truncate < n) {
        sort_nearest(task, point, work);
      } else {
        sort_all(task, point, work);
      }
      picked[r] = add_values(task, truth.data()[r], scale.data()[r], work);
    }
  };
  {
    nb::gil_scoped_release released;
    if (threads) {
      std::thread other(run, 1);
      run(0);
      other.join();
    } else {
      run(0);
      run(1);
    }
    for (size_t i = 0; i < n; ++i) half[0].sum[i] += half[1].sum[i];
  }
  return {rw::to_numpy(std::move(half[0].sum)), rw::to_numpy(std::move(picked))};
}

}  // namespace

void bind_data_values(nb::module_& m) {
  m.def("knn_values", &knn_values, "columns"_a, "label"_a, "points"_a, "truth"_a, "scale"_a,
        "chosen"_a, "k"_a, "truncate"_a, "threads"_a);
}
