// Scoring systems: integer points and a threshold with the smallest weighted 0-1 loss, with proof.
//
// All weights are integers (the caller scales and rounds them), so losses, bounds and ties are
// exact and the answer does not depend on the number of threads. The best score is the first in
// the order (violation of limits, objective, sum of |points|, terms, items, points).
#pragma once
#include <nanobind/nanobind.h>

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <limits>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "problem.hpp"

namespace rw::scoring_system {

constexpr int64_t kNone = std::numeric_limits<int64_t>::max();
constexpr int64_t kScale = 1024;  // costs are multiples of 1 / kScale of a unit of weight

struct Task {
  Problem rules;                // points, features, groups and the like; no columns, no weights
  std::vector<double> value;    // m x d, column by column
  std::vector<int32_t> code;    // rank of each value among the distinct values of its column
  std::vector<int> distinct;    // distinct values of each column
  std::vector<double> largest;  // largest |value| of each column
  std::vector<int64_t> positive, negative;
  std::vector<char> whole;      // column of integers below 1e9
  bool integral = false;        // all columns are
  int64_t penalty = 0;    // per term, in units of weight
  bool count_false_negatives = true, count_false_positives = true;
  int64_t false_negative_limit = kNone, false_positive_limit = kNone;
  std::vector<std::vector<int>> starts;  // dense points from which the heuristic sets out

  const double* column(int j) const { return value.data() + size_t(j) * size_t(rules.m); }
  const int32_t* codes(int j) const { return code.data() + size_t(j) * size_t(rules.m); }
  int low(int j) const { return int(rules.low[size_t(j)]); }
  int high(int j) const { return int(rules.high[size_t(j)]); }
  bool usable(int j) const { return low(j) <= high(j) && (low(j) < 0 || high(j) > 0); }
  // Smallest |points| that a used item may have, and points of that size.
  int least(int j) const { return low(j) > 0 ? low(j) : high(j) < 0 ? -high(j) : 1; }
  int least_points(int j) const { return high(j) > 0 ? least(j) : -least(j); }
  // Items without which no score is allowed.
  std::vector<int> indispensable() const {
    std::vector<int> items;
    for (const std::vector<int>& set : rules.required)
      if (set.size() == 1 && std::find(items.begin(), items.end(), set[0]) == items.end())
        items.push_back(set[0]);
    return items;
  }
};

// Cost of a unit of misclassified weight. With multipliers on the limits (and `constant` = minus
// multiplier times limit) the smallest cost bounds the objective of every score within the limits.
struct Prices {
  int64_t negative_missed = kScale;  // false positives
  int64_t positive_missed = kScale;  // false negatives
  int64_t constant = 0;
  int64_t false_positive_limit = kNone, false_negative_limit = kNone;

  bool limited() const { return false_positive_limit != kNone || false_negative_limit != kNone; }
};

// Items with their points.
using Terms = std::vector<std::pair<int, int>>;

struct Score {
  int64_t violation = kNone, objective = kNone, size = kNone;  // size: sum of |points|
  std::vector<int> items, points;                              // items ascending

  bool before(const Score& other) const {
    const auto numbers = std::make_tuple(violation, objective, size, items.size());
    const auto others =
        std::make_tuple(other.violation, other.objective, other.size, other.items.size());
    if (numbers != others) return numbers < others;
    return std::tie(items, points) < std::tie(other.items, other.points);
  }
  bool feasible() const { return violation == 0; }
};

// Patterns that no longer differ: one total, weights added up.
struct Element {
  double total;
  int64_t positive, negative;
};

struct Settings {
  int threads = 1;
  bool certify = true;
  uint64_t seed = 0;
  int64_t effort = 0;  // elements that the heuristic may touch; 0 leaves it out
};

// Read and, for `stop`, written by other threads while the search runs. Units: kScale per weight.
struct Progress {
  std::atomic<bool> stop{false};
  std::atomic<int64_t> objective{kNone}, lower_bound{0};
  std::atomic<int64_t> bounded{0}, searched{0}, nodes{0};
};

struct Outcome {
  Score best;
  int64_t lower_bound = 0;
  bool complete = false;  // every support was searched or excluded by its bound
};

Outcome solve(const Task& task, const Settings& settings, Progress& progress);

}  // namespace rw::scoring_system

void bind_scoring_system(nanobind::module_& module);
