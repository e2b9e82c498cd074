// The incumbent: a wide beam over supports, integer search on the best of them, swaps.
#pragma once
#include <memory>
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
  // The cells without item `added`, kept until the candidate has been extended.
  mutable std::shared_ptr<const Partition> base;
  int added = -1;
  bool rough = false;  // after one Newton step

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
        if (stopped()) return;
        const auto part = partition(states[i]);
        grown[i] = expand(states[i], part, int(width));
      });
      for (const Candidate& c : level) c.base.reset();
      for (Candidate& child : refined(grown)) keep(std::move(child));
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
  bool stopped() const { return progress_.stop.load(); }

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

  std::shared_ptr<const Partition> partition(const std::vector<int>& items) const {
    return std::make_shared<Partition>(Partition::of(problem_, items.data(), int(items.size())));
  }

  std::shared_ptr<const Partition> partition(const Candidate& c) const {
    if (!c.base) return partition(c.items);
    auto part = std::make_shared<Partition>(*c.base);
    part->split(problem_, c.added);
    const auto at = std::lower_bound(c.items.begin(), c.items.end(), c.added) - c.items.begin();
    std::rotate(part->value.begin() + at, part->value.end() - 1, part->value.end());
    return part;
  }

  Candidate fit(const std::vector<int>& items) const {
    return fit(items, *partition(items), std::vector<double>(items.size() + 1, 0.0));
  }

  Candidate fit(const std::vector<int>& items, const Partition& part,
                std::vector<double> start, int most_steps = 40) const {
    Cells cells;
    part.cells(cells);
    Candidate c;
    c.items = items;
    c.weight = std::move(start);
    Box box(problem_, items.data(), int(items.size()));
    Model<> model;
    model.stop = &progress_.stop;
    model.patient = false;
    c.loss = model.minimise(cells, box.low, box.high, c.weight.data(), 1.0 / problem_.total,
                            kInfinity, 1e-8, most_steps).loss;
    return c;
  }

  void keep(Candidate c) {
    auto& level = levels_[c.items.size()];
    level.insert(std::move(c));
    if (level.size() > 4 * size_t(settings_.beam)) level.erase(std::prev(level.end()));
  }

  // All candidates; where losses are rough, the best of them alone, with a few more Newton steps.
  std::vector<Candidate> refined(std::vector<std::vector<Candidate>>& lists) const {
    std::vector<Candidate> out;
    std::map<std::vector<int>, Candidate> rough;
    for (auto& list : lists)
      for (Candidate& c : list) {
        if (!c.rough) {
          out.push_back(std::move(c));
          continue;
        }
        auto [at, fresh] = rough.try_emplace(c.items, c);
        if (!fresh && c < at->second) at->second = std::move(c);
      }
    if (rough.empty()) return out;
    std::vector<Candidate> best;
    for (auto& [items, c] : rough) best.push_back(std::move(c));
    std::sort(best.begin(), best.end());
    best.resize(std::min(best.size(), 2 * size_t(settings_.beam)));
    parallel_for(settings_.threads, int(best.size()), [&](int i, int) {
      if (!stopped()) best[i] = fit(best[i].items, *partition(best[i].items), best[i].weight, 2);
    });
    std::move(best.begin(), best.end(), std::back_inserter(out));
    return out;
  }

  struct Gain {
    double value;
    int item;
  };

  struct Pattern {
    double residual = 0.0, curvature = 0.0;
  };

  // Derivatives of the loss in the log-odds of every pattern.
  std::vector<Pattern> derivatives(const Candidate& state, const Partition& part) const {
    std::vector<Pattern> cell(part.count);
    for (int c = 0; c < part.count; ++c) {
      double s = state.weight[0];
      for (int a = 0; a < part.terms; ++a) s += state.weight[a + 1] * part.value[a][c];
      const double e = std::exp(-std::fabs(s));
      cell[c] = {s >= 0 ? 1.0 / (1.0 + e) : e / (1.0 + e), e / ((1.0 + e) * (1.0 + e))};
    }
    const double scale = 1.0 / problem_.total;
    std::vector<Pattern> out(problem_.m);
    for (int i = 0; i < problem_.m; ++i) {
      const double n = problem_.weight[i].positive + problem_.weight[i].negative;
      const Pattern& of = cell[part.cell[i]];
      out[i] = {scale * (n * of.residual - problem_.weight[i].positive), scale * n * of.curvature};
    }
    return out;
  }

  // In four independent sums: one addition need not wait for the last.
  static Pattern sum(const std::vector<Pattern>& patterns, const int32_t* row, int64_t n) {
    Pattern part[4] = {};
    int64_t k = 0;
    for (; k + 4 <= n; k += 4)
      for (int l = 0; l < 4; ++l) {
        part[l].residual += patterns[row[k + l]].residual;
        part[l].curvature += patterns[row[k + l]].curvature;
      }
    for (; k < n; ++k) {
      part[0].residual += patterns[row[k]].residual;
      part[0].curvature += patterns[row[k]].curvature;
    }
    return {(part[0].residual + part[1].residual) + (part[2].residual + part[3].residual),
            (part[0].curvature + part[1].curvature) + (part[2].curvature + part[3].curvature)};
  }

  // One-step estimate of what each item would take off the loss.
  std::vector<Gain> gains(const Candidate& state, const std::vector<Pattern>& patterns) const {
    double h_total = 0.0;
    for (const Pattern& pattern : patterns) h_total += pattern.curvature;
    std::vector<Gain> out;
    for (int j = 0; j < problem_.d; ++j) {
      if (!problem_.usable(j)) continue;
      if (std::binary_search(state.items.begin(), state.items.end(), j)) continue;
      double g, q, mean;
      if (problem_.binary) {
        const Pattern of = sum(patterns, problem_.row.data() + problem_.start[j],
                               problem_.start[j + 1] - problem_.start[j]);
        g = of.residual;
        q = mean = of.curvature;
      } else {
        g = q = mean = 0.0;
        for (int64_t k = problem_.start[j]; k < problem_.start[j + 1]; ++k) {
          const Pattern& pattern = patterns[problem_.row[k]];
          const double x = problem_.value[k];
          g += x * pattern.residual;
          mean += x * pattern.curvature;
          q += x * x * pattern.curvature;
        }
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

  std::vector<Candidate> expand(const Candidate& state, std::shared_ptr<const Partition> part,
                                int width) const {
    std::vector<Candidate> out;
    const std::vector<Pattern> patterns = derivatives(state, *part);
    std::unique_ptr<Extension> extension;
    if (!problem_.binary && part->count > 8 * kManyBlocks)
      extension = std::make_unique<Extension>(problem_, state, *part, patterns);
    Cells cells;
    std::vector<Weight> scratch;
    Model<> model;
    model.stop = &progress_.stop;
    model.patient = false;
    for (const Gain& gain : gains(state, patterns)) {
      if (int(out.size()) >= width || stopped()) break;
      std::vector<int> items = state.items;
      items.push_back(gain.item);
      Candidate c;
      c.items = closure(items);
      if (!fits(c.items)) continue;
      if (c.items.size() > items.size()) {
        out.push_back(fit(c.items));
        continue;
      }
      Box box(problem_, items.data(), int(items.size()));
      c.weight = state.weight;
      c.weight.push_back(0.0);
      if (extension) {
        c.rough = true;
        c.loss = extension->step(gain.item, box, c.weight.data());
      } else {
        part->cells_with(problem_, gain.item, cells, scratch);
        c.loss = model.minimise(cells, box.low, box.high, c.weight.data(), 1.0 / problem_.total,
                                kInfinity, 1e-7, cells.blocks > kManyBlocks ? kFewSteps : 20).loss;
      }
      const auto at = std::lower_bound(c.items.begin(), c.items.end(), gain.item) - c.items.begin();
      std::rotate(c.weight.begin() + 1 + at, c.weight.end() - 1, c.weight.end());
      if (problem_.binary) c.base = part;
      c.added = gain.item;
      out.push_back(std::move(c));
    }
    return out;
  }

  // A state over many cells with one more column of numbers: a Newton step, for which the new
  // column's derivatives alone are needed.
  class Extension {
   public:
    Extension(const Problem& problem, const Candidate& state, const Partition& part,
              const std::vector<Pattern>& patterns)
        : problem_(problem), part_(part), patterns_(patterns) {
      part.cells(cells_, 1);
      std::vector<double> w = state.weight;
      w.push_back(0.0);
      loss_ = state_.evaluate(cells_, w.data(), 1.0 / problem.total);
    }

    double step(int item, const Box& box, double* w) {
      const int last = part_.terms + 1;
      double* row = state_.hessian + last * (last + 1) / 2;
      std::fill(row, row + last + 1, 0.0);
      state_.gradient[last] = 0.0;
      double* column = cells_.flat_column(part_.terms);
      for (int64_t k = problem_.start[item]; k < problem_.start[item + 1]; ++k) {
        const int32_t i = problem_.row[k];
        const double x = problem_.value[k], hx = x * patterns_[i].curvature;
        column[i] = x;
        state_.gradient[last] += x * patterns_[i].residual;
        row[0] += hx;
        for (int a = 0; a < part_.terms; ++a) row[a + 1] += hx * part_.value[a][i];
        row[last] += hx * x;
      }
      std::copy(state_.gradient, state_.gradient + last + 1, model_.gradient);
      std::copy(state_.hessian, row + last + 1, model_.hessian);
      double loss = loss_;
      model_.advance(cells_, box.low, box.high, w, loss, 1.0 / problem_.total, Model<>::kRidge, true);
      for (int64_t k = problem_.start[item]; k < problem_.start[item + 1]; ++k)
        column[problem_.row[k]] = 0.0;
      return loss;
    }

   private:
    const Problem& problem_;
    const Partition& part_;
    const std::vector<Pattern>& patterns_;
    Cells cells_;
    Model<> state_, model_;
    double loss_;
  };

  void integer_phase(const std::vector<Candidate>& finals, Pool& pool) {
    std::vector<Pool> found(finals.size(), Pool(problem_));
    const bool strict = !problem_.removable();
    parallel_for(settings_.threads, int(finals.size()), [&](int i, int) {
      if (i > 0 && stopped()) return;
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
      const std::vector<double> weight = fit(start).weight;
      std::vector<std::vector<Candidate>> found(n + 1);
      parallel_for(settings_.threads, n + 1, [&](int out, int) {
        if (stopped()) return;
        std::vector<int> rest = start;
        std::vector<double> warm = weight;
        if (out < n) {
          rest.erase(rest.begin() + out);
          warm.erase(warm.begin() + 1 + out);
        }
        if (closure(rest).size() != rest.size() || int(rest.size()) >= problem_.max_terms) return;
        const auto part = partition(rest);
        found[out] = expand(fit(rest, *part, warm), part, std::min(10, settings_.beam));
        for (const Candidate& c : found[out]) c.base.reset();
      });
      for (auto& list : found)
        std::erase_if(list, [&](const Candidate& c) { return tried_.count(c.items) > 0; });
      const std::vector<Candidate> better = refined(found);
      const std::set<Candidate> order(better.begin(), better.end());
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

  static constexpr int kLatticeTerms = 6, kManyBlocks = 128, kFewFinals = 6, kFewSteps = 3, kMostRounds = 30,
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
