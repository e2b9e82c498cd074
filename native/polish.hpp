// From real coefficients to good integer points: rounding at many scales, then moves of one or two
// points at a time, each with slope and intercept fitted anew.
#pragma once
#include "lattice.hpp"

namespace rw::RW_ISA {

class Polish {
 public:
  Polish(const Problem& problem, const Cells& cells, const int* items)
      : problem_(problem), cells_(cells), terms_(cells.terms), scale_(1.0 / problem.total) {
    strict_ = !problem.removable();
    quick_ = cells.blocks > kManyBlocks;
    for (int j = 0; j < terms_; ++j) {
      low_[j] = problem.low[items[j]];
      high_[j] = problem.high[items[j]];
    }
  }

  struct Point {
    double objective = kInfinity, slope = 1.0, intercept = 0.0;
    double points[kMaxTerms] = {};
  };

  // Good integer points near the coefficients `w` (intercept first), recorded in `sink`.
  void run(const double* w, Sink& sink, const std::atomic<bool>& stop) {
    model_.stop = &stop;
    std::vector<Point> starts = round(w);
    const size_t tried = std::min<size_t>(starts.size(), quick_ ? 1 : 3);
    for (size_t i = 0; i < tried; ++i) {
      if (i > 0 && stop.load()) break;
      descend(starts[i], stop);
      quick_ = false;
      evaluate(starts[i]);
      quick_ = cells_.blocks > kManyBlocks;
      sink.record(starts[i].objective, starts[i].slope, starts[i].intercept, starts[i].points);
    }
  }

 private:
  bool legal(int j, double p) const {
    if (p == 0.0) return !strict_;
    return p >= low_[j] && p <= high_[j];
  }

  double nearest(int j, double v) const {
    double p = std::min(std::max(std::floor(v + 0.5), std::min(0.0, low_[j])),
                        std::max(0.0, high_[j]));
    if (legal(j, p)) return p;
    const double up = std::max(1.0, low_[j]), down = std::min(-1.0, high_[j]);
    if (up > high_[j]) return down;
    if (down < low_[j]) return up;
    return v >= 0 ? up : down;
  }

  std::vector<Point> round(const double* w) {
    double largest = 0.0, bound = 0.0;
    for (int j = 0; j < terms_; ++j) {
      largest = std::max(largest, std::fabs(w[j + 1]));
      bound = std::max({bound, -low_[j], high_[j]});
    }
    std::vector<Point> out;
    if (largest <= 0.0) largest = 1.0;
    const int steps = problem_.unit ? 1 : 28;
    for (int s = 0; s < steps; ++s) {
      const double top = 0.6 + (1.5 * bound - 0.6) * (s + 0.5) / steps;
      const double factor = problem_.unit ? 1.0 : top / largest;
      Point p;
      for (int j = 0; j < terms_; ++j) p.points[j] = nearest(j, w[j + 1] * factor);
      p.slope = problem_.unit ? 1.0 : 1.0 / factor;
      p.intercept = w[0];
      evaluate(p);
      out.push_back(p);
    }
    std::sort(out.begin(), out.end(),
              [](const Point& a, const Point& b) { return a.objective < b.objective; });
    auto same = [&](const Point& a, const Point& b) {
      return std::equal(a.points, a.points + terms_, b.points);
    };
    out.erase(std::unique(out.begin(), out.end(), same), out.end());
    return out;
  }

  struct Move {
    int term;
    double step, estimate;
  };

  // The few moves that promise most by a quadratic model of the loss in which slope and intercept
  // follow the move.
  void keep_promising(std::vector<Move>& moves, const Point& at) {
    const int p = terms_ + 1;
    double w[kMaxParameters] = {at.intercept}, v[kMaxParameters] = {0.0};
    for (int j = 0; j < terms_; ++j) {
      v[j + 1] = at.points[j];
      w[j + 1] = at.slope * at.points[j];
    }
    full_.evaluate(cells_, w, scale_);
    auto h = [&](int a, int b) {
      return a >= b ? full_.hessian[a * (a + 1) / 2 + b] : full_.hessian[b * (b + 1) / 2 + a];
    };
    double hv[kMaxParameters], vg = 0.0, vhv = 0.0;
    for (int a = 0; a < p; ++a) {
      hv[a] = 0.0;
      for (int b = 0; b < p; ++b) hv[a] += h(a, b) * v[b];
      vg += v[a] * full_.gradient[a];
    }
    for (int a = 0; a < p; ++a) vhv += v[a] * hv[a];
    if (problem_.unit) vhv = 1e30;  // the slope stays
    const double determinant = h(0, 0) * vhv - hv[0] * hv[0] + 1e-300;
    for (Move& move : moves) {
      const int a = move.term + 1;
      const double d = at.slope * move.step;
      const double r0 = full_.gradient[0] + h(0, a) * d, r1 = vg + hv[a] * d;
      const double gain = (r0 * r0 * vhv - 2 * r0 * r1 * hv[0] + r1 * r1 * h(0, 0)) / determinant;
      move.estimate = full_.gradient[a] * d + 0.5 * h(a, a) * d * d - 0.5 * gain;
    }
    std::stable_sort(moves.begin(), moves.end(),
                     [](const Move& a, const Move& b) { return a.estimate < b.estimate; });
    moves.resize(kPromising);
  }

  // Steepest moves of one point by 1 or 2; where none helps, pairs by 1.
  void descend(Point& current, const std::atomic<bool>& stop) {
    static constexpr double kSteps[] = {1.0, -1.0, 2.0, -2.0};
    for (int round_no = 0; round_no < 50 && !stop.load(); ++round_no) {
      Point best = current;
      std::vector<Move> moves;
      for (int j = 0; j < terms_; ++j)
        for (double step : kSteps) moves.push_back({j, step, 0.0});
      if (quick_ && int(moves.size()) > kPromising) keep_promising(moves, current);
      for (const Move& move : moves) {
        if (stop.load(std::memory_order_relaxed)) return;
        Point next = current;
        next.points[move.term] += move.step;
        if (next.points[move.term] == 0.0 && strict_) next.points[move.term] += move.step;
        try_point(next, best, move.term, move.term);
      }
      if (!(best.objective < current.objective - 1e-12) && !quick_)
        for (int j = 0; j < terms_ && !stop.load(std::memory_order_relaxed); ++j)
          for (int i = 0; i < j; ++i)
            for (int signs = 0; signs < 4; ++signs) {
              Point next = current;
              next.points[j] += signs & 1 ? 1.0 : -1.0;
              next.points[i] += signs & 2 ? 1.0 : -1.0;
              try_point(next, best, i, j);
            }
      if (!(best.objective < current.objective - 1e-12)) return;
      current = best;
    }
  }

  void try_point(Point& next, Point& best, int i, int j) {
    if (!legal(i, next.points[i]) || !legal(j, next.points[j])) return;
    evaluate(next, best.objective);
    if (next.objective < best.objective - 1e-12) best = next;
  }

  // Best slope and intercept for the points; distinct totals are few where items are 0/1. Stops
  // after a step if the rest of the way can hardly lead below `worth`.
  void evaluate(Point& p, double worth = kInfinity) {
    double most = 0.0, down = 0.0, up = 0.0;
    int used = 0;
    for (int j = 0; j < terms_; ++j) {
      most = std::max(most, std::fabs(p.points[j]));
      used += p.points[j] != 0.0;
      (p.points[j] < 0 ? down : up) += p.points[j];
    }
    if (problem_.binary) {
      const int width = int(up - down) + 1;
      totals_.reset(1, width);
      double *pos = totals_.flat_positive(), *neg = totals_.flat_negative();
      for (int t = 0; t < width; ++t) totals_.flat_column(0)[t] = down + t;
      for (int b = 0; b < cells_.blocks; ++b) {
        v8 s = splat(-down);
        for (int j = 0; j < terms_; ++j) s += splat(p.points[j]) * cells_.column(j)[b];
        for (int i = 0; i < 8; ++i) {
          const int t = int(s[i]);
          pos[t] += cells_.positive()[b][i];
          neg[t] += cells_.negative()[b][i];
        }
      }
    } else {
      totals_.reset(1, 8 * cells_.blocks);
      for (int b = 0; b < cells_.blocks; ++b) {
        v8 s = splat(0.0);
        for (int j = 0; j < terms_; ++j) s += splat(p.points[j]) * cells_.column(j)[b];
        totals_.column(0)[b] = s;
        totals_.positive()[b] = cells_.positive()[b];
        totals_.negative()[b] = cells_.negative()[b];
      }
    }
    const double top = problem_.unit ? 1.0
                       : most > 0    ? problem_.max_log_odds / most
                                     : 1.0;
    double low[2] = {problem_.intercept_low, problem_.unit ? 1.0 : problem_.min_slope};
    double high[2] = {problem_.intercept_high, top};
    double w[2] = {p.intercept, std::min(p.slope, top)};
    if (worth < kInfinity && !quick_) {
      const double near =
          model_.minimise(totals_, low, high, w, scale_, kInfinity, 1e-12, 1).loss;
      if (near - 4.0 * decrement() + problem_.penalty * used > worth) {
        p.objective = kInfinity;
        return;
      }
    }
    double loss = model_.minimise(totals_, low, high, w, scale_, kInfinity, quick_ ? 1e-8 : 1e-12,
                           quick_ ? 2 : 40).loss;
    if (problem_.unit) {
      const double below[2] = {std::floor(w[0]), 1.0}, above[2] = {std::ceil(w[0]), 1.0};
      const double a = Model<1>::loss_only(totals_, below, scale_);
      const double b = Model<1>::loss_only(totals_, above, scale_);
      loss = std::min(a, b);
      w[0] = a <= b ? below[0] : above[0];
    }
    p.slope = w[1];
    p.intercept = w[0];
    p.objective = loss + problem_.penalty * used;
  }

  // What a Newton step in slope and intercept promises to take off the loss.
  double decrement() const {
    const double *g = model_.gradient, *h = model_.hessian;
    const double gain = g[0] * g[0] * h[2] - 2 * g[0] * g[1] * h[1] + g[1] * g[1] * h[0];
    return 0.5 * gain / (h[0] * h[2] - h[1] * h[1] + 1e-300);
  }

  const Problem& problem_;
  const Cells& cells_;
  int terms_;
  double scale_;
  static constexpr int kManyBlocks = 128, kPromising = 24;

  bool strict_, quick_;  // quick: moves are compared by a few Newton steps
  double low_[kMaxTerms], high_[kMaxTerms];
  Cells totals_;
  Model<1> model_;
  Model<> full_;
};

}  // namespace rw::RW_ISA
