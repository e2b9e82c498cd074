// A lower bound for every support within a set of items: the loss over their box with the limit on
// the number of terms dropped. Patterns are sparse, so a Newton step costs sum over patterns of
// (active items)^2.
#pragma once
#include "partition.hpp"

namespace rw::RW_ISA {

class Dense {
 public:
  explicit Dense(const Problem& problem) : problem_(problem) {
    start_.assign(problem.m + 1, 0);
    for (int32_t i : problem.row) ++start_[i + 1];
    for (int i = 0; i < problem.m; ++i) start_[i + 1] += start_[i];
    item_.resize(problem.row.size());
    value_.resize(problem.row.size());
    std::vector<int64_t> at(start_.begin(), start_.end() - 1);
    for (int j = 0; j < problem.d; ++j)
      for (int64_t k = problem.start[j]; k < problem.start[j + 1]; ++k) {
        const int64_t to = at[problem.row[k]]++;
        item_[to] = j;
        value_[to] = problem.binary ? 1.0 : problem.value[k];
      }
    weight_.assign(problem.d + 1, 0.0);
  }

  static double step_work(const Problem& problem) {
    std::vector<int> active(problem.m, 0);
    for (int32_t i : problem.row) ++active[i];
    double work = double(problem.d) * problem.d * problem.d / 3.0;
    for (int a : active) work += 0.5 * a * a + 40.0;
    return work;
  }

  // Bound over supports made of `items`; stops early once it reaches `cutoff`. Starts from the
  // coefficients that the last call left.
  double bound(const std::vector<int>& items, double cutoff, int max_steps,
               const std::atomic<bool>& stop) {
    const int p = int(items.size()) + 1;
    std::vector<int> slot(problem_.d, -1);
    std::vector<double> low(p), high(p), w(p), next(p), g(p), h(size_t(p) * p);
    Box box(problem_, items.data(), 0);
    low[0] = box.low[0];
    high[0] = box.high[0];
    w[0] = weight_[problem_.d];
    for (int a = 1; a < p; ++a) {
      slot[items[a - 1]] = a;
      Box one(problem_, &items[a - 1], 1);
      low[a] = one.low[1];
      high[a] = one.high[1];
      w[a] = weight_[items[a - 1]];
    }
    for (int a = 0; a < p; ++a) w[a] = std::min(std::max(w[a], low[a]), high[a]);
    double best = -kInfinity;
    double loss = evaluate(slot, w, g, &h, stop);
    for (int step_no = 0; !stop.load(); ++step_no) {
      double tangent = loss;
      for (int a = 0; a < p; ++a) tangent += g[a] * ((g[a] > 0 ? low[a] : high[a]) - w[a]);
      best = std::max(best, tangent);
      if (best >= cutoff || loss - best < 1e-7 || step_no >= max_steps) break;
      std::vector<int> free;
      for (int a = 0; a < p; ++a)
        if (!((w[a] <= low[a] && g[a] > 0) || (w[a] >= high[a] && g[a] < 0))) free.push_back(a);
      if (free.empty()) break;
      std::vector<double> direction = solve(free, g, h, p, stop);
      bool accepted = false;
      double length = 1.0, trial = 0.0;
      std::vector<double> g_next(p);
      for (int halving = 0; halving < 25 && !accepted; ++halving, length *= 0.5) {
        double slope = 0.0;
        next = w;
        for (size_t f = 0; f < free.size(); ++f) {
          const int a = free[f];
          next[a] = std::min(std::max(w[a] + length * direction[f], low[a]), high[a]);
          slope += g[a] * (next[a] - w[a]);
        }
        trial = evaluate(slot, next, g_next, nullptr, stop);
        if (stop.load()) break;
        accepted = trial <= loss + 1e-4 * slope + 1e-15;
      }
      if (!accepted) break;
      w = next;
      loss = evaluate(slot, w, g, &h, stop);
    }
    weight_[problem_.d] = w[0];
    for (int a = 1; a < p; ++a) weight_[items[a - 1]] = w[a];
    return stop.load() ? best : std::min(best, loss);
  }

 private:
  // What it leaves is of no use once `stop` is set.
  double evaluate(const std::vector<int>& slot, const std::vector<double>& w,
                  std::vector<double>& g, std::vector<double>* h,
                  const std::atomic<bool>& stop) const {
    const int p = int(w.size());
    std::fill(g.begin(), g.end(), 0.0);
    if (h) std::fill(h->begin(), h->end(), 0.0);
    double loss = 0.0;
    std::vector<int> at(problem_.d);
    std::vector<double> x(problem_.d);
    for (int i = 0; i < problem_.m; ++i) {
      if ((i & 1023) == 0 && stop.load()) break;
      double s = w[0];
      int n = 0;
      for (int64_t k = start_[i]; k < start_[i + 1]; ++k) {
        const int a = slot[item_[k]];
        if (a < 0) continue;
        at[n] = a;
        x[n++] = value_[k];
        s += w[a] * value_[k];
      }
      const double pos = problem_.weight[i].positive, neg = problem_.weight[i].negative;
      const double e = std::exp(-std::fabs(s)), up = 1.0 / (1.0 + e), down = e * up;
      const double prob = s >= 0 ? up : down, rest = s >= 0 ? down : up;
      loss += (pos + neg) * std::log1p(e) + (s >= 0 ? neg : pos) * std::fabs(s);
      const double r = neg * prob - pos * rest;
      g[0] += r;
      for (int a = 0; a < n; ++a) g[at[a]] += r * x[a];
      if (!h) continue;
      const double q = (pos + neg) * prob * rest;
      (*h)[0] += q;
      for (int a = 0; a < n; ++a) {
        double* row = h->data() + size_t(at[a]) * p;
        const double qx = q * x[a];
        row[0] += qx;
        for (int b = 0; b <= a; ++b) row[at[b]] += qx * x[b];
      }
    }
    const double scale = 1.0 / problem_.total;
    for (double& v : g) v *= scale;
    if (h)
      for (double& v : *h) v *= scale;
    return loss * scale;
  }

  // Cholesky on the free part with a small ridge; entries are kept wherever (row, column) or its
  // mirror was written.
  std::vector<double> solve(const std::vector<int>& free, const std::vector<double>& g,
                            const std::vector<double>& h, int p,
                            const std::atomic<bool>& stop) const {
    const int n = int(free.size());
    std::vector<double> f(size_t(n) * n), y(n);
    for (int a = 0; a < n && !stop.load(); ++a) {
      for (int b = 0; b <= a; ++b) {
        const int r = free[a], c = free[b];
        double s = r == c ? h[size_t(r) * p + r] : h[size_t(r) * p + c] + h[size_t(c) * p + r];
        if (a == b) s += 1e-9 + 1e-9 * s;
        for (int k = 0; k < b; ++k) s -= f[size_t(a) * n + k] * f[size_t(b) * n + k];
        f[size_t(a) * n + b] = a == b ? std::sqrt(std::max(s, 1e-12)) : s / f[size_t(b) * n + b];
      }
      double s = -g[free[a]];
      for (int k = 0; k < a; ++k) s -= f[size_t(a) * n + k] * y[k];
      y[a] = s / f[size_t(a) * n + a];
    }
    for (int a = n - 1; a >= 0; --a) {
      for (int k = a + 1; k < n; ++k) y[a] -= f[size_t(k) * n + a] * y[k];
      y[a] /= f[size_t(a) * n + a];
    }
    return y;
  }

  const Problem& problem_;
  std::vector<int64_t> start_;
  std::vector<int> item_;
  std::vector<double> value_, weight_;
};

}  // namespace rw::RW_ISA
