// Logistic loss over the distinct rows of a few columns, and its minimum over a box with a bound
// that holds whatever the numerics: the tangent at any point lies below a convex loss.
#pragma once
#include <algorithm>
#include <cmath>
#include <cstring>
#include <vector>

#include "problem.hpp"
#include "simd.hpp"

namespace rw::RW_ISA {

constexpr int kMaxParameters = kMaxTerms + 1;

// Columns and weights, eight cells to a block, padded with weight zero.
class Cells {
 public:
  int terms = 0, blocks = 0;

  void reset(int terms_, int cells) {
    terms = terms_;
    blocks = (cells + 7) / 8;
    weights_.assign(2 * size_t(blocks), splat(0.0));
    columns_.assign(size_t(terms) * blocks, splat(0.0));
  }
  // After fewer cells than planned were written: forget the empty blocks at the end.
  void blocks_used(int cells) {
    const int used = (cells + 7) / 8;
    if (used == blocks) return;
    for (int b = 0; b < used; ++b) weights_[used + b] = weights_[blocks + b];
    for (int j = 0; j < terms; ++j)
      for (int b = 0; b < used; ++b)
        columns_[size_t(j) * used + b] = columns_[size_t(j) * blocks + b];
    blocks = used;
  }
  v8* positive() { return weights_.data(); }
  v8* negative() { return weights_.data() + blocks; }
  v8* column(int j) { return columns_.data() + size_t(j) * blocks; }
  const v8* positive() const { return weights_.data(); }
  const v8* negative() const { return weights_.data() + blocks; }
  const v8* column(int j) const { return columns_.data() + size_t(j) * blocks; }
  double* flat_positive() { return reinterpret_cast<double*>(positive()); }
  double* flat_negative() { return reinterpret_cast<double*>(negative()); }
  double* flat_column(int j) { return reinterpret_cast<double*>(column(j)); }

 private:
  std::vector<v8> weights_, columns_;
};

struct Minimum {
  double loss, bound;  // at the point that was reached; the best bound met on the way
  double tangent;      // bound by the tangent at that very point: gradients of others may be added
};

// Intercept first: parameter 0 is the intercept, parameter j + 1 belongs to column j.
// TERMS >= 0 fixes the number of columns at compile time; -1 reads it from the cells. FULL: the
// cells are all 2^TERMS rows of 0/1 columns, cell number `mask` having bit j for column j, so that
// sums over supersets replace the products.
template <int TERMS = -1, bool FULL = false>
struct Model {
  static constexpr double kRidge = 1e-9, kLeast = 1e-15;
  static constexpr int kSize = TERMS >= 0 ? TERMS + 1 : kMaxParameters;
  // Lowers the ridge as steps succeed. Without it the coefficients of separable rows stay moderate,
  // which rounds better; a proof wants the bound.
  bool patient = true;
  const std::atomic<bool>* stop = nullptr;  // ends a minimisation early, where it is given
  double gradient[kSize];
  double hessian[kSize * (kSize + 1) / 2];  // packed lower triangle

  static int terms(const Cells& cells) { return TERMS >= 0 ? TERMS : cells.terms; }

  // Linear predictor of every cell of a full table.
  static void predictors(const double* w, double* s) {
    s[0] = w[0];
    for (int b = 0; b < TERMS; ++b)
      for (int mask = 0; mask < (1 << b); ++mask) s[mask | 1 << b] = s[mask] + w[b + 1];
  }

  double evaluate_full(const Cells& cells, const double* w, double scale) {
    constexpr int kCells = 1 << TERMS, kBlocks = (kCells + 7) / 8;
    alignas(64) double s[8 * kBlocks] = {}, r[8 * kBlocks], h[8 * kBlocks];
    predictors(w, s);
    v8 loss = splat(0.0);
    for (int b = 0; b < kBlocks; ++b) {
      v8 predictor;
      std::memcpy(&predictor, s + 8 * b, sizeof(v8));
      Logistic f = logistic(predictor, cells.positive()[b], cells.negative()[b]);
      loss += f.loss;
      std::memcpy(r + 8 * b, &f.residual, sizeof(v8));
      std::memcpy(h + 8 * b, &f.curvature, sizeof(v8));
    }
    for (int b = TERMS - 1; b >= 0; --b)
      for (int mask = 0; mask < kCells; ++mask)
        if (!(mask >> b & 1)) {
          r[mask] += r[mask | 1 << b];
          h[mask] += h[mask | 1 << b];
        }
    gradient[0] = r[0] * scale;
    hessian[0] = h[0] * scale;
    for (int j = 0, at = 1; j < TERMS; ++j) {
      gradient[j + 1] = r[1 << j] * scale;
      hessian[at++] = h[1 << j] * scale;
      for (int i = 0; i < j; ++i) hessian[at++] = h[1 << i | 1 << j] * scale;
      hessian[at++] = h[1 << j] * scale;
    }
    return sum(loss) * scale;
  }

  double evaluate(const Cells& cells, const double* w, double scale) {
    if constexpr (FULL && TERMS >= 0) return evaluate_full(cells, w, scale);
    const int t = terms(cells), blocks = cells.blocks, p = t + 1;
    v8 loss = splat(0.0);
    v8 g[kSize];
    v8 h[kSize * (kSize + 1) / 2];
    for (int a = 0; a < p; ++a) g[a] = splat(0.0);
    for (int a = 0; a < p * (p + 1) / 2; ++a) h[a] = splat(0.0);
    for (int b = 0; b < blocks; ++b) {
      v8 s = splat(w[0]);
      for (int j = 0; j < t; ++j) s += splat(w[j + 1]) * cells.column(j)[b];
      Logistic f = logistic(s, cells.positive()[b], cells.negative()[b]);
      loss += f.loss;
      g[0] += f.residual;
      h[0] += f.curvature;
      for (int j = 0, at = 1; j < t; ++j) {
        v8 x = cells.column(j)[b];
        g[j + 1] += f.residual * x;
        v8 hx = f.curvature * x;
        h[at++] += hx;
        for (int i = 0; i < j; ++i) h[at++] += hx * cells.column(i)[b];
        h[at++] += hx * x;
      }
    }
    for (int a = 0; a < p; ++a) gradient[a] = sum(g[a]) * scale;
    for (int a = 0; a < p * (p + 1) / 2; ++a) hessian[a] = sum(h[a]) * scale;
    return sum(loss) * scale;
  }

  static double loss_only(const Cells& cells, const double* w, double scale) {
    const int t = terms(cells);
    v8 loss = splat(0.0);
    for (int b = 0; b < cells.blocks; ++b) {
      v8 s = splat(w[0]);
      for (int j = 0; j < t; ++j) s += splat(w[j + 1]) * cells.column(j)[b];
      const Logistic f = logistic(s, cells.positive()[b], cells.negative()[b]);
      loss += f.loss;
    }
    return sum(loss) * scale;
  }

  // Smallest value of the tangent at w over the box.
  double tangent(double loss, const double* w, const double* low, const double* high, int p) const {
    for (int a = 0; a < p; ++a) loss += gradient[a] * ((gradient[a] > 0 ? low[a] : high[a]) - w[a]);
    return loss;
  }

  // Newton step on the free parameters; a ridge in the step only, never in the objective.
  void step(const int* free, int n_free, double* direction, int p, double ridge) const {
    double factor[kSize * (kSize + 1) / 2], y[kSize];
    for (int a = 0, at = 0; a < n_free; ++a) {
      const int row = free[a] * (free[a] + 1) / 2;
      for (int b = 0; b <= a; ++b) factor[at + b] = hessian[row + free[b]];
      const double diagonal = factor[at + a];
      factor[at + a] += ridge + 1e-10 * diagonal;
      for (int b = 0, bt = 0; b <= a; ++b) {
        double s = factor[at + b];
        for (int c = 0; c < b; ++c) s -= factor[at + c] * factor[bt + c];
        if (b == a) {
          factor[at + a] = 1.0 / std::sqrt(std::max(s, 1e-3 * ridge));
        } else {
          factor[at + b] = s * factor[bt + b];
        }
        bt += b + 1;
      }
      double s = -gradient[free[a]];
      for (int c = 0; c < a; ++c) s -= factor[at + c] * y[c];
      y[a] = s * factor[at + a];
      at += a + 1;
    }
    for (int a = n_free - 1; a >= 0; --a) {
      double s = y[a];
      for (int c = n_free - 1; c > a; --c) s -= factor[c * (c + 1) / 2 + a] * y[c];
      y[a] = s * factor[a * (a + 1) / 2 + a];
    }
    for (int a = 0; a < p; ++a) direction[a] = 0.0;
    for (int a = 0; a < n_free; ++a) direction[free[a]] = y[a];
  }

  enum class Step { taken, rejected, none };  // none: every parameter is held by its bound

  // One damped Newton step within the box from the derivatives at w, taken if it lowers the loss.
  // `last`: the derivatives at the new point are not wanted.
  Step advance(const Cells& cells, const double* low, const double* high, double* w, double& loss,
               double scale, double ridge, bool last = false) {
    const int p = terms(cells) + 1;
    double next[kSize], direction[kSize];
    int free[kSize], n_free = 0;
    for (int a = 0; a < p; ++a) {
      if (low[a] == high[a]) continue;
      if ((w[a] <= low[a] && gradient[a] > 0) || (w[a] >= high[a] && gradient[a] < 0)) continue;
      free[n_free++] = a;
    }
    if (n_free == 0) return Step::none;
    step(free, n_free, direction, p, ridge);
    double before[kSize];
    for (int a = 0; a < p; ++a) before[a] = gradient[a];
    double length = 1.0, trial = 0.0;
    bool accepted = false;
    for (int halving = 0; halving < 30 && !accepted; ++halving, length *= 0.5) {
      double slope = 0.0;
      for (int a = 0; a < p; ++a) {
        next[a] = std::min(std::max(w[a] + length * direction[a], low[a]), high[a]);
        slope += before[a] * (next[a] - w[a]);
      }
      const bool whole = halving == 0 && !last;
      trial = whole ? evaluate(cells, next, scale) : loss_only(cells, next, scale);
      accepted = trial <= loss + 1e-4 * slope + 1e-15;
      if (accepted && !whole && !last) trial = evaluate(cells, next, scale);
    }
    if (!accepted) return Step::rejected;
    for (int a = 0; a < p; ++a) w[a] = next[a];
    loss = trial;
    return Step::taken;
  }

  // Minimise over the box from w (updated). Stops once the bound reaches `cutoff` or the two agree
  // within `tolerance`. A stalled search returns the best bound met so far, which is always valid.
  Minimum minimise(const Cells& cells, const double* low, const double* high, double* w,
                   double scale, double cutoff, double tolerance, int max_steps) {
    const int p = terms(cells) + 1;
    for (int a = 0; a < p; ++a) w[a] = std::min(std::max(w[a], low[a]), high[a]);
    double loss = evaluate(cells, w, scale);
    double bound = -kInfinity, last = -kInfinity, ridge = kRidge;
    for (int step_no = 0;; ++step_no) {
      last = tangent(loss, w, low, high, p);
      bound = std::max(bound, last);
      if (bound >= cutoff || loss - bound < tolerance || step_no >= max_steps) break;
      if (stop && stop->load(std::memory_order_relaxed)) break;
      const Step made = advance(cells, low, high, w, loss, scale, ridge);
      if (made == Step::taken) {
        if (patient) ridge = std::max(kLeast, ridge * 0.01);
      } else if (made == Step::rejected && ridge < 1.0 && patient) {  // shorter and steeper
        ridge = std::max(1e-9, ridge * 1e3);
        loss = evaluate(cells, w, scale);
      } else {
        break;
      }
    }
    return {loss, std::min(bound, loss), std::min(last, loss)};
  }
};

}  // namespace rw::RW_ISA
