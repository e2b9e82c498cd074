// Scores that were met: the best one, and, when asked, every one within a tolerance of it.
#pragma once
#include <map>
#include <numeric>

#include "lattice.hpp"

namespace rw::RW_ISA {

using Key = std::vector<std::pair<int, int>>;  // (item, points), by item

// A score in its canonical form: no zero points, items in order, points without a common divisor.
inline Solution canonical(const Problem& problem, const int* items, int n, double objective,
                          double loss, double slope, double intercept, const double* points) {
  Solution s;
  std::vector<std::pair<int, double>> used;
  for (int j = 0; j < n; ++j)
    if (points[j] != 0.0) used.emplace_back(items[j], points[j]);
  std::sort(used.begin(), used.end());
  int divisor = 0;
  for (auto& [item, p] : used) divisor = std::gcd(divisor, int(std::lround(std::fabs(p))));
  if (problem.unit || divisor < 1) divisor = 1;
  for (; divisor > 1; --divisor) {
    bool fits = true;
    for (auto& [item, p] : used) {
      const double q = p / divisor;
      fits = fits && q == std::floor(q) && q >= problem.low[item] && q <= problem.high[item];
    }
    if (fits) break;
  }
  for (auto& [item, p] : used) {
    s.items.push_back(item);
    s.points.push_back(p / divisor);
  }
  s.objective = objective;
  s.loss = loss;
  s.slope = slope * divisor;
  s.intercept = intercept;
  return s;
}

inline Key key_of(const Solution& s) {
  Key key;
  for (size_t j = 0; j < s.items.size(); ++j)
    key.emplace_back(s.items[j], int(std::lround(s.points[j])));
  return key;
}

// Smaller objective first; equal ones in a fixed order, so that no result depends on threads.
inline bool better(const Solution& a, const Solution& b) {
  if (std::fabs(a.objective - b.objective) > 1e-13) return a.objective < b.objective;
  if (a.items.size() != b.items.size()) return a.items.size() < b.items.size();
  return key_of(a) < key_of(b);
}

class Pool : public Sink {
 public:
  explicit Pool(const Problem& problem) : problem_(problem) {}

  void at(const int* items, int n) {
    items_ = items;
    n_ = n;
  }
  double cutoff() const override {
    return problem_.pool_tolerance > 0.0 ? pool_cutoff() : best_.objective - problem_.margin;
  }
  double pool_cutoff() const {
    return std::min(ceiling_, best_.objective * (1.0 + problem_.pool_tolerance) + problem_.margin);
  }
  void record(double objective, double slope, double intercept, const double* points) override {
    if (problem_.pool_tolerance <= 0.0 && objective > best_.objective + 1e-13) return;
    if (problem_.pool_tolerance > 0.0 && objective > pool_cutoff()) return;
    int used = 0;
    for (int j = 0; j < n_; ++j) used += points[j] != 0.0;
    add(canonical(problem_, items_, n_, objective, objective - problem_.penalty * used, slope,
                  intercept, points));
  }
  void add(const Solution& s) {
    if (better(s, best_)) best_ = s;
    if (problem_.pool_tolerance <= 0.0 || s.objective > pool_cutoff()) return;
    auto [found, fresh] = kept_.try_emplace(key_of(s), s);
    if (!fresh && s.objective < found->second.objective) found->second = s;
    if (kept_.size() > 2 * size_t(problem_.pool_size) + 64) trim();
  }
  void merge(const Pool& other) {
    ceiling_ = std::min(ceiling_, other.ceiling_);
    if (better(other.best_, best_)) best_ = other.best_;
    for (const auto& [key, s] : other.kept_) add(s);
  }
  void lower_ceiling(double value) { ceiling_ = std::min(ceiling_, value); }
  const Solution& best() const { return best_; }

  std::vector<Solution> sorted() {
    trim();
    std::vector<Solution> out;
    for (const auto& [key, s] : kept_)
      if (s.objective <= pool_cutoff()) out.push_back(s);
    std::sort(out.begin(), out.end(), [](const Solution& a, const Solution& b) {
      return a.objective != b.objective ? a.objective < b.objective : key_of(a) < key_of(b);
    });
    if (!(best_.objective < kInfinity)) return out;
    std::erase_if(out, [&](const Solution& s) { return key_of(s) == key_of(best_); });
    out.insert(out.begin(), best_);
    return out;
  }

 private:
  // Keep the best pool_size; whatever lies above the first one dropped is no longer complete.
  void trim() {
    std::vector<std::pair<double, const Key*>> order;
    for (const auto& [key, s] : kept_) order.emplace_back(s.objective, &key);
    std::sort(order.begin(), order.end(), [](const auto& a, const auto& b) {
      return a.first != b.first ? a.first < b.first : *a.second < *b.second;
    });
    std::vector<Key> drop;
    for (size_t i = 0; i < order.size(); ++i) {
      if (i >= size_t(problem_.pool_size) || order[i].first > pool_cutoff()) {
        if (order[i].first <= pool_cutoff()) ceiling_ = std::min(ceiling_, order[i].first - 1e-15);
        drop.push_back(*order[i].second);
      }
    }
    for (const Key& key : drop) kept_.erase(key);
  }

  const Problem& problem_;
  const int* items_ = nullptr;
  int n_ = 0;
  Solution best_;
  double ceiling_ = kInfinity;
  std::map<Key, Solution> kept_;
};

}  // namespace rw::RW_ISA
