// Squared errors of predicted survival under right censoring, with what their variance needs.
// Compiled once per instruction set; RW_ISA names it.
#include "prediction_error.hpp"

#include <algorithm>
#include <limits>

#ifndef RW_ISA
#error "RW_ISA names the instruction set"
#endif
#include "../parallel.hpp"
#include "../simd.hpp"
#include "variants.hpp"

namespace rw::RW_ISA {
namespace {

constexpr size_t kWidth = 64;  // columns whose sums stay in the nearest cache

// Four columns of one row at a time: wider sums would wait for their own stores.
typedef double v4 __attribute__((vector_size(32)));
typedef int64_t Mask __attribute__((vector_size(32)));

RW_INLINE v4 all(double x) { return v4{x, x, x, x}; }
RW_INLINE v4 choose(Mask mask, v4 yes, v4 no) {
  return reinterpret_cast<v4>((reinterpret_cast<Mask>(yes) & mask) |
                              (reinterpret_cast<Mask>(no) & ~mask));
}
RW_INLINE v4 get(const double* p) {
  v4 v;
  std::memcpy(&v, p, sizeof v);
  return v;
}
RW_INLINE void add(double* p, v4 v) {
  v += get(p);
  std::memcpy(p, &v, sizeof v);
}

// Sums over rows, per column, of the weighted loss w l, and of w^2 x and (w x)^2, where x adds to l
// what the row does through the estimated censoring distribution; per row the integral of w x.
//
// Rows are visited from the last time to the first, so that the loss of the rows later than u
// (`above`) is at hand where a censoring at u raised the weights of those rows, and what the rows
// at risk then owe for it (`passed`) has been added up over the times after u.
//
// The derivatives by log weight, w (x - loss - passed), sum to 0 for weights that sum to 1: for
// equal weights `first` follows from the others.
//
// Columns do not see each other: a pass takes those from `begin` to `end`.
template <bool Weighted>
class ErrorPass {
 public:
  ErrorPass(const PredictedSurvival& given, size_t begin, size_t end)
      : given_(given), begin_(begin), width_(end - begin), open_(width_) {
    // From this row on, the fours that hold the width go beyond the end of the matrix.
    const size_t total = given.rows * given.columns, needed = begin + (width_ + 3) / 4 * 4;
    unsafe_ = total < needed ? 0 : (total - needed) / given.columns + 1;
    std::copy_n(given.time_inverse + begin, width_, inverse_);
    std::copy_n(given.share + begin, width_, share_);
    std::fill_n(slack_, width_, given.slack);
    std::fill(slack_ + width_, slack_ + kWidth, std::numeric_limits<double>::infinity());
  }

  void run(double* integral) {
    const PredictedSurvival& a = given_;
    const double* times = a.times + begin_;
    size_t lower = width_, upper = width_;
    for (size_t b = a.blocks; b-- > 0;) {
      const size_t from = b ? size_t(a.ends[b - 1]) : 0, to = size_t(a.ends[b]);
      const double u = a.block_time[b], lost = a.censored[b], more = a.after[b];
      while (lower > 0 && times[lower - 1] >= u) --lower;
      while (upper > 0 && times[upper - 1] > u) --upper;
      const size_t known = a.left ? upper : lower;
      const double gain = more > 0.0 ? 1.0 / more : 0.0, inverse = a.event_inverse[b];
      const bool moves = !a.event_fixed[b], early = !a.left && lost > 0.0;
      open(known);
      if (moves && early)
        for (size_t i = from; i < to; ++i) add_event_loss(size_t(a.order[i]), lower, inverse);
      for (size_t i = from; i < to; ++i) {
        prefetch(i, integral);
        const size_t row = size_t(a.order[i]);
        if (!a.event[row]) integral[row] += visit<false>(row, known, gain, 0.0);
      }
      if (lost > 0.0 && gain > 0.0) pass_on(known, lost / (lost + more) * gain);
      open(lower);
      for (size_t i = from; i < to; ++i) {
        const size_t row = size_t(a.order[i]);
        if (a.event[row])
          integral[row] += visit<true>(row, lower, inverse, moves && !early ? 1.0 : 0.0);
      }
    }
  }

  // Whether every row lies in [0, 1] and rises nowhere by more than the slack.
  bool all_survival() const {
    int64_t held = right_ ? -1 : 0;
    for (int k = 0; k < 4; ++k) held &= falls_[k];
    return held != 0;
  }

  alignas(64) double loss[kWidth] = {}, first[kWidth] = {}, second[kWidth] = {},
      passed[kWidth] = {};

 private:
  // From now on rows end at or before the time of column k: those so far are still followed then.
  void open(size_t k) {
    while (open_ > k) {
      --open_;
      above_[open_] = given_.time_moves[begin_ + open_] * loss[open_];
    }
  }
  const double* at(size_t row) const { return given_.survival + row * given_.columns + begin_; }
  // Inlined, as GCC drops calls of functions that do nothing else.
  __attribute__((always_inline)) void prefetch(size_t i, const double* integral) const {
    constexpr size_t kAhead = 8;
    if (i < kAhead) return;
    const size_t row = size_t(given_.order[i - kAhead]);
    const double* s = at(row);
    for (size_t k = 0; k < width_; k += 8) __builtin_prefetch(s + k);
    __builtin_prefetch(s + width_ - 1);
    __builtin_prefetch(given_.event + row);
    __builtin_prefetch(given_.weight + row);
    __builtin_prefetch(integral + row, 1);
  }
  static Mask from_column(size_t k) {
    return Mask{0, 1, 2, 3} >= Mask{} + static_cast<int64_t>(k);
  }
  void add_event_loss(size_t row, size_t lower, double inverse) {
    if (!given_.event[row]) return;
    const double *s = at(row), scale = given_.weight[row] * inverse;
    for (size_t k = lower; k < width_; ++k) above_[k] += scale * s[k] * s[k];
  }
  void pass_on(size_t known, double rate) {
    for (size_t k = known / 4 * 4; k < width_; k += 4) {
      const v4 more = get(above_ + k) * all(rate);
      add(passed + k, k < known ? choose(from_column(known - k), more, all(0.0)) : more);
    }
  }

  // Adds a row that is followed to the columns before `known`; the integral of its part. What is
  // known of it afterwards is weighted by `factor`: its loss, if it had an event, else `above_`.
  template <bool Event>
  double visit(size_t row, size_t known, double factor, double moves) {
    const double *s = at(row), w = given_.weight[row];
    alignas(64) double last[kWidth + 1];
    right_ &= (begin_ > 0 || s[0] <= 1.0) &&
              (begin_ + width_ < given_.columns || s[width_ - 1] >= 0.0);
    if (row >= unsafe_) {
      if (begin_) last[0] = s[-1];
      std::fill(std::copy_n(s, width_, last + 1), last + kWidth + 1, 0.0);
      s = last + 1;
    }
    v4 y = all(0.0);
    Mask falls = ~Mask{};
    const v4 weight = all(w), scale = all(w * factor), rise = all(moves);
    const auto step = [&]<bool Before, bool After>(size_t k) __attribute__((always_inline)) {
      const v4 v = get(s + k);
      const v4 previous = begin_ + k ? get(s + k - 1) : __builtin_shuffle(v, Mask{0, 0, 1, 2});
      falls &= v <= previous + get(slack_ + k);
      v4 l = all(0.0), x = l;
      if constexpr (After) {
        if constexpr (Event) l = scale * v * v;
        x = weight * get(passed + k) + (Event ? l : scale * get(above_ + k));
      }
      if constexpr (Before) {
        const v4 d = all(1.0) - v, followed = weight * d * d * get(inverse_ + k);
        const Mask after = After ? from_column(known - k) : Mask{};
        if constexpr (After && Event) add(above_ + k, choose(after, rise * l, all(0.0)));
        l = After ? choose(after, l, followed) : followed;
        x = After ? choose(after, x, followed) : followed;
      } else if constexpr (Event) {
        add(above_ + k, rise * l);
      }
      if constexpr (Before || Event) add(loss + k, l);
      if constexpr (Weighted) add(first + k, weight * x);
      add(second + k, x * x);
      y += get(share_ + k) * x;
    };
    size_t k = 0;
    for (; k + 4 <= known; k += 4) step.template operator()<true, false>(k);
    if (k < known) step.template operator()<true, true>(k), k += 4;
    for (; k < width_; k += 4) step.template operator()<false, true>(k);
    falls_ &= falls;
    return (y[0] + y[2]) + (y[1] + y[3]);
  }

  const PredictedSurvival& given_;
  size_t begin_, width_, open_, unsafe_;
  alignas(64) double above_[kWidth] = {}, inverse_[kWidth] = {}, share_[kWidth] = {},
      slack_[kWidth];
  Mask falls_ = ~Mask{};
  bool right_ = true;
};

template <bool Weighted>
ErrorSums errors(const PredictedSurvival& given) {
  const size_t n = given.rows, columns = given.columns;
  const size_t fewest = (columns + kWidth - 1) / kWidth;
  const size_t parts = std::max<size_t>(fewest, columns >= kWidth / 2 ? 2 : 1);
  const size_t width = ((columns + parts - 1) / parts + 7) / 8 * 8;
  const size_t sides = std::min<size_t>(parts, 2);
  ErrorSums sums;
  for (auto* column : {&sums.loss, &sums.first, &sums.second, &sums.passed})
    column->resize(columns);
  std::vector<double> integrals[2];
  bool right[2] = {true, true};
  const int threads = n * columns < 1000000 ? 1 : given.threads;
  parallel_for(threads, int(sides), [&](int side, int) {
    integrals[side].resize(n);
    for (size_t part = parts * side / sides; part < parts * (side + 1) / sides; ++part) {
      const size_t begin = std::min(columns, part * width);
      const size_t end = std::min(columns, begin + width);
      if (begin == end) continue;
      ErrorPass<Weighted> pass(given, begin, end);
      pass.run(integrals[side].data());
      right[side] = right[side] && pass.all_survival();
      std::copy_n(pass.loss, end - begin, sums.loss.data() + begin);
      std::copy_n(pass.first, end - begin, sums.first.data() + begin);
      std::copy_n(pass.second, end - begin, sums.second.data() + begin);
      std::copy_n(pass.passed, end - begin, sums.passed.data() + begin);
    }
  });
  sums.all_survival = right[0] && right[1];
  sums.integral = std::move(integrals[0]);
  for (size_t i = 0; i < integrals[1].size(); ++i) sums.integral[i] += integrals[1][i];
  if (!Weighted)
    for (size_t k = 0; k < columns; ++k)
      sums.first[k] = given.weight[0] * (sums.loss[k] + sums.passed[k]);
  return sums;
}

}  // namespace
}  // namespace rw::RW_ISA

namespace rw {

ErrorSums RW_JOIN(prediction_errors_, RW_ISA)(const PredictedSurvival& given) {
  const bool equal = std::all_of(given.weight, given.weight + given.rows,
                                 [&](double w) { return w == given.weight[0]; });
  return equal ? RW_ISA::errors<false>(given) : RW_ISA::errors<true>(given);
}

}  // namespace rw
