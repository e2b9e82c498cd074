// The incumbent: a wide beam over supports, integer search on the best of them, swaps.
#pragma once
#include <set>

#include "parallel.hpp"
#include "partition.hpp"
#include "polish.hpp"
#include "pool.hpp"

namespace rw::RW_ISA {

struct Candidate {
  std::vector<int> items;  // in order
  double loss = kInfinity;
  std::vector<double> weight;  // intercept first

  bool operator<(const Candidate& other) const {
    return loss != other.loss ? loss < other.loss : items < other.items;
  }
};

class Heuristic {
 public:
  Heuristic(const Problem& problem, const Settings& settings, Progress& progress, const Clock& clock)
      : problem_(problem), settings_(settings), progress_(progress), clock_(clock) {}

  // Leaves the best scores in `pool`.
  void run(Pool& pool) {
    collect(closure({}));
    const size_t width = size_t(settings_.beam);
    for (int size = 0; size < problem_.max_terms && !stopped(); ++size) {
      auto& level = levels_[size];
      if (level.empty()) continue;
      std::vector<Candidate> states(level.begin(), level.end());
      if (states.size() > width) states.resize(width);
      std::vector<std::vector<Candidate>> grown(states.size());
      parallel_for(settings_.threads, int(states.size()),
                   [&](int i, int) {
        const std::vector<int>& items = states[i].items;
        const Partition part = Partition::of(problem_, items.data(), int(items.size()));
        grown[i] = expand(states[i], part, int(width));
      });
      for (auto& children : grown)
        for (Candidate& child : children) keep(std::move(child));
    }
    std::vector<Candidate> finals;
    const size_t most = 3 * width;
    for (int size = problem_.max_terms; size >= 0 && finals.size() < most; --size)
      for (const Candidate& c : levels_[size])
        if (problem_.complete(c.items.data(), int(c.items.size()))) {
          finals.push_back(c);
          if (finals.size() >= most) break;
        }
    integer_phase(finals, pool);
    local_search(pool);
  }

 private:
  bool stopped() const { return progress_.stop.load() || clock_.seconds() > settings_.time_limit; }

  // Adds what implications and required items demand, where they leave no choice.
  std::vector<int> closure(std::vector<int> items) const {
    std::set<int> held(items.begin(), items.end());
    auto need = [&](const std::vector<int>& set) {
      return set.size() == 1 && held.insert(set[0]).second;
    };
    for (const auto& set : problem_.required) need(set);
    for (bool grown = true; grown;) {
      grown = false;
      for (const auto& [first, set] : problem_.implications)
        if (held.count(first) && need(set)) grown = true;
    }
    return {held.begin(), held.end()};
  }

  // Demands that are still open, each of which takes one more term.
  int open_demands(const std::vector<int>& items) const {
    const int n = int(items.size());
    int open = 0;
    for (const auto& set : problem_.required)
      open += !Problem::holds_any(items.data(), n, set);
    for (const auto& [first, set] : problem_.implications)
      open += Problem::holds_any(items.data(), n, {first}) &&
              !Problem::holds_any(items.data(), n, set);
    return open;
  }

  bool fits(const std::vector<int>& items) const {
    return int(items.size()) + open_demands(items) <= problem_.max_terms &&
           problem_.allowed(items.data(), int(items.size()));
  }

  void collect(std::vector<int> items) {
    if (fits(items)) keep(fit(items));
  }

  Candidate fit(const std::vector<int>& items) const {
    return fit(items, Partition::of(problem_, items.data(), int(items.size())));
  }

  Candidate fit(const std::vector<int>& items, const Partition& part) const {
    Cells cells;
    part.cells(cells);
    Candidate c;
    c.items = items;
    c.weight.assign(items.size() + 1, 0.0);
    Box box(problem_, items.data(), int(items.size()));
    Model<> model;
    c.loss = model.minimise(cells, box.low, box.high, c.weight.data(), 1.0 / problem_.total,
                            kInfinity, 1e-8, 40).loss;
    return c;
  }

  void keep(Candidate c) {
    auto& level = levels_[c.items.size()];
    level.insert(std::move(c));
    if (level.size() > 4 * size_t(settings_.beam)) level.erase(std::prev(level.end()));
  }

  struct Gain {
    double value;
    int item;
  };

  // One-step estimate of what each item would take off the loss.
  std::vector<Gain> gains(const Candidate& state, const Partition& part) const {
    std::vector<double> residual(part.count), curvature(part.count);
    for (int c = 0; c < part.count; ++c) {
      double s = state.weight[0];
      for (int a = 0; a < part.terms; ++a) s += state.weight[a + 1] * part.value[a][c];
      const double e = std::exp(-std::fabs(s));
      residual[c] = s >= 0 ? 1.0 / (1.0 + e) : e / (1.0 + e);
      curvature[c] = e / ((1.0 + e) * (1.0 + e));
    }
    const double scale = 1.0 / problem_.total;
    struct Pattern {
      double residual, curvature;
    };
    std::vector<Pattern> patterns(problem_.m);
    double h_total = 0.0;
    for (int i = 0; i < problem_.m; ++i) {
      const double n = problem_.positive[i] + problem_.negative[i];
      patterns[i] = {scale * (n * residual[part.cell[i]] - problem_.positive[i]),
                     scale * n * curvature[part.cell[i]]};
      h_total += patterns[i].curvature;
    }
    std::vector<Gain> out;
    for (int j = 0; j < problem_.d; ++j) {
      if (!problem_.usable(j)) continue;
      if (std::binary_search(state.items.begin(), state.items.end(), j)) continue;
      double g = 0.0, q = 0.0, mean = 0.0;
      for (int64_t k = problem_.start[j]; k < problem_.start[j + 1]; ++k) {
        const Pattern& pattern = patterns[problem_.row[k]];
        const double x = problem_.binary ? 1.0 : problem_.value[k];
        g += x * pattern.residual;
        mean += x * pattern.curvature;
        q += x * x * pattern.curvature;
      }
      q -= mean * mean / (h_total + 1e-300);  // the intercept moves along
      if ((g > 0 && problem_.low[j] >= 0) || (g < 0 && problem_.high[j] <= 0)) continue;
      out.push_back({g * g / (std::max(q, 0.0) + 1e-9), j});
    }
    std::sort(out.begin(), out.end(), [](const Gain& a, const Gain& b) {
      return a.value != b.value ? a.value > b.value : a.item < b.item;
    });
    return out;
  }

  std::vector<Candidate> expand(const Candidate& state, const Partition& part, int width) const {
    std::vector<Candidate> out;
    Cells cells;
    std::vector<double> scratch;
    Model<> model;
    int tried = 0;
    for (const Gain& gain : gains(state, part)) {
      if (tried >= width) break;
      std::vector<int> items = state.items;
      items.push_back(gain.item);
      std::vector<int> closed = closure(items);
      if (!fits(closed)) continue;
      ++tried;
      if (closed.size() > items.size()) {
        out.push_back(fit(closed));
        continue;
      }
      part.cells_with(problem_, gain.item, cells, scratch);
      Box box(problem_, items.data(), int(items.size()));
      std::vector<double> w = state.weight;
      w.push_back(0.0);
      Candidate c;
      c.loss = model.minimise(cells, box.low, box.high, w.data(), 1.0 / problem_.total, kInfinity,
                              1e-7, cells.blocks > kManyBlocks ? 3 : 20).loss;
      const size_t at = std::lower_bound(closed.begin(), closed.end(), gain.item) - closed.begin();
      const double last = w.back();
      w.pop_back();
      w.insert(w.begin() + 1 + at, last);
      c.items = std::move(closed);
      c.weight = std::move(w);
      out.push_back(std::move(c));
    }
    return out;
  }

  void integer_phase(const std::vector<Candidate>& finals, Pool& pool) {
    std::vector<Pool> found(finals.size(), Pool(problem_));
    const bool strict = !problem_.removable();
    parallel_for(settings_.threads, int(finals.size()), [&](int i, int) {
      const Candidate& c = finals[i];
      const int n = int(c.items.size());
      Cells cells;
      Partition::of(problem_, c.items.data(), n).cells(cells);
      if (cells.blocks > kManyBlocks && i >= kFewFinals) return;
      found[i].at(c.items.data(), n);
      Polish(problem_, cells, c.items.data()).run(c.weight.data(), found[i], progress_.stop);
      if (cells.blocks > kManyBlocks || i >= settings_.beam) return;
      if (n > kLatticeTerms && (!problem_.unit || i >= kFewFinals)) return;
      Lattice lattice(problem_, progress_.stop);
      lattice.search(cells, c.items.data(), strict, c.weight.data(), node_budget(cells), found[i]);
    });
    for (size_t i = 0; i < finals.size(); ++i) {
      const Solution& s = found[i].best();
      if (!(s.objective < kInfinity)) continue;
      tried_.insert(finals[i].items);
      auto [at, fresh] = reached_.try_emplace(s.items, s.objective);
      at->second = std::min(at->second, s.objective);
      pool.merge(found[i]);
    }
    progress_.objective.store(pool.best().objective);
  }

  // About the same time for every support, however many cells it has.
  int64_t node_budget(const Cells& cells) const {
    const int64_t work = int64_t(cells.blocks) * (cells.terms + 1) * (cells.terms + 4);
    return std::max<int64_t>(60, 400000 / (work + 40));
  }

  // Exchange, add or drop a term, starting from the best few scores, while that helps.
  void local_search(Pool& pool) {
    std::set<std::vector<int>> expanded;
    for (int round = 0; round < kMostRounds && !stopped(); ++round) {
      const std::vector<int> start = next_start(expanded);
      if (start.empty()) return;
      expanded.insert(start);
      const double best = pool.best().objective;
      const int n = int(start.size());
      std::vector<std::vector<Candidate>> found(n + 1);
      parallel_for(settings_.threads, n + 1, [&](int out, int) {
        std::vector<int> rest = start;
        if (out < n) rest.erase(rest.begin() + out);
        if (closure(rest).size() != rest.size() || int(rest.size()) >= problem_.max_terms) return;
        const Partition part = Partition::of(problem_, rest.data(), int(rest.size()));
        found[out] = expand(fit(rest, part), part, std::min(10, settings_.beam));
      });
      std::set<Candidate> order;
      for (auto& list : found)
        for (auto& c : list)
          if (!tried_.count(c.items)) order.insert(std::move(c));
      std::vector<Candidate> finals;
      for (const Candidate& c : order) {
        if (int(finals.size()) >= settings_.beam || c.loss > best) break;
        if (problem_.complete(c.items.data(), int(c.items.size()))) finals.push_back(c);
      }
      if (!finals.empty()) integer_phase(finals, pool);
    }
  }

  // The best support not yet expanded, if it is among the best few.
  std::vector<int> next_start(const std::set<std::vector<int>>& expanded) const {
    std::vector<std::pair<double, const std::vector<int>*>> order;
    for (const auto& [items, objective] : reached_)
      if (!items.empty()) order.emplace_back(objective, &items);
    const size_t few = std::min<size_t>(kStarts, order.size());
    std::partial_sort(order.begin(), order.begin() + few, order.end(),
                      [](const auto& a, const auto& b) {
                        return a.first != b.first ? a.first < b.first : *a.second < *b.second;
                      });
    for (size_t i = 0; i < few; ++i)
      if (!expanded.count(*order[i].second)) return *order[i].second;
    return {};
  }

  static constexpr int kLatticeTerms = 6, kManyBlocks = 128, kFewFinals = 6, kMostRounds = 30,
                       kStarts = 4;

  const Problem& problem_;
  const Settings& settings_;
  Progress& progress_;
  const Clock& clock_;
  std::set<Candidate> levels_[kMaxTerms + 1];
  std::set<std::vector<int>> tried_;            // supports given to the integer phase
  std::map<std::vector<int>, double> reached_;  // items in use, and the best objective with them
};

}  // namespace rw::RW_ISA
