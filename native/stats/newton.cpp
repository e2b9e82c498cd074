// Newton's method for logistic curves. Compiled once per instruction set; RW_ISA names it.
#include "newton.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#ifndef RW_ISA
#error "RW_ISA names the instruction set"
#endif
#include "../parallel.hpp"
#include "../simd.hpp"
#include "variants.hpp"

namespace rw::RW_ISA {
namespace {

constexpr size_t kBlock = 1 << 14;  // rows whose sums are added up apart, in whatever thread

// f(block, from, to) for blocks of rows, which do not depend on the number of threads.
template <class F>
void over_blocks(size_t n, int threads, F&& f) {
  const int blocks = static_cast<int>((n + kBlock - 1) / kBlock);
  parallel_for(blocks < 8 ? 1 : threads, blocks, [&](int block, int) {
    const size_t from = static_cast<size_t>(block) * kBlock;
    f(static_cast<size_t>(block), from, std::min(n, from + kBlock));
  });
}

size_t block_count(size_t n) { return (n + kBlock - 1) / kBlock; }

template <class V, class T>
RW_INLINE V load(const T* from, size_t count, V fill) {
  if (count >= 8) {
    V out;
    std::memcpy(&out, from, sizeof out);
    return out;
  }
  std::memcpy(&fill, from, count * sizeof(T));
  return fill;
}

RW_INLINE v8 load(const double* from, size_t count, double fill = 0.0) {
  return load(from, count, splat(fill));
}

RW_INLINE void store(double* to, v8 x, size_t count) {
  if (count >= 8) std::memcpy(to, &x, sizeof x);
  else std::memcpy(to, &x, count * sizeof(double));
}

RW_INLINE v8 smaller(v8 a, v8 b) { return select(a < b, a, b); }
RW_INLINE v8 larger(v8 a, v8 b) { return select(a > b, a, b); }

double smallest(v8 x) {
  double out = x[0];
  for (int k = 1; k < 8; ++k) out = std::min(out, x[k]);
  return out;
}
double largest(v8 x) { return -smallest(-x); }

// log(x) for normal x above 0; relative error below 1e-15 (series of atanh).
RW_INLINE v8 log_positive(v8 x) {
  typedef uint64_t u8x64 __attribute__((vector_size(64)));
  const auto all = [](uint64_t bits) { return u8x64{} + bits; };
  const u8x64 half_root = all(0x3fe6a09e667f3bcd), one = all(0x3ff0000000000000);
  const u8x64 bits = reinterpret_cast<u8x64>(x) + (one - half_root);
  const v8 k = reinterpret_cast<v8>((bits >> 52) | all(0x4330000000000000)) -
               splat(4503599627370496.0 + 1023.0);
  const v8 m = reinterpret_cast<v8>((bits & all(0x000fffffffffffff)) + half_root);
  const v8 z = (m - splat(1.0)) / (m + splat(1.0)), q = z * z;
  v8 p = splat(1.0 / 21.0);
  p = p * q + splat(1.0 / 19.0);
  p = p * q + splat(1.0 / 17.0);
  p = p * q + splat(1.0 / 15.0);
  p = p * q + splat(1.0 / 13.0);
  p = p * q + splat(1.0 / 11.0);
  p = p * q + splat(1.0 / 9.0);
  p = p * q + splat(1.0 / 7.0);
  p = p * q + splat(1.0 / 5.0);
  p = p * q + splat(1.0 / 3.0);
  const v8 twice = z + z, high = k * splat(6.93147180369123816490e-01);
  return high + (twice + (twice * (p * q) + k * splat(1.90821492927058770002e-10)));
}

template <class T, class V>
RowScan scan(const double* score, const T* y, size_t n, double* out, int threads) {
  struct Part {
    v8 least[2], most[2], events;
    i8x64 good;
  };
  const double infinite = std::numeric_limits<double>::infinity();
  std::vector<Part> parts(block_count(n));
  over_blocks(n, threads, [&](size_t block, size_t from, size_t to) {
    const v8 top = splat(infinite), zero = splat(0.0), one = splat(1.0);
    Part part{{top, top}, {-top, -top}, zero, zero == zero};
    for (size_t i = from; i < to; i += 8) {
      const size_t count = std::min<size_t>(8, to - i);
      const v8 x = load(score + i, count, score[i]);
      const v8 outcome = __builtin_convertvector(load(y + i, count, V{} + y[i]), v8);
      const i8x64 event = outcome > zero;
      part.good &= ((outcome == zero) | (outcome == one)) & (x - x == zero);
      part.least[0] = smaller(select(event, top, x), part.least[0]);
      part.least[1] = smaller(select(event, x, top), part.least[1]);
      part.most[0] = larger(select(event, -top, x), part.most[0]);
      part.most[1] = larger(select(event, x, -top), part.most[1]);
      if (out) store(out + i, outcome, count);
      part.events += count == 8 ? outcome : load(reinterpret_cast<const double*>(&outcome), count);
    }
    parts[block] = part;
  });
  RowScan found{true, {infinite, infinite}, {-infinite, -infinite}, 0};
  for (const Part& part : parts) {
    for (int k = 0; k < 8; ++k) found.good = found.good && part.good[k];
    for (int c = 0; c < 2; ++c) {
      found.least[c] = std::min(found.least[c], smallest(part.least[c]));
      found.most[c] = std::max(found.most[c], largest(part.most[c]));
    }
    if (found.good) found.events += static_cast<size_t>(sum(part.events));
  }
  return found;
}

template <int D>
struct Moments {
  double loss = 0.0, gradient[D] = {}, curvature[D][D] = {}, reach[D] = {}, weight = 0.0;
};

// Sums over rows of the logistic loss (where asked for) and its two derivatives, with the largest
// |column|; over every `stride`-th eight rows. Sums of short runs.
template <int D, bool Weighted, bool Loss>
Moments<D> moments(const LogisticRows& rows, const double* theta, size_t stride) {
  constexpr size_t kRun = 128;
  const int first = rows.intercept ? 1 : 0;
  const size_t groups = (rows.n + 8 * stride - 1) / (8 * stride);
  std::vector<Moments<D>> parts(block_count(groups * 8));
  over_blocks(groups * 8, rows.threads, [&](size_t block, size_t from, size_t to) {
    const v8 zero = splat(0.0), one = splat(1.0);
    const v8 shift = splat(rows.shift), scale = splat(rows.scale);
    const v8 low = splat(rows.low), gap = splat(rows.high - rows.low);
    Moments<D> part;
    v8 reach[D];
    for (int a = 0; a < D; ++a) reach[a] = zero;
    for (size_t start = from; start < to; start += 8 * kRun) {
      v8 loss = zero, weight = zero, gradient[D], curvature[D][D];
      for (int a = 0; a < D; ++a) {
        gradient[a] = zero;
        for (int b = 0; b <= a; ++b) curvature[a][b] = zero;
      }
      for (size_t g = start; g < std::min(to, start + 8 * kRun); g += 8) {
        const size_t i = g * stride, count = std::min<size_t>(8, rows.n - i);
        v8 x[D], s = zero;
        for (int a = 0; a < D; ++a) {
          x[a] = a < first ? one
                           : (load(rows.x[a - first] + i, count, rows.shift) - shift) * scale;
          s += x[a] * splat(theta[a]);
          reach[a] = larger(select(x[a] < zero, -x[a], x[a]), reach[a]);
        }
        const v8 target = low + load(rows.y + i, count) * gap;
        v8 w = Weighted ? load(rows.weight + i, count) : one;
        if (!Weighted && count < 8) w = load(reinterpret_cast<const double*>(&one), count);
        const v8 positive = w * target, negative = w - positive;
        const i8x64 up = s >= zero;
        const v8 magnitude = select(up, s, -s), e = exp_nonpositive(-magnitude);
        const v8 large = one / (one + e), small = e * large;
        const v8 p = select(up, large, small), q = select(up, small, large);
        const v8 residual = negative * p - positive * q;
        const v8 bend = w * (large * small);
        if constexpr (Loss)
          loss += w * log1p_unit(e) + select(up, negative, positive) * magnitude;
        weight += w;
        for (int a = 0; a < D; ++a) {
          gradient[a] += residual * x[a];
          const v8 scaled = bend * x[a];
          for (int b = 0; b <= a; ++b) curvature[a][b] += scaled * x[b];
        }
      }
      part.loss += sum(loss);
      part.weight += sum(weight);
      for (int a = 0; a < D; ++a) {
        part.gradient[a] += sum(gradient[a]);
        for (int b = 0; b <= a; ++b) part.curvature[a][b] += sum(curvature[a][b]);
      }
    }
    for (int a = 0; a < D; ++a) part.reach[a] = largest(reach[a]);
    parts[block] = part;
  });
  Moments<D> out;
  for (const Moments<D>& part : parts) {
    out.loss += part.loss;
    out.weight += part.weight;
    for (int a = 0; a < D; ++a) {
      out.gradient[a] += part.gradient[a];
      for (int b = 0; b <= a; ++b) out.curvature[a][b] += part.curvature[a][b];
      out.reach[a] = std::max(out.reach[a], part.reach[a]);
    }
  }
  return out;
}

// A step of Newton's, its squared decrement g H^-1 g, and the most by which it moves a log-odds.
template <int D>
struct Step {
  double by[D], decrement = 0.0, change = 0.0;
  bool found = false;
};

// Solves curvature * step = gradient by Cholesky's factors; not found where it is not positive.
template <int D>
Step<D> newton_step(const Moments<D>& at) {
  Step<D> step;
  double factor[D][D];
  for (int a = 0; a < D; ++a)
    for (int b = 0; b <= a; ++b) {
      double rest = at.curvature[a][b];
      for (int c = 0; c < b; ++c) rest -= factor[a][c] * factor[b][c];
      if (a != b) {
        factor[a][b] = rest / factor[b][b];
      } else {
        if (!(rest > 1e-14 * at.curvature[a][a])) return step;
        factor[a][a] = std::sqrt(rest);
      }
    }
  for (int a = 0; a < D; ++a) {
    step.by[a] = at.gradient[a];
    for (int c = 0; c < a; ++c) step.by[a] -= factor[a][c] * step.by[c];
    step.by[a] /= factor[a][a];
  }
  for (int a = D - 1; a >= 0; --a) {
    for (int c = a + 1; c < D; ++c) step.by[a] -= factor[c][a] * step.by[c];
    step.by[a] /= factor[a][a];
  }
  for (int a = 0; a < D; ++a) {
    step.decrement += step.by[a] * at.gradient[a];
    step.change += std::abs(step.by[a]) * at.reach[a];
  }
  step.found = true;
  return step;
}

// Newton's method with halved steps from `theta`, until the squared decrement is below `tolerance`
// per unit of weight; one more step is then taken.
template <int D, bool Weighted>
bool descend(const LogisticRows& rows, double* theta, size_t stride, double tolerance) {
  Moments<D> at = moments<D, Weighted, true>(rows, theta, stride);
  for (int iteration = 0; iteration < 100; ++iteration) {
    const Step<D> step = newton_step(at);
    if (!step.found) return false;
    double length = 1.0, next[D];
    const bool done = step.decrement <= tolerance * at.weight;
    for (int halved = 0;; ++halved, length *= 0.5) {
      for (int a = 0; a < D; ++a) next[a] = theta[a] - length * step.by[a];
      if (done) break;
      const Moments<D> there = moments<D, Weighted, true>(rows, next, stride);
      if (there.loss <= at.loss - 1e-4 * length * step.decrement) {
        at = there;
        break;
      }
      if (halved == 40) return step.decrement <= 1e-9 * at.weight;
    }
    std::copy(next, next + D, theta);
    if (done) return true;
  }
  return false;
}

// Full steps from a start close to the minimum. Where a step changes no log-odds by more than
// d <= 1/2, no curvature changes by more than a factor exp(d), and hence the decrement falls below
// d times its size (Bach, 2010, Electronic Journal of Statistics 4:384): no loss is needed to know
// that steps go down, nor a further pass to know that the last one was enough.
template <int D, bool Weighted>
bool finish(const LogisticRows& rows, double* theta) {
  for (int iteration = 0; iteration < 8; ++iteration) {
    const Moments<D> at = moments<D, Weighted, false>(rows, theta, 1);
    const Step<D> step = newton_step(at);
    if (!step.found || !(step.change <= 0.5)) return false;
    for (int a = 0; a < D; ++a) theta[a] -= step.by[a];
    if (std::sqrt(step.decrement / at.weight) * step.change <= 1e-11) return true;
  }
  return false;
}

// Every 64th part of many rows first, then a step on an eighth, for a start close to the minimum.
template <int D, bool Weighted>
LogisticFit fit(const LogisticRows& rows) {
  LogisticFit out{};
  if (rows.n > size_t{1} << 17) {
    if (descend<D, Weighted>(rows, out.theta, 64, 1e-6)) {
      const Step<D> step = newton_step(moments<D, Weighted, false>(rows, out.theta, 8));
      if (step.found)
        for (int a = 0; a < D; ++a) out.theta[a] -= step.by[a];
      out.reached = finish<D, Weighted>(rows, out.theta);
    }
    if (out.reached) return out;
    std::fill(out.theta, out.theta + D, 0.0);
  }
  out.reached = descend<D, Weighted>(rows, out.theta, 1, 1e-15);
  return out;
}

// f(dimensions, weighted), both known to the compiler.
template <class F>
auto specialised(const LogisticRows& rows, F&& f) {
  const auto with = [&]<int D>(std::integral_constant<int, D> d) {
    return rows.weight ? f(d, std::true_type{}) : f(d, std::false_type{});
  };
  const size_t d = rows.x.size() + (rows.intercept ? 1 : 0);
  if (d == 1) return with(std::integral_constant<int, 1>{});
  if (d == 2) return with(std::integral_constant<int, 2>{});
  return with(std::integral_constant<int, 3>{});
}

}  // namespace
}  // namespace rw::RW_ISA

namespace rw {

using namespace RW_ISA;

LogisticFit RW_JOIN(logistic_fit_, RW_ISA)(const LogisticRows& rows) {
  return specialised(rows, [&](auto d, auto weighted) { return fit<d(), weighted()>(rows); });
}

double RW_JOIN(logistic_loss_, RW_ISA)(const LogisticRows& rows, const double* theta) {
  return specialised(rows, [&](auto d, auto weighted) {
    return moments<d(), weighted(), true>(rows, theta, 1).loss;
  });
}

void RW_JOIN(log_odds_, RW_ISA)(const double* p, size_t n, double* odds, int threads) {
  over_blocks(n, threads, [&](size_t, size_t from, size_t to) {
    for (size_t i = from; i < to; i += 8) {
      const size_t count = std::min<size_t>(8, to - i);
      const v8 x = load(p + i, count, 0.5);
      store(odds + i, log_positive(x / (splat(1.0) - x)), count);
    }
  });
}

void RW_JOIN(logs_, RW_ISA)(const double* p, size_t n, double* low, double* high, int threads) {
  over_blocks(n, threads, [&](size_t, size_t from, size_t to) {
    for (size_t i = from; i < to; i += 8) {
      const size_t count = std::min<size_t>(8, to - i);
      const v8 x = load(p + i, count, 0.5);
      store(low + i, log_positive(x), count);
      store(high + i, -log_positive(splat(1.0) - x), count);
    }
  });
}

typedef uint8_t ByteLanes __attribute__((vector_size(8)));

RowScan RW_JOIN(scan_bytes_, RW_ISA)(const double* score, const uint8_t* y, size_t n, double* out,
                                     int threads) {
  return scan<uint8_t, ByteLanes>(score, y, n, out, threads);
}

RowScan RW_JOIN(scan_whole_, RW_ISA)(const double* score, const int64_t* y, size_t n, double* out,
                                     int threads) {
  return scan<int64_t, i8x64>(score, y, n, out, threads);
}

RowScan RW_JOIN(scan_doubles_, RW_ISA)(const double* score, const double* y, size_t n, double* out,
                                       int threads) {
  return scan<double, v8>(score, y, n, out, threads);
}

}  // namespace rw
