// Logistic loss, gradient and Hessian of linear scores on the same rows: what viable ranges are
// searched with. Lanes are scores; columns that are zero in a run of rows cost nothing.
#include <algorithm>
#include <cstring>
#include <stdexcept>
#include <vector>

#include "../arrays.hpp"

#define RW_ISA multiplicity
#include "../simd.hpp"

// Compiled for each instruction set where the loader can choose between them.
#if defined(__x86_64__) && defined(__linux__) && defined(__GNUC__) && !defined(__clang__)
#define RW_CLONES __attribute__((target_clones("avx512f", "avx2", "default")))
#else
#define RW_CLONES
#endif

namespace {

constexpr size_t kRun = 4;      // rows handled together
constexpr size_t kPart = 1024;  // rows whose sums are added up apart

struct Rows {
  const double *x, *positive, *negative;
  size_t m, p;
};

// Columns in which any of `count` rows differs from zero.
size_t used_columns(const double* x, size_t count, size_t p, size_t* used) {
  size_t found = 0;
  for (size_t j = 0; j < p; ++j) {
    bool any = false;
    for (size_t r = 0; r < count; ++r) any |= x[r * p + j] != 0.0;
    if (any) used[found++] = j;
  }
  return found;
}

// Adds to loss[8 groups] and gradient[8 p groups] what rows [from, to) give the scores w, eight to
// a group.
RW_CLONES void logistic_part(const Rows& rows, size_t from, size_t to, size_t groups,
                             const double* w, double* loss, double* gradient, size_t* used) {
  using namespace rw::multiplicity;
  const v8 zero = {};
  for (size_t i = from; i < to; i += kRun) {
    const size_t count = std::min(kRun, to - i);
    const double* x[kRun];
    double up[kRun], down[kRun];
    for (size_t r = 0; r < kRun; ++r) {
      x[r] = rows.x + (i + std::min(r, count - 1)) * rows.p;
      up[r] = r < count ? rows.positive[i + r] : 0.0;
      down[r] = r < count ? rows.negative[i + r] : 0.0;
    }
    const size_t found = used_columns(x[0], count, rows.p, used);
    for (size_t g = 0; g < groups; ++g) {
      const double* from_w = w + g * 8 * rows.p;
      double* slope = gradient + g * 8 * rows.p;
      v8 z0 = zero, z1 = zero, z2 = zero, z3 = zero, total, at;
      for (size_t k = 0; k < found; ++k) {
        const size_t j = used[k];
        std::memcpy(&at, from_w + 8 * j, sizeof at);
        z0 += x[0][j] * at;
        z1 += x[1][j] * at;
        z2 += x[2][j] * at;
        z3 += x[3][j] * at;
      }
      const Logistic a = logistic(z0, zero + up[0], zero + down[0]);
      const Logistic b = logistic(z1, zero + up[1], zero + down[1]);
      const Logistic c = logistic(z2, zero + up[2], zero + down[2]);
      const Logistic d = logistic(z3, zero + up[3], zero + down[3]);
      std::memcpy(&total, loss + 8 * g, sizeof total);
      total += (a.loss + b.loss) + (c.loss + d.loss);
      std::memcpy(loss + 8 * g, &total, sizeof total);
      for (size_t k = 0; k < found; ++k) {
        const size_t j = used[k];
        std::memcpy(&at, slope + 8 * j, sizeof at);
        at += (x[0][j] * a.residual + x[1][j] * b.residual) +
              (x[2][j] * c.residual + x[3][j] * d.residual);
        std::memcpy(slope + 8 * j, &at, sizeof at);
      }
    }
  }
}

// Adds sum over rows [from, to) of weight x x' to the lower triangle of `gram`, whose rows are
// `stride` (a multiple of 8, at least p) long; `x` has the same stride.
RW_CLONES void gram_part(const double* x, const double* weight, size_t from, size_t to, size_t p,
                         size_t stride, double* gram, size_t* used) {
  using namespace rw::multiplicity;
  for (size_t i = from; i < to; i += kRun) {
    const size_t count = std::min(kRun, to - i);
    const double* row[kRun];
    double q[kRun];
    for (size_t r = 0; r < kRun; ++r) {
      row[r] = x + (i - from + std::min(r, count - 1)) * stride;
      q[r] = r < count ? weight[i + r] : 0.0;
    }
    const size_t found = used_columns(row[0], count, stride, used);
    for (size_t a = 0; a < found; ++a) {
      const size_t j = used[a];
      if (j >= p) break;
      const double by[kRun] = {q[0] * row[0][j], q[1] * row[1][j], q[2] * row[2][j],
                               q[3] * row[3][j]};
      for (size_t k = 0; k <= j; k += 8) {
        v8 at, a, b, c, d;
        std::memcpy(&at, gram + j * stride + k, sizeof at);
        std::memcpy(&a, row[0] + k, sizeof a);
        std::memcpy(&b, row[1] + k, sizeof b);
        std::memcpy(&c, row[2] + k, sizeof c);
        std::memcpy(&d, row[3] + k, sizeof d);
        at += (by[0] * a + by[1] * b) + (by[2] * c + by[3] * d);
        std::memcpy(gram + j * stride + k, &at, sizeof at);
      }
    }
  }
}

Rows checked(const rw::Array<double>& x, size_t positive, size_t negative) {
  if (x.ndim() != 2 || positive != x.shape(0) || negative != x.shape(0))
    throw std::invalid_argument("rows and one weight of either kind for each");
  return {x.data(), nullptr, nullptr, x.shape(0), x.shape(1)};
}

// Loss (k) and gradient (k x p) of `scores` (k x p) on rows (m x p), without a ridge.
nb::tuple logistic_values(rw::Array<double> x, rw::Array<double> positive,
                          rw::Array<double> negative, rw::Array<double> scores) {
  Rows rows = checked(x, positive.size(), negative.size());
  rows.positive = positive.data();
  rows.negative = negative.data();
  if (scores.ndim() != 2 || scores.shape(1) != rows.p)
    throw std::invalid_argument("one coefficient per column");
  const size_t k = scores.shape(0), p = rows.p;
  std::vector<double> loss(k), gradient(k * p);
  {
    nb::gil_scoped_release release;
    const size_t groups = (k + 7) / 8;
    std::vector<double> w(groups * 8 * p, 0.0), sums(groups * 8, 0.0), slopes(groups * 8 * p, 0.0);
    std::vector<double> part(groups * 8 * p), losses(groups * 8);
    std::vector<size_t> used(p);
    for (size_t s = 0; s < k; ++s)
      for (size_t j = 0; j < p; ++j)
        w[(s / 8) * 8 * p + 8 * j + s % 8] = scores.data()[s * p + j];
    for (size_t from = 0; from < rows.m; from += kPart) {
      const size_t to = std::min(rows.m, from + kPart);
      std::fill(part.begin(), part.end(), 0.0);
      std::fill(losses.begin(), losses.end(), 0.0);
      logistic_part(rows, from, to, groups, w.data(), losses.data(), part.data(), used.data());
      for (size_t at = 0; at < part.size(); ++at) slopes[at] += part[at];
      for (size_t at = 0; at < losses.size(); ++at) sums[at] += losses[at];
    }
    for (size_t s = 0; s < k; ++s) {
      loss[s] = sums[s];
      for (size_t j = 0; j < p; ++j)
        gradient[s * p + j] = slopes[(s / 8) * 8 * p + 8 * j + s % 8];
    }
  }
  return nb::make_tuple(rw::to_numpy(std::move(loss)),
                        rw::to_numpy(std::move(gradient), {k, p}));
}

// sum_i weight_i x_i x_i' (p x p) over rows (m x p).
nb::ndarray<nb::numpy, double> weighted_gram(rw::Array<double> x, rw::Array<double> weight) {
  const Rows rows = checked(x, weight.size(), weight.size());
  const size_t p = rows.p, stride = (p + 7) / 8 * 8;
  std::vector<double> out(p * p);
  {
    nb::gil_scoped_release release;
    std::vector<double> total(p * stride, 0.0), part(p * stride), padded(kPart * stride, 0.0);
    std::vector<size_t> used(stride);
    for (size_t from = 0; from < rows.m; from += kPart) {
      const size_t to = std::min(rows.m, from + kPart);
      for (size_t i = from; i < to; ++i)
        std::memcpy(padded.data() + (i - from) * stride, rows.x + i * p, p * sizeof(double));
      std::fill(part.begin(), part.end(), 0.0);
      gram_part(padded.data(), weight.data(), from, to, p, stride, part.data(), used.data());
      for (size_t at = 0; at < part.size(); ++at) total[at] += part[at];
    }
    for (size_t j = 0; j < p; ++j)
      for (size_t k = 0; k < p; ++k)
        out[j * p + k] = total[std::max(j, k) * stride + std::min(j, k)];
  }
  return rw::to_numpy(std::move(out), {p, p});
}

}  // namespace

void bind_multiplicity(nb::module_& m) {
  m.def("logistic_values", &logistic_values, "rows"_a, "positive"_a, "negative"_a, "scores"_a);
  m.def("weighted_gram", &weighted_gram, "rows"_a, "weight"_a);
}
