// Exact search over integer points within one support: branch and bound whose nodes are boxes.
#pragma once
#include <cmath>
#include <functional>
#include <numeric>
#include <vector>

#include "cells.hpp"

namespace rw::RW_ISA {

// Receives every integer score that is met; tells below which objective one is still wanted.
class Sink {
 public:
  virtual ~Sink() = default;
  virtual double cutoff() const = 0;
  // Points belong to the items of the support; zeros are terms that are not used.
  virtual void record(double loss, double slope, double intercept, const double* points) = 0;
};

struct LatticeReport {
  bool complete = true;
  double lower_bound = kInfinity;  // over what was left open
  int64_t nodes = 0;
};

class Lattice {
 public:
  Lattice(const Problem& problem, const std::atomic<bool>& stop) : problem_(problem), stop_(stop) {
    model_.stop = scale_model_.stop = &stop;
  }

  // All integer points on `items` (columns of `cells`, in order). `strict`: every term is used.
  LatticeReport search(const Cells& cells, const int* items, bool strict, const double* start,
                       int64_t max_nodes, Sink& sink) {
    cells_ = &cells;
    terms_ = cells.terms;
    scale_ = 1.0 / problem_.total;
    sink_ = &sink;
    stack_.clear();
    report_ = LatticeReport{};
    double reach = kInfinity;
    for (int j = 0; j < terms_; ++j) {
      const double low = problem_.low[items[j]], high = problem_.high[items[j]];
      if (low < 0) reach = std::min(reach, -low);
      if (high > 0) reach = std::min(reach, high);
    }
    half_ = problem_.unit || terms_ == 0 ? 0.0 : std::floor(reach / 2.0);
    push_roots(items, strict, start);
    while (!stack_.empty()) {
      if (report_.nodes >= max_nodes || stop_.load(std::memory_order_relaxed)) {
        report_.complete = false;
        for (const Node& node : stack_)
          report_.lower_bound = std::min(report_.lower_bound, node.bound);
        break;
      }
      ++report_.nodes;
      Node node = stack_.back();
      stack_.pop_back();
      if (problem_.unit) {
        visit_unit(node);
      } else {
        visit_free(node);
      }
    }
    return report_;
  }

 private:
  struct Node {
    double low[kMaxParameters], high[kMaxParameters];  // intercept first, then points
    double slope_low = 1.0, slope_high = 1.0;
    double warm[kMaxParameters];  // linear predictor's coefficients
    double bound = -kInfinity;
  };

  static constexpr double kFirstSlope = 0.02, kSlopeRatio = 1.12;

  void push_roots(const int* items, bool strict, const double* start) {
    Node node;
    node.low[0] = problem_.intercept_low;
    node.high[0] = problem_.intercept_high;
    node.warm[0] = start ? start[0] : 0.0;
    for (int j = 0; j < terms_; ++j) {
      node.low[j + 1] = std::min(0.0, problem_.low[items[j]]);
      node.high[j + 1] = std::max(0.0, problem_.high[items[j]]);
      node.warm[j + 1] = start ? start[j + 1] : 0.0;
    }
    strict_ = strict;
    if (strict)
      for (int j = 1; j <= terms_; ++j) {
        const double low = problem_.low[items[j - 1]], high = problem_.high[items[j - 1]];
        if (low >= 0.0) node.low[j] = std::max(1.0, low);
        if (high <= 0.0) node.high[j] = std::min(-1.0, high);
      }
    push_slopes(node);
  }

  // Where every term is used: split the box that still holds zero at its sign, strongest term
  // first, so that the wrong sign is excluded by one bound.
  bool split_sign(const Node& node, const double* w) {
    if (!strict_) return false;
    int term = -1;
    for (int j = 1; j <= terms_; ++j)
      if (node.low[j] < 0.0 && node.high[j] > 0.0 &&
          (term < 0 || std::fabs(w[j]) > std::fabs(w[term])))
        term = j;
    if (term < 0) return false;
    Node below = node, above = node;
    below.high[term] = -1.0;
    above.low[term] = 1.0;
    stack_.push_back(w[term] > 0.0 ? below : above);
    stack_.push_back(w[term] > 0.0 ? above : below);
    return true;
  }

  void push_slopes(Node& node) {
    if (problem_.unit) {
      stack_.push_back(node);
      return;
    }
    // Points may be doubled and the slope halved until some term exceeds half_, so above
    // kFirstSlope only such points are looked at, and slopes that leave them within their bound.
    const double largest = problem_.max_log_odds / (half_ + 1.0);
    node.slope_low = problem_.min_slope;
    node.slope_high = std::min(kFirstSlope, problem_.max_log_odds);
    if (node.slope_high >= node.slope_low) stack_.push_back(node);
    if (largest > kFirstSlope) {
      node.slope_low = kFirstSlope;
      node.slope_high = largest;
      stack_.push_back(node);
    }
  }

  double forced_penalty(const Node& node) const {
    int used = 0;
    for (int j = 1; j <= terms_; ++j) used += node.low[j] > 0.0 || node.high[j] < 0.0;
    return used * problem_.penalty;
  }

  int used_terms(const double* points) const {
    int used = 0;
    for (int j = 0; j < terms_; ++j) used += points[j] != 0.0;
    return used;
  }

  void visit_unit(Node& node) {
    const double penalty = forced_penalty(node);
    double* w = node.warm;
    Minimum m = model_.minimise(*cells_, node.low, node.high, w, scale_, sink_->cutoff() - penalty,
                                1e-11, 60);
    node.bound = std::max(node.bound, m.bound + penalty);
    if (node.bound >= sink_->cutoff() || split_sign(node, w)) return;
    double rounded[kMaxParameters];
    int branch = -1;
    double widest = 0.0, most = -1.0;
    int widest_at = -1;
    for (int a = 0; a <= terms_; ++a) {
      rounded[a] = std::min(std::max(std::floor(w[a] + 0.5), node.low[a]), node.high[a]);
      const double width = node.high[a] - node.low[a], part = std::fabs(w[a] - rounded[a]);
      if (width > widest) {
        widest = width;
        widest_at = a;
      }
      if (width > 0.5 && part > most) {
        most = part;
        branch = a;
      }
    }
    const double loss = Model<>::loss_only(*cells_, rounded, scale_);
    sink_->record(loss + problem_.penalty * used_terms(rounded + 1), 1.0, rounded[0], rounded + 1);
    if (widest_at < 0) return;
    if (most < 1e-7) branch = widest_at;
    split(node, branch, w[branch]);
  }

  // Children [low, floor] and [floor + 1, high]; the one nearer to `at` is visited first.
  void split(Node& node, int a, double at) {
    const double cut = std::min(std::max(std::floor(at), node.low[a]), node.high[a] - 1.0);
    Node below = node, above = node;
    below.high[a] = cut;
    above.low[a] = cut + 1.0;
    if (at - cut > 0.5) {
      stack_.push_back(below);
      stack_.push_back(above);
    } else {
      stack_.push_back(above);
      stack_.push_back(below);
    }
  }

  // Best slope within [slope_low, slope_high] and intercept for fixed points.
  Minimum fit_scale(const double* points, double slope_low, double slope_high, double cutoff,
                    double* intercept_slope) {
    totals_.reset(1, 8 * cells_->blocks);
    for (int b = 0; b < cells_->blocks; ++b) {
      v8 s = splat(0.0);
      for (int j = 0; j < terms_; ++j) s += splat(points[j]) * cells_->column(j)[b];
      totals_.column(0)[b] = s;
      totals_.positive()[b] = cells_->positive()[b];
      totals_.negative()[b] = cells_->negative()[b];
    }
    const double low[2] = {problem_.intercept_low, slope_low};
    const double high[2] = {problem_.intercept_high, slope_high};
    return scale_model_.minimise(totals_, low, high, intercept_slope, scale_, cutoff, 1e-13, 60);
  }

  void record_free(double loss, const double* w2, const double* points) {
    sink_->record(loss + problem_.penalty * used_terms(points), w2[1], w2[0], points);
  }

  void visit_free(Node& node) {
    const double penalty = forced_penalty(node), limit = problem_.max_log_odds;
    double low[kMaxParameters], high[kMaxParameters];
    low[0] = node.low[0];
    high[0] = node.high[0];
    bool fixed = true, large = half_ == 0.0 || node.slope_low < kFirstSlope;
    for (int j = 1; j <= terms_; ++j) {
      const double l = node.low[j], u = node.high[j];
      low[j] = std::max(-limit, std::min(l * node.slope_low, l * node.slope_high));
      high[j] = std::min(limit, std::max(u * node.slope_low, u * node.slope_high));
      if (low[j] > high[j]) return;  // the bound on the log-odds leaves nothing
      fixed = fixed && u - l < 0.5;
      large = large || std::max(-l, u) > half_;
    }
    if (!large) return;  // doubling the points gives the same score elsewhere
    if (fixed) {
      const double* points = node.low + 1;
      double most = 0.0;
      for (int j = 0; j < terms_; ++j) most = std::max(most, std::fabs(points[j]));
      const double top = most > 0 ? std::min(node.slope_high, limit / most) : node.slope_high;
      if (top < node.slope_low) return;
      double w2[2] = {node.warm[0], 0.5 * (node.slope_low + top)};
      Minimum m = fit_scale(points, node.slope_low, top, sink_->cutoff() - penalty, w2);
      if (m.bound + penalty >= sink_->cutoff()) return;
      record_free(m.loss, w2, points);
      if (m.loss - m.bound > 0.5 * problem_.margin)  // stalled: keep the weak bound
        report_.lower_bound = std::min(report_.lower_bound, m.bound + penalty);
      return;
    }
    double* w = node.warm;
    Minimum m =
        model_.minimise(*cells_, low, high, w, scale_, sink_->cutoff() - penalty, 1e-10, 60);
    node.bound = std::max(node.bound, m.bound + penalty);
    if (node.bound >= sink_->cutoff() || split_sign(node, w)) return;
    const double middle = std::sqrt(std::max(node.slope_low, 1e-3) * node.slope_high);
    try_rounding(node, w, middle);
    if (node.slope_low >= kFirstSlope && node.slope_high > kSlopeRatio * node.slope_low) {
      Node lower = node, upper = node;
      lower.slope_high = middle;
      upper.slope_low = middle;
      stack_.push_back(lower);
      stack_.push_back(upper);
      return;
    }
    int branch = -1;
    double widest = 0.0;
    for (int j = 1; j <= terms_; ++j) {
      if (node.high[j] - node.low[j] > 0.5 && high[j] - low[j] > widest) {
        widest = high[j] - low[j];
        branch = j;
      }
    }
    if (branch < 0) {
      for (int j = 1; j <= terms_; ++j)
        if (node.high[j] - node.low[j] > 0.5) branch = j;
    }
    split(node, branch, w[branch] / std::max(0.5 * (node.slope_low + node.slope_high), 1e-9));
  }

  void try_rounding(const Node& node, const double* w, double slope) {
    double points[kMaxParameters], most = 0.0;
    for (int j = 0; j < terms_; ++j) {
      points[j] = std::min(std::max(std::floor(w[j + 1] / slope + 0.5), node.low[j + 1]),
                           node.high[j + 1]);
      most = std::max(most, std::fabs(points[j]));
    }
    if (most == 0.0) return;
    double w2[2] = {w[0], slope};
    const double top = problem_.max_log_odds / most;
    if (top < problem_.min_slope) return;
    Minimum m = fit_scale(points, problem_.min_slope, top, kInfinity, w2);
    record_free(m.loss, w2, points);
  }

  const Problem& problem_;
  const std::atomic<bool>& stop_;
  const Cells* cells_ = nullptr;
  int terms_ = 0;
  bool strict_ = false;
  double scale_ = 1.0, half_ = 0.0;
  Sink* sink_ = nullptr;
  std::vector<Node> stack_;
  LatticeReport report_;
  Model<> model_;
  Model<1> scale_model_;
  Cells totals_;
};

}  // namespace rw::RW_ISA
