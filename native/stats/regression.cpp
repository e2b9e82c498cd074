// Regression of outcomes on one score: isotonic, Venn-Abers, logistic on a few columns.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <string>
#include <vector>

#include "../arrays.hpp"
#define RW_ISA statistics
#include "../simd.hpp"
#include "sorting.hpp"

namespace rw {
namespace {

using Numbers = Array<double>;

auto fold_scores(Numbers score, Numbers outcome, Numbers weight) {
  Folded folded;
  {
    nb::gil_scoped_release release;
    folded = fold_by_score(score.data(), outcome.data(), weight.size() ? weight.data() : nullptr,
                           score.size());
  }
  return nb::make_tuple(to_numpy(std::move(folded.value)), to_numpy(std::move(folded.events)),
                        to_numpy(std::move(folded.nonevents)));
}

struct Block {
  double sum, weight;
  int64_t start;
};

// First index of every block of the isotonic fit of sum / weight, and its level.
auto pool_adjacent(Numbers sum, Numbers weight) {
  std::vector<Block> stack;
  std::vector<int64_t> starts;
  std::vector<double> levels, weights;
  {
    nb::gil_scoped_release release;
    const double *s = sum.data(), *w = weight.data();
    const int64_t n = static_cast<int64_t>(sum.size());
    for (int64_t i = 0; i < n; ++i) {
      Block last{s[i], w[i], i};
      while (!stack.empty() && stack.back().sum * last.weight >= last.sum * stack.back().weight) {
        last = {stack.back().sum + last.sum, stack.back().weight + last.weight, stack.back().start};
        stack.pop_back();
      }
      stack.push_back(last);
    }
    for (const Block& block : stack) {
      starts.push_back(block.start);
      levels.push_back(block.sum / block.weight);
      weights.push_back(block.weight);
    }
  }
  return nb::make_tuple(to_numpy(std::move(starts)), to_numpy(std::move(levels)),
                        to_numpy(std::move(weights)));
}

struct Point {
  double x, y;
};

// Whether the path a, b, c does not turn left at b.
bool no_corner(Point a, Point b, Point c) {
  return (b.y - a.y) * (c.x - b.x) >= (c.y - b.y) * (b.x - a.x);
}

void push_corner(std::vector<Point>& stack, Point p) {
  while (stack.size() > 1 && no_corner(p, stack.back(), stack[stack.size() - 2])) stack.pop_back();
  stack.push_back(p);
}

// Isotonic fit at each score when an event with that score is added (Vovk, Petej and Fedorova,
// 2015, algorithms 1 and 2): slope of the greatest convex minorant of the cumulative sums, of which
// those before the added event are shifted by (-1, -1). The leftmost corner lies on top.
std::vector<double> with_event_added(const double* events, const double* nonevents, size_t m,
                                     bool mirrored) {
  const auto step = [&](size_t i) {
    const size_t at = mirrored ? m - 1 - i : i;
    return Point{events[at] + nonevents[at], mirrored ? nonevents[at] : events[at]};
  };
  std::vector<Point> sums(m + 1);
  for (size_t i = 0; i < m; ++i) {
    const Point d = step(i);
    sums[i + 1] = {sums[i].x + d.x, sums[i].y + d.y};
  }
  std::vector<Point> stack;
  for (size_t i = m; i > 0; --i) push_corner(stack, sums[i]);
  Point left{-1.0, -1.0};
  push_corner(stack, left);
  std::vector<double> level(m);
  for (size_t i = 0; i < m; ++i) {
    const Point top = stack.back(), next = stack[stack.size() - 2];
    level[mirrored ? m - 1 - i : i] = (next.y - top.y) / (next.x - top.x);
    const Point d = step(i);
    left = {left.x + d.x, left.y + d.y};
    if ((left.y - top.y) * (next.x - top.x) >= (next.y - top.y) * (left.x - top.x)) continue;
    stack.pop_back();
    push_corner(stack, left);
  }
  return level;
}

auto venn_abers(Numbers events, Numbers nonevents) {
  std::vector<double> without, with;
  {
    nb::gil_scoped_release release;
    const size_t m = events.size();
    with = with_event_added(events.data(), nonevents.data(), m, false);
    without = with_event_added(events.data(), nonevents.data(), m, true);
    for (double& level : without) level = 1.0 - level;
  }
  return nb::make_tuple(to_numpy(std::move(without)), to_numpy(std::move(with)));
}

using namespace RW_ISA;

template <int D>
struct Moments {
  double loss = 0.0, gradient[D] = {}, curvature[D][D] = {};
};

struct Columns {
  std::vector<const double*> x;
  const double *positive, *negative;
  size_t n;
  bool intercept;
};

RW_INLINE v8 load(const double* from, size_t count) {
  v8 out = splat(0.0);
  std::memcpy(&out, from, count * sizeof(double));
  return out;
}

// Logistic loss with its two derivatives over every `stride`-th eight rows; sums of short runs.
template <int D>
Moments<D> moments(const Columns& data, const double* theta, size_t stride) {
  constexpr size_t kRun = 128;
  Moments<D> out;
  const size_t first = data.intercept ? 1 : 0;
  for (size_t i = 0; i < data.n;) {
    v8 loss = splat(0.0), gradient[D], curvature[D][D];
    for (int a = 0; a < D; ++a) {
      gradient[a] = splat(0.0);
      for (int b = 0; b <= a; ++b) curvature[a][b] = splat(0.0);
    }
    for (size_t k = 0; k < kRun && i < data.n; ++k, i += 8 * stride) {
      const size_t count = std::min<size_t>(8, data.n - i);
      v8 x[D], s = splat(0.0);
      for (int a = 0; a < D; ++a) {
        x[a] = static_cast<size_t>(a) < first ? splat(1.0) : load(data.x[a - first] + i, count);
        s += x[a] * splat(theta[a]);
      }
      const Logistic at = logistic(s, load(data.positive + i, count), load(data.negative + i, count));
      loss += at.loss;
      for (int a = 0; a < D; ++a) {
        gradient[a] += at.residual * x[a];
        const v8 scaled = at.curvature * x[a];
        for (int b = 0; b <= a; ++b) curvature[a][b] += scaled * x[b];
      }
    }
    out.loss += sum(loss);
    for (int a = 0; a < D; ++a) {
      out.gradient[a] += sum(gradient[a]);
      for (int b = 0; b <= a; ++b) out.curvature[a][b] += sum(curvature[a][b]);
    }
  }
  return out;
}

// Solves curvature * step = gradient by Cholesky's factors; false where it is not positive.
template <int D>
bool newton_step(const Moments<D>& at, double* step) {
  double factor[D][D];
  for (int a = 0; a < D; ++a)
    for (int b = 0; b <= a; ++b) {
      double rest = at.curvature[a][b];
      for (int c = 0; c < b; ++c) rest -= factor[a][c] * factor[b][c];
      if (a != b) {
        factor[a][b] = rest / factor[b][b];
      } else {
        if (!(rest > 1e-14 * at.curvature[a][a])) return false;
        factor[a][a] = std::sqrt(rest);
      }
    }
  for (int a = 0; a < D; ++a) {
    step[a] = at.gradient[a];
    for (int c = 0; c < a; ++c) step[a] -= factor[a][c] * step[c];
    step[a] /= factor[a][a];
  }
  for (int a = D - 1; a >= 0; --a) {
    for (int c = a + 1; c < D; ++c) step[a] -= factor[c][a] * step[c];
    step[a] /= factor[a][a];
  }
  return true;
}

// Newton's method with halved steps from `theta`, until the decrement is below 1e-15 of the weight.
template <int D>
bool minimise(const Columns& data, double* theta, double& loss, size_t stride) {
  double total = 0.0;
  for (size_t i = 0; i < data.n; ++i) total += data.positive[i] + data.negative[i];
  Moments<D> at = moments<D>(data, theta, stride);
  for (int iteration = 0; iteration < 100; ++iteration) {
    loss = at.loss;
    double step[D], decrement = 0.0, next[D];
    if (!newton_step(at, step)) return false;
    for (int a = 0; a < D; ++a) decrement += step[a] * at.gradient[a];
    const bool done = decrement <= 1e-15 * total;
    if (done) {
      for (int a = 0; a < D; ++a) theta[a] -= step[a];
      return true;
    }
    double length = 1.0;
    for (int halved = 0;; ++halved, length *= 0.5) {
      for (int a = 0; a < D; ++a) next[a] = theta[a] - length * step[a];
      const Moments<D> there = moments<D>(data, next, stride);
      if (there.loss <= loss - 1e-4 * length * decrement) {
        at = there;
        break;
      }
      if (halved == 40) return decrement <= 1e-9 * total;
    }
    std::copy(next, next + D, theta);
  }
  return false;
}

// A part of the rows first, for a start close to the minimum over all of them.
template <int D>
bool fit(const Columns& data, double* theta, double& loss) {
  constexpr size_t kEnough = 1 << 15;
  if (data.n > 4 * kEnough) {
    double start[D] = {};
    if (minimise<D>(data, start, loss, data.n / kEnough)) std::copy(start, start + D, theta);
    if (minimise<D>(data, theta, loss, 1)) return true;
    std::fill(theta, theta + D, 0.0);
  }
  return minimise<D>(data, theta, loss, 1);
}

// Coefficients (the intercept first), loss and whether the minimum was reached.
auto logistic_fit(std::vector<Numbers> columns, Numbers positive, Numbers negative,
                  bool intercept) {
  Columns data{{}, positive.data(), negative.data(), positive.size(), intercept};
  for (const Numbers& column : columns) data.x.push_back(column.data());
  const size_t d = columns.size() + (intercept ? 1 : 0);
  std::vector<double> theta(d, 0.0);
  double loss = 0.0;
  bool reached = false;
  {
    nb::gil_scoped_release release;
    if (d == 1) reached = fit<1>(data, theta.data(), loss);
    if (d == 2) reached = fit<2>(data, theta.data(), loss);
    if (d == 3) reached = fit<3>(data, theta.data(), loss);
  }
  return nb::make_tuple(to_numpy(std::move(theta)), loss, reached);
}

}  // namespace
}  // namespace rw

void bind_regression(nb::module_& m) {
  m.def("fold_scores", &rw::fold_scores, "score"_a, "outcome"_a, "weight"_a);
  m.def("pool_adjacent", &rw::pool_adjacent, "sum"_a, "weight"_a);
  m.def("venn_abers", &rw::venn_abers, "events"_a, "nonevents"_a);
  m.def("logistic_fit", &rw::logistic_fit, "columns"_a, "positive"_a, "negative"_a,
        "intercept"_a);
}
