// The whole search: an incumbent, then the proof that fits the problem.
#pragma once
#include "best_first.hpp"
#include "enumeration.hpp"

namespace rw::RW_ISA {

class Search {
 public:
  Search(Problem problem, Settings settings, Progress& progress)
      : problem_(std::move(problem)), settings_(settings), progress_(progress) {
    problem_.drop_unusable();
    int usable = 0;
    for (int j = 0; j < problem_.d; ++j) usable += problem_.usable(j);
    problem_.max_terms = std::min(problem_.max_terms, usable);
  }

  Outcome run() {
    const Deadline deadline(progress_, settings_.time_limit);
    Pool pool(problem_);
    enter(Phase::heuristic);
    record_constant(pool);
    // The incumbent alone needs no pool; candidates within the tolerance still enter it.
    Heuristic(problem_, settings_, progress_, clock_).run(pool);
    if (!(pool.best().objective < kInfinity)) record_any(pool);
    publish(pool);
    outcome_.supports_total = 0.0;
    for (int t = 0; t <= problem_.max_terms; ++t)
      outcome_.supports_total += Enumeration::choose(problem_.d, t);
    outcome_.method = "heuristic";
    double lower = -kInfinity;
    if (settings_.certify && !stopped()) {
      if (enumerable()) {
        lower = enumerate(pool);
      } else {
        outcome_.method = "best-first";
        enter(Phase::best_first);
        BestFirst search(problem_, settings_, progress_, clock_);
        outcome_.complete = search.run(pool, lower);
        outcome_.supports_examined = progress_.supports.load();
      }
    }
    finish(pool, lower);
    return std::move(outcome_);
  }

 private:
  bool stopped() const { return progress_.stop.load(); }
  void enter(Phase phase) { progress_.phase.store(int(phase)); }
  void publish(const Pool& pool) { progress_.objective.store(pool.best().objective); }

  // The score without any term, where the constraints allow it.
  void record_constant(Pool& pool) {
    if (!problem_.complete(nullptr, 0)) return;
    Cells cells;
    cells.reset(0, 1);
    for (const Weight& w : problem_.weight) {
      cells.flat_positive()[0] += w.positive;
      cells.flat_negative()[0] += w.negative;
    }
    pool.at(nullptr, 0);
    const std::atomic<bool> never{false};
    Lattice lattice(problem_, never);
    lattice.search(cells, nullptr, false, nullptr, 100000, pool);
  }

  // Some score that meets the constraints, where there was no time for a good one.
  void record_any(Pool& pool) {
    const std::vector<int> items = problem_.any_support();
    outcome_.infeasible = !items.empty() && items[0] < 0;
    if (outcome_.infeasible) return;
    const int n = int(items.size());
    Cells cells;
    Partition::of(problem_, items.data(), n).cells(cells);
    pool.at(items.data(), n);
    const std::vector<double> nothing(n + 1, 0.0);
    const std::atomic<bool> never{false};
    Polish(problem_, cells, items.data()).run(nothing.data(), pool, never);
  }

  bool enumerable() const {
    const int k = problem_.max_terms;
    return problem_.binary && k >= 1 && k <= Enumeration::kLargest &&
           Enumeration::memory(problem_.d, k) <= settings_.memory_limit &&
           Enumeration::choose(problem_.d, k) <= kMostSupports &&
           Enumeration::work(problem_, k) <= kMostUpdates;
  }

  double enumerate(Pool& pool) {
    outcome_.method = "enumeration";
    enter(Phase::counting);
    Enumeration enumeration(problem_, settings_, progress_, clock_, problem_.max_terms);
    if (enumeration.size() == 0) {
      outcome_.complete = true;
      return kInfinity;
    }
    Dense dense(problem_);
    double dense_seconds = 0.0, frontier = -kInfinity;
    // After the time is up, a bound that takes a moment is still made.
    const std::atomic<bool> never{false};
    const bool light = Dense::step_work(problem_) < kLightStep;
    auto strengthen = [&](int lead) {
      const auto& stop = light && !progress_.interrupted.load() ? never : progress_.stop;
      const double begin = clock_.seconds();
      std::vector<int> items(enumeration.items().begin(), enumeration.items().begin() + lead + 1);
      frontier = std::max(frontier, dense.bound(items, pool.cutoff(), 12, stop));
      dense_seconds += clock_.seconds() - begin;
      progress_.lower_bound.store(std::min(frontier, pool.best().objective));
    };
    const double expected = 2e-7 * Enumeration::choose(problem_.d, problem_.max_terms) +
                            1e-9 * Enumeration::work(problem_, problem_.max_terms);
    if (expected > 1.0) strengthen(enumeration.size() - 1);
    if (!enumeration.count()) return frontier_or_dense(frontier, strengthen, enumeration.size() - 1);
    enter(Phase::enumeration);
    const int tasks = enumeration.tasks();
    double weak = kInfinity;  // over supports whose integer search was cut short
    int done = 0, last_lead = enumeration.size() - 1;
    while (done < tasks) {
      const int lead = enumeration.leading(done);
      if (lead < last_lead && clock_.seconds() > 1.0 && dense_seconds < 0.05 * clock_.seconds()) {
        strengthen(lead);
        if (frontier >= pool.cutoff()) break;  // nothing that is left can do better
      }
      last_lead = lead;
      const int to = std::min(tasks, done + std::max(64, tasks / 16));
      std::vector<Survivor> survivors;
      const bool whole = enumeration.examine(done, to, pool.cutoff(), survivors);
      enter(Phase::lattice);
      weak = std::min(weak, solve(survivors, pool));
      enter(Phase::enumeration);
      publish(pool);
      if (!whole || stopped())
        return std::min(weak, frontier_or_dense(frontier, strengthen, lead));
      done = to;
      progress_.share.store(double(done) / tasks);
    }
    outcome_.complete = true;
    outcome_.supports_examined = int64_t(outcome_.supports_total);
    return weak;
  }

  template <class F>
  double frontier_or_dense(double frontier, F&& strengthen, int lead) {
    if (frontier > -kInfinity) return frontier;
    strengthen(lead);
    return progress_.lower_bound.load();
  }

  // Integer search on what the bounds left, in batches of fixed size so that the result does not
  // depend on the number of threads. Returns a bound over what stayed open.
  double solve(std::vector<Survivor>& survivors, Pool& pool) {
    std::sort(survivors.begin(), survivors.end(), [](const Survivor& a, const Survivor& b) {
      if (a.bound != b.bound) return a.bound < b.bound;
      return std::lexicographical_compare(a.items, a.items + a.size, b.items, b.items + b.size);
    });
    double weak = kInfinity;
    size_t to = 0;
    for (size_t from = 0, batch = 32; from < survivors.size(); from = to) {
      if (survivors[from].bound >= pool.cutoff()) break;
      if (stopped()) return std::min(weak, survivors[from].bound);
      to = std::min(survivors.size(), from + batch);
      batch = std::min<size_t>(1024, 2 * batch);
      std::vector<std::unique_ptr<Pool>> pools(to - from);
      std::vector<double> open(to - from, kInfinity);
      parallel_for(settings_.threads, int(to - from), [&](int i, int) {
        Survivor& s = survivors[from + i];
        if (s.bound >= pool.cutoff()) return;
        if (stopped()) {
          open[i] = s.bound;
          return;
        }
        open[i] = solve_one(s, pool, pools[i]);
      });
      for (auto& p : pools)
        if (p) pool.merge(*p);
      for (double bound : open) weak = std::min(weak, bound);
    }
    return weak;
  }

  double solve_one(Survivor& s, const Pool& incumbent, std::unique_ptr<Pool>& out) {
    sort_items(s);
    Cells cells;
    Partition::of(problem_, s.items, s.size).cells(cells);
    out = std::make_unique<Pool>(problem_);
    out->add(incumbent.best());
    out->lower_ceiling(incumbent.pool_cutoff());
    out->at(s.items, s.size);
    Lattice lattice(problem_, progress_.stop);
    const LatticeReport report = lattice.search(cells, s.items, true, s.weight, kMostLatticeNodes, *out);
    progress_.nodes.fetch_add(report.nodes);
    return report.lower_bound < out->cutoff() ? std::max(report.lower_bound, s.bound) : kInfinity;
  }

  static void sort_items(Survivor& s) {
    for (int a = 1; a < s.size; ++a)
      for (int b = a; b > 0 && s.items[b] < s.items[b - 1]; --b) {
        std::swap(s.items[b], s.items[b - 1]);
        std::swap(s.weight[b + 1], s.weight[b]);
      }
  }

  void finish(Pool& pool, double lower) {
    enter(Phase::done);
    outcome_.best = pool.best();
    const double best = pool.best().objective;
    const double open = lower;  // below it, every score was met
    if (outcome_.complete) lower = std::min(lower, best - problem_.margin);
    if (lower > -kInfinity) lower = std::max(lower, 0.0);  // no loss is negative
    outcome_.lower_bound = settings_.certify ? std::min(lower, best) : -kInfinity;
    outcome_.interrupted = progress_.interrupted.load();
    outcome_.out_of_time = progress_.out_of_time.load();
    outcome_.seconds = clock_.seconds();
    outcome_.nodes = progress_.nodes.load();
    if (!outcome_.complete) outcome_.supports_examined = progress_.supports.load();
    outcome_.pool = pool.sorted();
    outcome_.pool_cutoff = -kInfinity;
    if (settings_.certify)
      outcome_.pool_cutoff =
          std::min(pool.pool_cutoff(), problem_.pool_tolerance > 0.0 ? open : lower);
  }

  static constexpr double kMostSupports = 2e10, kMostUpdates = 2e11,
                          kLightStep = 5e6;
  static constexpr int64_t kMostLatticeNodes = 20'000'000;

  Problem problem_;
  Settings settings_;
  Progress& progress_;
  Clock clock_;
  Outcome outcome_;
};

}  // namespace rw::RW_ISA
