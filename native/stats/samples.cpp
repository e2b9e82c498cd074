// Binary outcomes and scores: one-pass checks and sums, sorting by score, ensembles, sketches.
#include "../arrays.hpp"
#include "newton.hpp"
#include "variants.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <memory>
#include <utility>
#include <vector>

namespace {

using rw::Array;
using std::size_t;

constexpr double kClip = 0x1p-52;

// ---- checks -----------------------------------------------------------------------------------

enum Fault { kOutcome = 1, kScore = 2, kWeight = 4, kZeroWeight = 8 };

template <class Y>
bool is_binary(Y y) {
  return (y == 0) | (y == 1);
}

template <class Y>
int check(Array<Y> y, Array<double> p, Array<double> w, bool probabilities) {
  const Y* outcome = y.data();
  const double *score = p.data(), *weight = w.data();
  const size_t n = y.size(), weights = w.size();
  nb::gil_scoped_release released;
  int64_t bad_y = 0, bad_p = 0, bad_w = 0, zero = 0;
  for (size_t i = 0; i < n; ++i) bad_y |= !is_binary(outcome[i]);
  const double low = probabilities ? 0.0 : -std::numeric_limits<double>::max();
  const double high = probabilities ? 1.0 : std::numeric_limits<double>::max();
  for (size_t i = 0; i < n; ++i) bad_p |= !((score[i] >= low) & (score[i] <= high));
  for (size_t i = 0; i < weights; ++i) {
    const bool none = weight[i] == 0;
    bad_w |= !(none | ((weight[i] >= 1e-100) & (weight[i] <= 1e100)));
    zero |= none;
  }
  return (bad_y ? kOutcome : 0) | (bad_p ? kScore : 0) | (bad_w ? kWeight : 0) |
         (zero ? kZeroWeight : 0);
}

// ---- mean losses ------------------------------------------------------------------------------

struct Squared {
  static double of(double y, double p) { return (y - p) * (y - p); }
};

struct Logarithmic {
  static double of(double y, double p) {
    p = std::min(std::max(p, kClip), 1 - kClip);
    if (y != 0) return -std::log(p);
    const double rest = 1 - p;  // its rounding error is put back to first order
    return (p - (1 - rest)) / rest - std::log(rest);
  }
};

// Per group: rows, sum w, sum w^2, shift, and of d = loss - shift: sum w d, sum w^2 d, sum w^2 d^2.
constexpr size_t kColumns = 7;
constexpr size_t kBlock = 2048, kLanes = 4;

// The losses of rows one after the other; the logarithms of a block are taken many at a time.
template <class Loss>
struct Losses {
  template <class Y>
  static void of(const Y* y, const double* p, size_t n, double* out) {
    for (size_t i = 0; i < n; ++i) out[i] = Loss::of(static_cast<double>(y[i]), p[i]);
  }
};

template <>
struct Losses<Logarithmic> {
  template <class Y>
  static void of(const Y* y, const double* p, size_t n, double* out) {
    static const std::string isa = rw::instruction_sets().front();
    double inside[kBlock], low[kBlock];
    for (size_t i = 0; i < n; ++i) inside[i] = std::min(std::max(p[i], kClip), 1 - kClip);
    RW_VARIANT(isa, rw::logs)(inside, n, low, out, 1);
    for (size_t i = 0; i < n; ++i) {
      const double rest = 1 - inside[i];  // its rounding error is put back to first order
      const double other = out[i] + (inside[i] - (1 - rest)) / rest;
      out[i] = y[i] != 0 ? -low[i] : other;
    }
  }
};

template <class Loss, class Y>
void sum_plain(const Y* y, const double* p, size_t n, double shift, double* out) {
  double s1 = 0, s2 = 0, loss[kBlock];
  for (size_t start = 0; start < n; start += kBlock) {
    const size_t count = std::min(n - start, kBlock);
    Losses<Loss>::of(y + start, p + start, count, loss);
    double a[kLanes] = {}, b[kLanes] = {};
    size_t i = 0;
    for (; i + kLanes <= count; i += kLanes)
      for (size_t l = 0; l < kLanes; ++l) {
        const double d = loss[i + l] - shift;
        a[l] += d;
        b[l] += d * d;
      }
    for (; i < count; ++i) {
      const double d = loss[i] - shift;
      a[0] += d;
      b[0] += d * d;
    }
    s1 += (a[0] + a[1]) + (a[2] + a[3]);
    s2 += (b[0] + b[1]) + (b[2] + b[3]);
  }
  const double rows = static_cast<double>(n);
  const double sums[kColumns] = {rows, rows, rows, shift, s1, s1, s2};
  std::copy(sums, sums + kColumns, out);
}

template <class Loss, class Y>
void sum_grouped(const Y* y, const double* p, const double* w, const int32_t* group, size_t n,
                 size_t groups, double* out) {
  std::vector<double> block(groups * kColumns);
  for (size_t start = 0; start < n; start += kBlock) {
    const size_t end = std::min(n, start + kBlock);
    std::fill(block.begin(), block.end(), 0.0);
    for (size_t i = start; i < end; ++i) {
      const size_t g = group ? static_cast<size_t>(group[i]) : 0;
      const double d = Loss::of(static_cast<double>(y[i]), p[i]) - out[g * kColumns + 3];
      const double weight = w ? w[i] : 1.0, square = weight * weight;
      double* to = block.data() + g * kColumns;
      to[0] += 1;
      to[1] += weight;
      to[2] += square;
      to[4] += weight * d;
      to[5] += square * d;
      to[6] += square * d * d;
    }
    for (size_t k = 0; k < groups * kColumns; ++k) out[k] += block[k];
  }
}

template <class Loss, class Y>
std::vector<double> loss_sums_of(const Y* y, const double* p, const double* w, const int32_t* group,
                                 size_t n, size_t groups, const double* shifts) {
  std::vector<double> out(groups * kColumns, 0.0);
  if (shifts) {
    for (size_t g = 0; g < groups; ++g) out[g * kColumns + 3] = shifts[g];
  } else {
    std::vector<char> met(groups, 0);
    for (size_t i = 0, left = groups; i < n && left; ++i) {
      const size_t g = group ? static_cast<size_t>(group[i]) : 0;
      if (met[g]) continue;
      met[g] = 1, --left;
      out[g * kColumns + 3] = Loss::of(static_cast<double>(y[i]), p[i]);
    }
  }
  if (!w && !group) sum_plain<Loss>(y, p, n, out[3], out.data());
  else sum_grouped<Loss>(y, p, w, group, n, groups, out.data());
  return out;
}

template <class Y>
auto loss_sums(Array<Y> y, Array<double> p, Array<double> w, Array<int32_t> codes, size_t groups,
               bool logarithmic, Array<double> shifts) {
  const Y* outcome = y.data();
  const double *score = p.data(), *weight = w.size() ? w.data() : nullptr;
  const double* shift = shifts.size() ? shifts.data() : nullptr;
  const int32_t* group = codes.size() ? codes.data() : nullptr;
  const size_t n = y.size();
  std::vector<double> out;
  {
    nb::gil_scoped_release released;
    out = logarithmic
              ? loss_sums_of<Logarithmic>(outcome, score, weight, group, n, groups, shift)
              : loss_sums_of<Squared>(outcome, score, weight, group, n, groups, shift);
  }
  return rw::to_numpy(std::move(out), {groups, kColumns});
}

// ---- residuals by bin of equal width ----------------------------------------------------------

// Per bin: sum w r, sum w^2 r^2, sum w^2 r with r = y - p; then sum w and sum w^2 of all rows.
template <class Y>
auto bin_sums(Array<Y> y, Array<double> p, Array<double> w, size_t bins) {
  constexpr size_t copies = 8, width = 4;  // equal neighbours do not wait for each other
  const Y* outcome = y.data();
  const double *score = p.data(), *weight = w.size() ? w.data() : nullptr;
  const size_t n = y.size();
  std::vector<double> out(bins * 3, 0.0);
  double total = static_cast<double>(n), squares = total;
  {
    nb::gil_scoped_release released;
    typedef double Pair __attribute__((vector_size(16)));
    std::vector<Pair> table(copies * bins * width / 2, Pair{0, 0});
    const double scale = static_cast<double>(bins);
    const int last = static_cast<int>(bins) - 1;
    auto add = [&](size_t i, size_t copy) {
      const int bin = std::min(static_cast<int>(score[i] * scale), last);
      Pair* to = table.data() + (static_cast<size_t>(bin) * copies + copy) * 2;
      const double r = static_cast<double>(outcome[i]) - score[i];
      if (!weight) {
        to[0] += Pair{r, r * r};
        return;
      }
      const double v = weight[i] * r;
      to[0] += Pair{v, v * v};
      to[1] += Pair{weight[i] * v, 0};
    };
    size_t i = 0;
    for (; i + copies <= n; i += copies)
      for (size_t c = 0; c < copies; ++c) add(i + c, c);
    for (; i < n; ++i) add(i, 0);
    for (size_t b = 0; b < bins; ++b) {
      for (size_t c = 0; c < copies; ++c) {
        const Pair* from = table.data() + (b * copies + c) * 2;
        out[b * 3] += from[0][0];
        out[b * 3 + 1] += from[0][1];
        out[b * 3 + 2] += weight ? from[1][0] : from[0][0];
      }
    }
    if (weight) {
      total = squares = 0;
      for (size_t k = 0; k < n; ++k) total += weight[k], squares += weight[k] * weight[k];
    }
  }
  return nb::make_tuple(rw::to_numpy(std::move(out), {bins, size_t{3}}), total, squares);
}

// ---- sorting by score -------------------------------------------------------------------------

// Doubles as integers of the same order.
uint64_t ordered(double x) {
  const uint64_t bits = std::bit_cast<uint64_t>(x + 0.0);
  return bits >> 63 ? ~bits : bits | uint64_t{1} << 63;
}

double unordered(uint64_t key) {
  return std::bit_cast<double>(key >> 63 ? key & ~(uint64_t{1} << 63) : ~key);
}

struct Packed {  // a score of at least 0, whose sign bit gave way to the outcome
  uint64_t key;
};

struct Paired {  // any finite score; the weight carries the outcome as its sign
  uint64_t key;
  double signed_weight;
};

template <class R>
struct Sorted {
  explicit Sorted(size_t n) : rows(new R[n]), size(n) {}
  std::unique_ptr<R[]> rows;
  size_t size;

  // Radix sort from the lowest digit over the bits in which the keys differ.
  void sort() {
    uint64_t low = ~uint64_t{0}, high = 0;
    for (size_t i = 0; i < size; ++i)
      low = std::min(low, rows[i].key), high = std::max(high, rows[i].key);
    const int bits = size ? 64 - std::countl_zero(high - low) : 0;
    if (bits == 0) return;
    if (size < 256) {
      std::sort(rows.get(), rows.get() + size, [](const R& a, const R& b) { return a.key < b.key; });
      return;
    }
    const int passes = (bits + 10) / 11, digit = (bits + passes - 1) / passes;
    const uint64_t mask = (uint64_t{1} << digit) - 1;
    std::vector<size_t> places(static_cast<size_t>(passes) << digit, 0);
    for (size_t i = 0; i < size; ++i)
      for (int k = 0; k < passes; ++k)
        ++places[static_cast<size_t>(k) << digit | ((rows[i].key - low) >> (k * digit) & mask)];
    std::unique_ptr<R[]> scratch(new R[size]);
    for (int k = 0; k < passes; ++k) {
      size_t* next = places.data() + (static_cast<size_t>(k) << digit);
      for (size_t b = 0, sum = 0; b <= mask; ++b) sum += std::exchange(next[b], sum);
      for (size_t i = 0; i < size; ++i)
        scratch[next[(rows[i].key - low) >> (k * digit) & mask]++] = rows[i];
      rows.swap(scratch);
    }
  }
};

using Columns = std::vector<std::vector<double>>;

template <class Y>
Columns folded_plain(const Y* y, const double* p, size_t n) {
  Sorted<Packed> sorted(n);
  for (size_t i = 0; i < n; ++i)
    sorted.rows[i].key = std::bit_cast<uint64_t>(p[i] + 0.0) << 1 | (y[i] != 0);
  sorted.sort();
  const Packed* rows = sorted.rows.get();
  size_t distinct = 0;
  for (size_t i = 0; i < n; ++i) distinct += i == 0 || rows[i].key >> 1 != rows[i - 1].key >> 1;
  Columns out(3, std::vector<double>(distinct));
  for (size_t i = 0, k = 0; i < n; ++k) {
    const uint64_t score = rows[i].key >> 1;
    size_t events = 0, start = i;
    for (; i < n && rows[i].key >> 1 == score; ++i) events += rows[i].key & 1;
    out[0][k] = std::bit_cast<double>(score);
    out[1][k] = static_cast<double>(events);
    out[2][k] = static_cast<double>(i - start - events);
  }
  return out;
}

template <class Y>
Columns folded_weighted(const Y* y, const double* p, const double* w, size_t n) {
  Sorted<Paired> sorted(n);
  for (size_t i = 0; i < n; ++i) {
    const double weight = w ? w[i] : 1.0;
    sorted.rows[i] = {ordered(p[i]), y[i] != 0 ? weight : -weight};
  }
  sorted.sort();
  const Paired* rows = sorted.rows.get();
  size_t distinct = 0;
  for (size_t i = 0; i < n; ++i) distinct += i == 0 || rows[i].key != rows[i - 1].key;
  Columns out(w ? 5 : 3, std::vector<double>(distinct));
  for (size_t i = 0, k = 0; i < n; ++k) {
    const uint64_t score = rows[i].key;
    double sums[4] = {0, 0, 0, 0};
    for (; i < n && rows[i].key == score; ++i) {
      const double v = rows[i].signed_weight;
      sums[v < 0] += std::abs(v);
      sums[2 + (v < 0)] += v * v;
    }
    out[0][k] = unordered(score);
    for (size_t c = 1; c < out.size(); ++c) out[c][k] = sums[c - 1];
  }
  return out;
}

template <class Y>
nb::tuple fold(Array<Y> y, Array<double> p, Array<double> w) {
  const Y* outcome = y.data();
  const double *score = p.data(), *weight = w.size() ? w.data() : nullptr;
  const size_t n = y.size();
  Columns columns;
  {
    nb::gil_scoped_release released;
    bool negative = false;
    for (size_t i = 0; i < n; ++i) negative |= score[i] < 0;
    columns = weight || negative ? folded_weighted(outcome, score, weight, n)
                                 : folded_plain(outcome, score, n);
  }
  nb::list arrays;
  for (auto& column : columns) arrays.append(rw::to_numpy(std::move(column)));
  return nb::tuple(arrays);
}

// ---- silent failures --------------------------------------------------------------------------

// Sorts keys, each a double of at least 0 over a bit: a radix sort over 2^22 even steps of the
// double, then the runs within a step. Clusters cost a comparison sort, never more.
void sort_packed(std::vector<uint64_t>& keys) {
  constexpr int kDigit = 11;
  constexpr size_t kSize = size_t{1} << kDigit, kMask = kSize - 1;
  const size_t n = keys.size();
  uint64_t least = ~uint64_t{0}, most = 0;
  for (uint64_t key : keys) least = std::min(least, key), most = std::max(most, key);
  const double low = std::bit_cast<double>(least >> 1), high = std::bit_cast<double>(most >> 1);
  const double scale = (0x1p22 - 1) / (high - low);
  if (n < 4096 || !std::isfinite(scale)) {
    std::sort(keys.begin(), keys.end());
    return;
  }
  const auto step = [&](uint64_t key) {
    return static_cast<size_t>(static_cast<int64_t>((std::bit_cast<double>(key >> 1) - low) * scale));
  };
  std::vector<size_t> places(2 * kSize, 0);
  for (uint64_t key : keys) {
    const size_t at = step(key);
    ++places[at & kMask];
    ++places[kSize + (at >> kDigit)];
  }
  std::vector<uint64_t> spare(n);
  for (size_t pass = 0; pass < 2; ++pass) {
    size_t* next = places.data() + pass * kSize;
    for (size_t k = 0, sum = 0; k < kSize; ++k) sum += std::exchange(next[k], sum);
    for (uint64_t key : keys) spare[next[step(key) >> (pass * kDigit) & kMask]++] = key;
    keys.swap(spare);
  }
  for (size_t i = 0, start = 0; i < n; start = i) {
    const size_t at = step(keys[i]);
    while (++i < n && step(keys[i]) == at) {}
    if (i - start > 1) std::sort(keys.begin() + start, keys.begin() + i);
  }
}

// Of rows of confidence of at least 0 and losses of 0 and 1: failures, mean generalised risk, and
// the sum of the squared influences. No failures (-1) where a row is otherwise.
nb::tuple silent_failures(Array<double> loss, Array<double> confidence) {
  const double *l = loss.data(), *c = confidence.data();
  const size_t n = loss.size();
  double area = 0, squares = 0, failures = -1;
  {
    nb::gil_scoped_release released;
    bool fits = true;
    std::vector<uint64_t> key(n);
    for (size_t i = 0; i < n; ++i) {
      fits &= is_binary(l[i]) & (c[i] >= 0);
      key[i] = std::bit_cast<uint64_t>(c[i] + 0.0) << 1 | (l[i] != 0);
    }
    if (fits) {
      sort_packed(key);
      const double rows = static_cast<double>(n);
      // f(count, failed, middle risk, share below): the most confident first, ties together.
      const auto walk = [&](auto&& f) {
        double seen = 0, failed = 0;
        for (size_t i = n; i > 0;) {
          const uint64_t score = key[i - 1] >> 1;
          double count = 0, events = 0;
          for (; i > 0 && key[i - 1] >> 1 == score; --i) ++count, events += key[i - 1] & 1;
          f(count, events, (failed + events / 2) / rows, 1 - (seen + count / 2) / rows);
          seen += count, failed += events;
        }
        return failed;
      };
      failures = walk([&](double count, double, double risk, double) { area += count * risk; });
      area /= rows;
      walk([&](double count, double events, double risk, double below) {
        const double passed = risk - 2 * area, lost = passed + below;
        squares += (count - events) * passed * passed + events * lost * lost;
      });
    }
  }
  return nb::make_tuple(failures, area, squares);
}

// ---- groups -----------------------------------------------------------------------------------

// Distinct values, ascending, and the number of each row's value; empty when they span more than
// `limit` values.
template <class T>
nb::tuple factorise(Array<T> values, size_t limit) {
  const T* v = values.data();
  const size_t n = values.size();
  std::vector<int64_t> distinct;
  std::vector<int32_t> codes;
  {
    nb::gil_scoped_release released;
    T low = n ? v[0] : 0, high = low;
    for (size_t i = 0; i < n; ++i) low = std::min(low, v[i]), high = std::max(high, v[i]);
    const uint64_t span = static_cast<uint64_t>(high) - static_cast<uint64_t>(low);
    if (n && span < limit) {
      std::vector<int32_t> number(span + 1, -1);
      for (size_t i = 0; i < n; ++i)
        number[static_cast<uint64_t>(v[i]) - static_cast<uint64_t>(low)] = 0;
      for (size_t k = 0; k <= span; ++k)
        if (number[k] == 0) {
          number[k] = static_cast<int32_t>(distinct.size());
          distinct.push_back(static_cast<int64_t>(low) + static_cast<int64_t>(k));
        }
      codes.resize(n);
      for (size_t i = 0; i < n; ++i)
        codes[i] = number[static_cast<uint64_t>(v[i]) - static_cast<uint64_t>(low)];
    }
  }
  return nb::make_tuple(rw::to_numpy(std::move(distinct)), rw::to_numpy(std::move(codes)));
}

// Rows in the order of their codes (stable) and where each code starts.
nb::tuple partition(Array<int32_t> codes, size_t groups) {
  const int32_t* code = codes.data();
  const size_t n = codes.size();
  std::vector<int64_t> start(groups + 1, 0), order(n);
  {
    nb::gil_scoped_release released;
    for (size_t i = 0; i < n; ++i) ++start[static_cast<size_t>(code[i]) + 1];
    for (size_t g = 1; g <= groups; ++g) start[g] += start[g - 1];
    std::vector<int64_t> next(start.begin(), start.end() - 1);
    for (size_t i = 0; i < n; ++i)
      order[static_cast<size_t>(next[static_cast<size_t>(code[i])]++)] = static_cast<int64_t>(i);
  }
  return nb::make_tuple(rw::to_numpy(std::move(order)), rw::to_numpy(std::move(start)));
}

// ---- masses on a grid -------------------------------------------------------------------------

// Each mass is shared among the four nearest nodes 0, 1/N, ..., 1 by cubic Lagrange weights;
// nodes beyond the ends are mirrored.
auto spread_cubic(Array<double> position, Array<double> mass, size_t cells) {
  const double *x = position.data(), *m = mass.data();
  const size_t n = position.size();
  std::vector<double> grid(cells + 3, 0.0);
  {
    nb::gil_scoped_release released;
    const double scale = static_cast<double>(cells);
    const int64_t last = static_cast<int64_t>(cells) - 1;
    for (size_t i = 0; i < n; ++i) {
      const double at = x[i] * scale;
      const int64_t j = std::min(static_cast<int64_t>(at), last);
      const double u = at - static_cast<double>(j), v = 1 - u;
      const double side = m[i] * u * v * (-1.0 / 6), middle = m[i] * 0.5;
      double* to = grid.data() + j;
      to[0] += side * (1 + v);
      to[1] += middle * v * (1 + u) * (1 + v);
      to[2] += middle * u * (1 + u) * (1 + v);
      to[3] += side * (1 + u);
    }
    grid[2] += grid[0];
    grid[cells] += grid[cells + 2];
  }
  return rw::to_numpy(std::vector<double>(grid.begin() + 1, grid.end() - 1));
}

// Mean over points of |band . noise - shared * curve| for every draw (row) of noise; point k
// weighs the cells from first[k] on by row k of `band`.
auto mean_errors(Array<float> noise, Array<float> band, Array<int64_t> first, Array<float> shared,
                 Array<float> curve) {
  const size_t draws = noise.shape(0), cells = noise.shape(1);
  const size_t points = band.shape(0), width = band.shape(1);
  const float *z = noise.data(), *weight = band.data(), *common = shared.data(), *c = curve.data();
  const int64_t* start = first.data();
  std::vector<double> out(draws);
  {
    nb::gil_scoped_release released;
    for (size_t d = 0; d < draws; ++d) {
      double sum = 0;
      for (size_t k = 0; k < points; ++k) {
        const float *row = z + d * cells + start[k], *of = weight + k * width;
        float lanes[8] = {};
        size_t j = 0;
        for (; j + 8 <= width; j += 8)
          for (size_t l = 0; l < 8; ++l) lanes[l] += row[j + l] * of[j + l];
        for (; j < width; ++j) lanes[0] += row[j] * of[j];
        const float error = ((lanes[0] + lanes[1]) + (lanes[2] + lanes[3])) +
                            ((lanes[4] + lanes[5]) + (lanes[6] + lanes[7]));
        sum += std::abs(error - common[d] * c[k]);
      }
      out[d] = sum / static_cast<double>(points);
    }
  }
  return rw::to_numpy(std::move(out));
}

// ---- CRPS of ensembles ------------------------------------------------------------------------

// Batcher's merge exchange (Knuth, The Art of Computer Programming 3, algorithm 5.2.2M) on
// `kRows` members at once: no branches, so the compiler uses vector minimum and maximum.
constexpr size_t kRows = 8, kNetworkMembers = 256;

void sort_network(double (*a)[kRows], size_t n) {
  if (n < 2) return;
  size_t top = 1;
  while (top < n) top *= 2;
  for (size_t p = top / 2; p > 0; p /= 2) {
    size_t q = top / 2, r = 0, d = p;
    while (true) {
      for (size_t i = 0; i + d < n; ++i) {
        if ((i & p) != r) continue;
        double low[kRows], high[kRows];
        for (size_t l = 0; l < kRows; ++l) {
          const double s = a[i][l], t = a[i + d][l];
          low[l] = s < t ? s : t;
          high[l] = t < s ? s : t;
        }
        std::memcpy(a[i], low, sizeof low);
        std::memcpy(a[i + d], high, sizeof high);
      }
      if (q == p) break;
      d = q - p;
      q /= 2;
      r = p;
    }
  }
}

auto crps_rows(Array<double> observed, Array<double> ensemble, size_t members, bool fair) {
  const double *y = observed.data(), *x = ensemble.data();
  const size_t n = observed.size();
  std::vector<double> out(n);
  {
    nb::gil_scoped_release released;
    const double m = static_cast<double>(members);
    const double pairs = m * (fair ? m - 1 : m);
    std::vector<double> sorted, buffer(std::max(members, size_t{1}) * kRows);
    auto* tile = reinterpret_cast<double(*)[kRows]>(buffer.data());
    for (size_t start = 0; start < n; start += kRows) {
      const size_t rows = std::min(kRows, n - start);
      double distance[kRows] = {}, spread[kRows] = {};
      for (size_t l = 0; l < kRows; ++l) {
        const size_t row = start + std::min(l, rows - 1);
        const double* member = x + row * members;
        if (members > kNetworkMembers && l < rows) {
          sorted.assign(member, member + members);
          std::sort(sorted.begin(), sorted.end());
          for (size_t i = 0; i < members; ++i) tile[i][l] = sorted[i] - y[row];
        } else {
          for (size_t i = 0; i < members; ++i) tile[i][l] = member[i] - y[row];
        }
      }
      if (members <= kNetworkMembers) sort_network(tile, members);
      for (size_t i = 0; i < members; ++i) {
        const double factor = 2.0 * static_cast<double>(i) + 1.0 - m;
        for (size_t l = 0; l < kRows; ++l) {
          distance[l] += std::abs(tile[i][l]);
          spread[l] += factor * tile[i][l];
        }
      }
      for (size_t l = 0; l < rows; ++l) out[start + l] = distance[l] / m - spread[l] / pairs;
    }
  }
  return rw::to_numpy(std::move(out));
}

// ---- sketches ---------------------------------------------------------------------------------

constexpr int kTickBits = 40;  // scores are counted in ticks of 2^-40

// Adds to `table` (bins rows of 4: non-events, events, ticks above the lower edge, rows above it).
template <class Y>
void sketch_counts(nb::ndarray<int64_t, nb::c_contig, nb::device::cpu> table, Array<double> score,
                   Array<Y> y) {
  int64_t* cells = table.data();
  const int64_t last = static_cast<int64_t>(table.shape(0)) - 1;
  const int shift = kTickBits - std::countr_zero(static_cast<uint64_t>(last + 1));
  const double* s = score.data();
  const Y* outcome = y.data();
  const size_t n = score.size();
  nb::gil_scoped_release released;
  for (size_t i = 0; i < n; ++i) {
    const double exact = s[i] * 0x1p40;
    const int64_t ticks = static_cast<int64_t>(exact);
    const int64_t bin = std::min(ticks >> shift, last), edge = bin << shift;
    int64_t* cell = cells + bin * 4;
    cell[outcome[i] != 0] += 1;
    cell[2] += ticks - edge;
    cell[3] += exact > static_cast<double>(edge);
  }
}

// Adds to `table` (bins rows of: sum w of non-events and events, sum w * (score - lower edge),
// sum w^2 of non-events and events).
template <class Y>
void sketch_weights(nb::ndarray<double, nb::c_contig, nb::device::cpu> table, Array<double> score,
                    Array<Y> y, Array<double> weight) {
  double* cells = table.data();
  const double bins = static_cast<double>(table.shape(0));
  const int64_t last = static_cast<int64_t>(table.shape(0)) - 1;
  const double *s = score.data(), *w = weight.data();
  const Y* outcome = y.data();
  const size_t n = score.size();
  nb::gil_scoped_release released;
  for (size_t i = 0; i < n; ++i) {
    const int64_t bin = std::min(static_cast<int64_t>(s[i] * bins), last);
    double* cell = cells + bin * 5;
    const bool event = outcome[i] != 0;
    cell[event] += w[i];
    cell[2] += w[i] * (s[i] - static_cast<double>(bin) / bins);
    cell[3 + event] += w[i] * w[i];
  }
}

template <class Y>
void bind_outcomes(nb::module_& m) {
  m.def("check", &check<Y>, nb::arg("y").noconvert(), "p"_a, "w"_a, "probabilities"_a);
  m.def("loss_sums", &loss_sums<Y>, nb::arg("y").noconvert(), "p"_a, "w"_a, "codes"_a, "groups"_a,
        "logarithmic"_a, "shifts"_a);
  m.def("bin_sums", &bin_sums<Y>, nb::arg("y").noconvert(), "p"_a, "w"_a, "bins"_a);
  m.def("fold", &fold<Y>, nb::arg("y").noconvert(), "p"_a, "w"_a);
  m.def("sketch_counts", &sketch_counts<Y>, nb::arg("table").noconvert(), "score"_a,
        nb::arg("y").noconvert());
  m.def("sketch_weights", &sketch_weights<Y>, nb::arg("table").noconvert(), "score"_a,
        nb::arg("y").noconvert(), "weight"_a);
}

}  // namespace

void bind_samples(nb::module_& m) {
  bind_outcomes<uint8_t>(m);
  bind_outcomes<int64_t>(m);
  bind_outcomes<double>(m);
  m.def("silent_failures", &silent_failures, "loss"_a, "confidence"_a);
  m.def("factorise", &factorise<int64_t>, nb::arg("values").noconvert(), "limit"_a);
  m.def("factorise", &factorise<uint8_t>, nb::arg("values").noconvert(), "limit"_a);
  m.def("partition", &partition, "codes"_a, "groups"_a);
  m.def("spread_cubic", &spread_cubic, "position"_a, "mass"_a, "cells"_a);
  m.def("mean_errors", &mean_errors, "noise"_a, "band"_a, "first"_a, "shared"_a, "curve"_a);
  m.def("crps_rows", &crps_rows, "observed"_a, "ensemble"_a, "members"_a, "fair"_a);
}
