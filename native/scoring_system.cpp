#include "scoring_system.hpp"

#include <nanobind/ndarray.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/vector.h>

#include <algorithm>
#include <cmath>
#include <exception>
#include <memory>
#include <mutex>
#include <numeric>
#include <random>
#include <thread>
#include <unordered_map>

namespace rw::scoring_system {
namespace {

constexpr int kRounds = 200, kTuningRounds = 4;  // random changes that the heuristic tries
constexpr double kMargin = 1e-9;  // totals nearer than this share of their scale are tied

// f(thread) on every thread; the first exception is thrown again when all have ended.
template <class F>
void on_threads(int threads, std::atomic<bool>& stop, F&& f) {
  std::exception_ptr failure;
  std::mutex guard;
  auto work = [&](int thread) {
    try {
      f(thread);
    } catch (...) {
      std::lock_guard<std::mutex> lock(guard);
      if (!failure) failure = std::current_exception();
      stop = true;
    }
  };
  std::vector<std::thread> pool;
  for (int t = 1; t < threads; ++t) pool.emplace_back(work, t);
  work(0);
  for (std::thread& t : pool) t.join();
  if (failure) std::rethrow_exception(failure);
}

// Totals of a score must lie further apart than this for a threshold to stand between them.
double margin_of(const Task& task, const int* items, const int* points, size_t n) {
  bool whole = true;
  double scale = 0.0;
  for (size_t a = 0; a < n; ++a) {
    whole = whole && task.whole[size_t(items[a])];
    scale += std::abs(points[a]) * task.largest[size_t(items[a])];
  }
  return whole ? 0.5 : kMargin * scale;
}

// Sorts, adds up and scans elements.
class Scanner {
 public:
  explicit Scanner(bool integral) : integral_(integral) {}

  // Sorts by total and adds up equal totals; returns how many elements are left.
  size_t arrange(Element* e, size_t n) {
    if (n <= 1) return n;
    if (n > 16 && integral_) {
      const auto [low, high] = std::minmax_element(
          e, e + n, [](const Element& a, const Element& b) { return a.total < b.total; });
      const double span = high->total - low->total + 1.0;
      if (span <= 4.0 * double(n) + 64.0) return arrange_by_bins(e, n, low->total, size_t(span));
    }
    if (n > 16) {
      std::sort(e, e + n, [](const Element& a, const Element& b) { return a.total < b.total; });
    } else {
      for (size_t i = 1; i < n; ++i) {
        const Element moved = e[i];
        size_t at = i;
        for (; at > 0 && e[at - 1].total > moved.total; --at) e[at] = e[at - 1];
        e[at] = moved;
      }
    }
    size_t last = 0;
    for (size_t i = 1; i < n; ++i) {
      if (e[i].total == e[last].total) {
        e[last].positive += e[i].positive;
        e[last].negative += e[i].negative;
      } else {
        e[++last] = e[i];
      }
    }
    return last + 1;
  }

  struct Reading {
    int64_t violation = kNone, cost = kNone;
  };

  // The best threshold for arranged elements.
  static Reading scan(const Element* e, size_t n, const Prices& prices, double margin) {
    int64_t missed = 0, alarms = 0;
    for (size_t i = 0; i < n; ++i) alarms += e[i].negative;
    Reading best;
    for (size_t i = 0;; ++i) {
      if (i == 0 || i == n || e[i].total - e[i - 1].total > margin) {
        const int64_t violation = std::max<int64_t>(0, alarms - prices.false_positive_limit) +
                                  std::max<int64_t>(0, missed - prices.false_negative_limit);
        const int64_t cost = prices.positive_missed * missed + prices.negative_missed * alarms;
        if (violation < best.violation || (violation == best.violation && cost < best.cost))
          best = {violation, cost};
      }
      if (i == n) return best;
      missed += e[i].positive;
      alarms -= e[i].negative;
    }
  }

 private:
  size_t arrange_by_bins(Element* e, size_t n, double low, size_t span) {
    if (bins_.size() < span) bins_.resize(span, {0, 0});
    for (size_t i = 0; i < n; ++i) {
      auto& bin = bins_[size_t(e[i].total - low)];
      bin.first += e[i].positive;
      bin.second += e[i].negative;
    }
    size_t out = 0;
    for (size_t b = 0; b < span; ++b) {
      if ((bins_[b].first | bins_[b].second) == 0) continue;
      e[out++] = {low + double(b), bins_[b].first, bins_[b].second};
      bins_[b] = {0, 0};
    }
    return out;
  }

  bool integral_;
  std::vector<std::pair<int64_t, int64_t>> bins_;
};

// The best score so far, shared by the threads.
class Incumbent {
 public:
  explicit Incumbent(Progress& progress) : progress_(progress) {}

  void offer(const Score& score) {
    std::lock_guard<std::mutex> lock(guard_);
    if (!score.before(best_)) return;
    best_ = score;
    if (best_.feasible()) progress_.objective = best_.objective;
    ++version_;
  }
  void refresh(Score& copy, uint64_t& seen) {
    if (version_.load(std::memory_order_acquire) == seen) return;
    std::lock_guard<std::mutex> lock(guard_);
    copy = best_;
    seen = version_;
  }
  Score best() {
    std::lock_guard<std::mutex> lock(guard_);
    return best_;
  }

 private:
  Progress& progress_;
  std::mutex guard_;
  Score best_;
  std::atomic<uint64_t> version_{0};
};

// Cells of a few columns: the distinct rows, refined one column at a time.
class Refiner {
 public:
  // New cell of each row from the old ones and a column; returns how many cells there are.
  int refine(const int32_t* old, int old_count, const int32_t* codes, int distinct, int m,
             int32_t* fresh) {
    if (old_count == m) {
      std::copy(old, old + m, fresh);
      return m;
    }
    const int64_t keys = int64_t(old_count) * distinct;
    int count = 0;
    if (keys <= kTable) {
      if (table_.size() < size_t(keys)) table_.resize(size_t(keys), -1);
      used_.clear();
      for (int i = 0; i < m; ++i) {
        const size_t key = size_t(old[i]) * size_t(distinct) + size_t(codes[i]);
        if (table_[key] < 0) {
          table_[key] = count++;
          used_.push_back(key);
        }
        fresh[i] = table_[key];
      }
      for (size_t key : used_) table_[key] = -1;
      return count;
    }
    std::unordered_map<int64_t, int32_t> map;
    for (int i = 0; i < m; ++i)
      fresh[i] = map.try_emplace(int64_t(old[i]) * distinct + codes[i], int32_t(map.size()))
                     .first->second;
    return int(map.size());
  }

 private:
  static constexpr int64_t kTable = 1 << 22;
  std::vector<int32_t> table_;
  std::vector<size_t> used_;
};

// Smallest cost of any rule whatever that is constant on each cell.
int64_t cost_of_cells(const Task& task, const Prices& prices, const int32_t* cell, int count,
                      std::vector<int64_t>& scratch) {
  scratch.assign(2 * size_t(count), 0);
  for (int i = 0; i < task.rules.m; ++i) {
    scratch[2 * size_t(cell[i])] += task.positive[size_t(i)];
    scratch[2 * size_t(cell[i]) + 1] += task.negative[size_t(i)];
  }
  int64_t cost = prices.constant;
  for (size_t c = 0; c < scratch.size(); c += 2)
    cost += std::min(prices.positive_missed * scratch[c], prices.negative_missed * scratch[c + 1]);
  return cost;
}

// Bound for every score: the best rule on the patterns themselves.
int64_t bound_of_patterns(const Task& task, const Prices& prices) {
  int64_t cost =
      prices.constant + kScale * task.penalty * int64_t(task.indispensable().size());
  for (size_t i = 0; i < task.positive.size(); ++i)
    cost += std::min(prices.positive_missed * task.positive[i],
                     prices.negative_missed * task.negative[i]);
  return std::max<int64_t>(0, cost);
}

// Coordinate descent with exchanges of items, from several starts.
class LocalSearch {
 public:
  LocalSearch(const Task& task, const Prices& prices, Progress& progress)
      : task_(task), prices_(prices), progress_(progress), scanner_(task.integral) {}

  int64_t spent = 0;

  // Adds what the constraints ask for beside `held`; false where no addition meets them.
  bool closure(Terms& held) const {
    std::sort(held.begin(), held.end());
    std::vector<int> items;
    for (auto [item, points] : held) {
      if (!task_.usable(item)) return false;
      items.push_back(item);
    }
    const int n = int(items.size());
    if (n > task_.rules.max_terms || !task_.rules.allowed(items.data(), n)) return false;
    for (const std::vector<int>& set : task_.rules.required)
      if (!Problem::holds_any(items.data(), n, set)) return add_one_of(held, set);
    for (const auto& [first, set] : task_.rules.implications)
      if (std::find(items.begin(), items.end(), first) != items.end() &&
          !Problem::holds_any(items.data(), n, set))
        return add_one_of(held, set);
    return true;
  }

  Score evaluate(const Terms& held) {
    std::vector<double> totals(size_t(task_.rules.m), 0.0);
    for (auto [item, points] : held) shift(totals, item, points);
    std::vector<Element> e = elements(totals);
    return finish(held, e.data(), e.size());
  }

  // Improves `score` until no single change, exchange, addition or removal of a term does.
  Score descend(Score score) {
    while (!progress_.stop) {
      Terms held = pairs(score);
      Score best = score;
      if (int(held.size()) < task_.rules.max_terms) try_items(held, -1, best);
      for (size_t a = 0; a < held.size() && !progress_.stop; ++a) {
        Terms rest = held;
        rest.erase(rest.begin() + long(a));
        try_items(rest, held[a].first, best);
        Terms closed = rest;
        if (closure(closed)) improve(best, evaluate(closed));
      }
      if (!best.before(score)) break;
      score = best;
    }
    return score;
  }

  static Terms pairs(const Score& score) {
    Terms held;
    for (size_t a = 0; a < score.items.size(); ++a)
      held.emplace_back(score.items[a], score.points[a]);
    return held;
  }

 private:
  static void improve(Score& best, const Score& score) {
    if (score.before(best)) best = score;
  }

  bool add_one_of(Terms& held, const std::vector<int>& set) const {
    for (int item : set) {
      Terms more = held;
      more.emplace_back(item, task_.least_points(item));
      if (!closure(more)) continue;
      held = more;
      return true;
    }
    return false;
  }

  void shift(std::vector<double>& totals, int item, int points) const {
    const double* x = task_.column(item);
    for (size_t i = 0; i < totals.size(); ++i) totals[i] += points * x[i];
  }

  std::vector<Element> elements(const std::vector<double>& totals) const {
    std::vector<Element> e(totals.size());
    for (size_t i = 0; i < e.size(); ++i)
      e[i] = {totals[i], task_.positive[i], task_.negative[i]};
    return e;
  }

  Score finish(const Terms& held, Element* e, size_t n) {
    Score score;
    score.size = 0;
    for (auto [item, points] : held) {
      score.items.push_back(item);
      score.points.push_back(points);
      score.size += std::abs(points);
    }
    spent += 50 + int64_t(n) * (task_.integral ? 1 : 12);
    n = scanner_.arrange(e, n);
    const double margin =
        margin_of(task_, score.items.data(), score.points.data(), score.items.size());
    const auto reading = Scanner::scan(e, n, prices_, margin);
    score.violation = reading.violation;
    score.objective = reading.cost + kScale * task_.penalty * int64_t(held.size());
    return score;
  }

  // Every item at every number of points beside `rest`; `own` is the item just taken out.
  void try_items(const Terms& rest, int own, Score& best) {
    std::vector<double> base(size_t(task_.rules.m), 0.0);
    for (auto [item, points] : rest) shift(base, item, points);
    for (int j = 0; j < task_.rules.d && !progress_.stop; ++j) {
      if (j != own && std::any_of(rest.begin(), rest.end(), [&](auto& h) { return h.first == j; }))
        continue;
      Terms held = rest;
      held.emplace_back(j, task_.least_points(j));
      if (!closure(held)) continue;
      if (held.size() > rest.size() + 1) {
        improve(best, evaluate(held));
      } else {
        sweep(base, held, j, best);
      }
    }
  }

  // All points for `item`; rows that agree on the base total and the item are added up first.
  void sweep(const std::vector<double>& base, Terms& held, int item,
             Score& best) {
    spent += int64_t(base.size());
    if (!condense(base, item)) {
      const double* x = task_.column(item);
      pool_ = elements(base);
      values_.assign(x, x + base.size());
    }
    auto& own = *std::find_if(held.begin(), held.end(), [&](auto& h) { return h.first == item; });
    for (int points = task_.low(item); points <= task_.high(item); ++points) {
      if (points == 0) continue;
      own.second = points;
      work_ = pool_;
      for (size_t i = 0; i < work_.size(); ++i) work_[i].total += points * values_[i];
      improve(best, finish(held, work_.data(), work_.size()));
    }
  }

  // Adds up weights by (value of the item, base total) where that needs few bins.
  bool condense(const std::vector<double>& base, int item) {
    if (!task_.integral) return false;
    const auto [low, high] = std::minmax_element(base.begin(), base.end());
    const double first = *low, span = *high - *low + 1.0;
    const size_t kinds = size_t(task_.distinct[size_t(item)]);
    if (span * double(kinds) > 2.0 * double(base.size()) + 256.0) return false;
    const size_t width = size_t(span);
    bins_.assign(width * kinds, Element{0.0, 0, 0});
    const int32_t* code = task_.codes(item);
    const double* x = task_.column(item);
    kinds_.resize(kinds);
    for (size_t i = 0; i < base.size(); ++i) {
      Element& bin = bins_[size_t(code[i]) * width + size_t(base[i] - first)];
      bin.positive += task_.positive[i];
      bin.negative += task_.negative[i];
      kinds_[size_t(code[i])] = x[i];
    }
    pool_.clear();
    values_.clear();
    for (size_t b = 0; b < bins_.size(); ++b) {
      if ((bins_[b].positive | bins_[b].negative) == 0) continue;
      pool_.push_back({first + double(b % width), bins_[b].positive, bins_[b].negative});
      values_.push_back(kinds_[b / width]);
    }
    return true;
  }

  const Task& task_;
  const Prices prices_;
  Progress& progress_;
  Scanner scanner_;
  std::vector<Element> pool_, work_, bins_;
  std::vector<double> values_, kinds_;
};

Terms terms_of(const std::vector<int>& dense) {
  Terms held;
  for (size_t j = 0; j < dense.size(); ++j)
    if (dense[j] != 0) held.emplace_back(int(j), dense[j]);
  return held;
}

// Starts, then random changes of the best score, until the effort is spent.
Score heuristic(const Task& task, const Prices& prices, const Settings& settings, int rounds,
                const std::vector<Score>& known, Progress& progress) {
  LocalSearch local(task, prices, progress);
  Score best;
  auto from = [&](Terms held) {
    if (!local.closure(held)) return;
    const Score score = local.descend(local.evaluate(held));
    if (score.before(best)) best = score;
  };
  from({});
  for (const Score& score : known) from(LocalSearch::pairs(score));
  for (const std::vector<int>& start : task.starts) {
    if (progress.stop || local.spent > settings.effort) break;
    from(terms_of(start));
  }
  std::mt19937_64 random(settings.seed);
  auto below = [&](size_t n) { return size_t(random() % n); };
  for (int round = 0; round < rounds && !progress.stop && local.spent < settings.effort; ++round) {
    Terms held = LocalSearch::pairs(best);
    for (size_t drop = 1 + below(3); drop > 0 && !held.empty(); --drop)
      held.erase(held.begin() + long(below(held.size())));
    for (size_t add = below(3); add > 0; --add) {
      const int item = int(below(size_t(task.rules.d)));
      if (!task.usable(item)) continue;
      const int points = task.low(item) + int(below(size_t(task.high(item) - task.low(item) + 1)));
      const bool known =
          std::any_of(held.begin(), held.end(), [&](auto& h) { return h.first == item; });
      if (points != 0 && !known) held.emplace_back(item, points);
    }
    from(held);
  }
  return best;
}

// False positives (or false negatives) of the best threshold of `score` at `prices`.
std::pair<int64_t, int64_t> errors_of(const Task& task, const Prices& prices, const Score& score) {
  std::vector<Element> e(size_t(task.rules.m));
  for (size_t i = 0; i < e.size(); ++i) {
    double total = 0.0;
    for (size_t a = 0; a < score.items.size(); ++a)
      total += score.points[a] * task.column(score.items[a])[i];
    e[i] = {total, task.positive[i], task.negative[i]};
  }
  Scanner scanner(task.integral);
  const size_t n = scanner.arrange(e.data(), e.size());
  const double margin =
      margin_of(task, score.items.data(), score.points.data(), score.items.size());
  int64_t missed = 0, alarms = 0, best = kNone;
  std::pair<int64_t, int64_t> errors{0, 0};
  for (size_t i = 0; i < n; ++i) alarms += e[i].negative;
  for (size_t i = 0;; ++i) {
    const int64_t cost = prices.positive_missed * missed + prices.negative_missed * alarms;
    if ((i == 0 || i == n || e[i].total - e[i - 1].total > margin) && cost < best) {
      best = cost;
      errors = {alarms, missed};
    }
    if (i == n) return errors;
    missed += e[i].positive;
    alarms -= e[i].negative;
  }
}

// A multiplier for the limit that binds, by bisection on heuristic scores, which are added to
// `met`. Any multiplier gives a valid bound; a good one gives a tight bound.
Prices lagrangian(const Task& task, const Prices& prices, const Settings& settings,
                  std::vector<Score>& met, Progress& progress) {
  Prices free = prices;
  free.false_positive_limit = free.false_negative_limit = kNone;
  if (!prices.limited()) return free;
  auto solve = [&](const Prices& at) {
    met.push_back(heuristic(task, at, settings, kTuningRounds, {}, progress));
    return errors_of(task, at, met.back());
  };
  const auto [alarms, missed] = solve(free);
  const bool positives = alarms > prices.false_positive_limit;
  if (!positives && missed <= prices.false_negative_limit) return free;
  const int64_t limit = positives ? prices.false_positive_limit : prices.false_negative_limit;
  Prices best = free;
  int64_t best_value = 0, low = 0, high = kScale << 8;
  for (int64_t middle = kScale; high - low > low / 64 + 1 && !progress.stop;) {
    Prices at = free;
    (positives ? at.negative_missed : at.positive_missed) += middle;
    const auto errors = solve(at);
    const int64_t value = met.back().objective - middle * limit;
    if (value > best_value) {
      best = at;
      best.constant = -middle * limit;
      best_value = value;
    }
    ((positives ? errors.first : errors.second) > limit ? low : high) = middle;
    middle = high == kScale << 8 ? 2 * middle : (low + high) / 2;
  }
  return best;
}

// Depth-first search over the points of one support. After the first p items have points, rows
// that agree on the other items form a group; giving each group a threshold of its own bounds all
// completions from below.
class SupportSearch {
 public:
  SupportSearch(const Task& task, const Prices& prices, const Prices& bounding,
                Incumbent& incumbent, Progress& progress)
      : task_(task),
        prices_(prices),
        bounding_(bounding),
        incumbent_(incumbent),
        progress_(progress),
        scanner_(task.integral) {}

  // Could a score on these items, of at least this objective and size, be the new best?
  bool promising(int64_t bound, int64_t size, const std::vector<int>& items) {
    incumbent_.refresh(best_, seen_);
    if (!best_.feasible()) return true;
    if (bound != best_.objective) return bound < best_.objective;
    if (size != best_.size) return size < best_.size;
    if (items.size() != best_.items.size()) return items.size() < best_.items.size();
    return items <= best_.items;
  }

  // Returns false where it was stopped before the end.
  bool search(const std::vector<int>& items) {
    items_ = items;
    order();
    prepare();
    return descend(1, 0);
  }

 private:
  struct Level {
    int groups = 0;
    std::vector<int> source;       // first group of the level above, for each group
    std::vector<double> shift;     // value of the level's item in each group of the level above
    std::vector<int64_t> alarms;   // cost of predicting 1 for the whole group
    std::vector<int> begin;        // first element of each group
    std::vector<int64_t> cost;     // smallest cost of each group
    std::vector<Element> elements;
    int64_t bound = 0;
  };

  size_t terms() const { return items_.size(); }

  // Items with many values first: few groups are then left to bound with.
  void order() {
    order_ = items_;
    std::vector<int64_t> alone(size_t(task_.rules.d));
    for (int j : items_)
      alone[size_t(j)] = cost_of_cells(task_, bounding_, task_.codes(j),
                                       task_.distinct[size_t(j)], scratch_);
    std::sort(order_.begin(), order_.end(), [&](int a, int b) {
      const int da = task_.distinct[size_t(a)], db = task_.distinct[size_t(b)];
      return std::tie(db, alone[size_t(a)], a) < std::tie(da, alone[size_t(b)], b);
    });
    points_.assign(terms(), 0);
    remaining_.assign(terms() + 1, 0);
    for (size_t p = terms(); p-- > 0;) remaining_[p] = remaining_[p + 1] + task_.least(order_[p]);
  }

  // Cells sorted so that the groups of every level are neighbours.
  void prepare() {
    const int m = task_.rules.m;
    cell_.assign(size_t(m), 0);
    int count = 1;
    for (int j : order_)
      count = refiner_.refine(cell_.data(), count, task_.codes(j), task_.distinct[size_t(j)], m,
                              cell_.data());
    std::vector<Element> weight(size_t(count), Element{0.0, 0, 0});
    std::vector<int> row(size_t(count), 0), sorted(size_t(count), 0);
    for (int i = 0; i < m; ++i) {
      Element& e = weight[size_t(cell_[size_t(i)])];
      e.positive += task_.positive[size_t(i)];
      e.negative += task_.negative[size_t(i)];
      row[size_t(cell_[size_t(i)])] = i;
    }
    std::iota(sorted.begin(), sorted.end(), 0);
    std::sort(sorted.begin(), sorted.end(), [&](int a, int b) {
      for (size_t p = terms(); p-- > 0;) {
        const int32_t* code = task_.codes(order_[p]);
        const int32_t ca = code[row[size_t(a)]], cb = code[row[size_t(b)]];
        if (ca != cb) return ca < cb;
      }
      return false;
    });
    levels_.resize(std::max(levels_.size(), terms() + 1));
    std::vector<int> rows(size_t(count), 0);
    Level& first = levels_[0];
    first.groups = count;
    first.elements.resize(size_t(count));
    first.begin.resize(size_t(count) + 1);
    first.cost.resize(size_t(count));
    first.alarms.resize(size_t(count));
    first.bound = bounding_.constant + kScale * task_.penalty * int64_t(terms());
    for (size_t c = 0; c < size_t(count); ++c) {
      const Element& e = first.elements[c] = weight[size_t(sorted[c])];
      rows[c] = row[size_t(sorted[c])];
      first.begin[c] = int(c);
      first.alarms[c] = bounding_.negative_missed * e.negative;
      first.cost[c] = std::min(first.alarms[c], bounding_.positive_missed * e.positive);
      first.bound += first.cost[c];
    }
    first.begin[size_t(count)] = count;
    for (size_t p = 1; p <= terms(); ++p) link(p, rows);
  }

  // Groups of level p from those of level p - 1; `rows` holds a row of each group.
  void link(size_t p, std::vector<int>& rows) {
    Level& level = levels_[p];
    const Level& above = levels_[p - 1];
    level.source.clear();
    level.alarms.clear();
    level.shift.resize(rows.size());
    std::vector<int> kept;
    for (size_t g = 0; g < rows.size(); ++g) {
      level.shift[g] = task_.column(order_[p - 1])[rows[g]];
      bool fresh = kept.empty();
      for (size_t q = p; q < terms() && !fresh; ++q)
        fresh = task_.codes(order_[q])[rows[g]] != task_.codes(order_[q])[kept.back()];
      if (fresh) {
        kept.push_back(rows[g]);
        level.source.push_back(int(g));
        level.alarms.push_back(0);
      }
      level.alarms.back() += above.alarms[g];
    }
    level.groups = int(kept.size());
    level.source.push_back(int(rows.size()));
    level.begin.assign(kept.size() + 1, 0);
    level.cost.assign(kept.size(), 0);
    level.elements.resize(levels_[0].elements.size());
    rows = kept;
  }

  bool descend(size_t p, int64_t size) {
    const int item = order_[p - 1];
    const int reach = std::max(std::abs(task_.low(item)), std::abs(task_.high(item)));
    for (int magnitude = task_.least(item); magnitude <= reach; ++magnitude) {
      for (int points : {magnitude, -magnitude}) {
        if (points < task_.low(item) || points > task_.high(item)) continue;
        if (progress_.stop.load(std::memory_order_relaxed)) return false;
        points_[p - 1] = points;
        if (p == terms()) {
          leaf(size + magnitude);
        } else if (build(p, size + magnitude) && !descend(p + 1, size + magnitude)) {
          return false;
        }
      }
    }
    return true;
  }

  // Elements and bound of level p; false where no completion can be the new best.
  bool build(size_t p, int64_t size) {
    const Level& above = levels_[p - 1];
    Level& level = levels_[p];
    const int64_t least = size + remaining_[p];
    level.bound = above.bound;
    size_t out = 0;
    ++nodes_;
    for (size_t g = 0; g < size_t(level.groups); ++g) {
      const size_t first = out;
      const size_t begin = size_t(level.source[g]), end = size_t(level.source[g + 1]);
      level.begin[g] = int(first);
      out = gather(p, begin, end, first);
      if (end - begin == 1) {
        level.cost[g] = above.cost[begin];
        continue;
      }
      out = first + scanner_.arrange(&level.elements[first], out - first);
      int64_t cost = level.alarms[g];
      level.cost[g] = cost;
      for (size_t i = first; i < out; ++i) {
        const Element& e = level.elements[i];
        cost += bounding_.positive_missed * e.positive - bounding_.negative_missed * e.negative;
        level.cost[g] = std::min(level.cost[g], cost);
      }
      level.bound += level.cost[g];
      for (size_t s = begin; s < end; ++s) level.bound -= above.cost[s];
      if (!promising(level.bound, least, items_)) return false;
    }
    level.begin[size_t(level.groups)] = int(out);
    return promising(level.bound, least, items_);
  }

  // Elements of groups [begin, end) of the level above, shifted by the points of item p.
  size_t gather(size_t p, size_t begin, size_t end, size_t out) {
    const Level& above = levels_[p - 1];
    Level& level = levels_[p];
    for (size_t s = begin; s < end; ++s) {
      const double shift = points_[p - 1] * level.shift[s];
      for (int i = above.begin[s]; i < above.begin[s + 1]; ++i) {
        const Element& e = above.elements[size_t(i)];
        level.elements[out++] = {e.total + shift, e.positive, e.negative};
      }
    }
    return out;
  }

  void leaf(int64_t size) {
    if (!promising(levels_[terms() - 1].bound, size, items_) || reducible()) return;
    ++nodes_;
    Level& level = levels_[terms()];
    size_t n = gather(terms(), 0, size_t(level.source[1]), 0);
    n = scanner_.arrange(level.elements.data(), n);
    const double margin = margin_of(task_, order_.data(), points_.data(), terms());
    const auto reading = Scanner::scan(level.elements.data(), n, prices_, margin);
    Score score;
    score.violation = reading.violation;
    score.objective = reading.cost + kScale * task_.penalty * int64_t(terms());
    score.size = size;
    if (std::tie(score.violation, score.objective, size) >
        std::tie(best_.violation, best_.objective, best_.size))
      return;
    score.items = items_;
    for (int item : items_)
      score.points.push_back(
          points_[size_t(std::find(order_.begin(), order_.end(), item) - order_.begin())]);
    incumbent_.offer(score);
  }

  // The same score in smaller points is met elsewhere.
  bool reducible() const {
    int divisor = 0;
    for (int points : points_) divisor = std::gcd(divisor, points);
    if (divisor == 1) return false;
    for (size_t p = 0; p < terms(); ++p) {
      const int reduced = points_[p] / divisor, item = order_[p];
      if (reduced < task_.low(item) || reduced > task_.high(item)) return false;
    }
    return true;
  }

 public:
  void publish() {
    progress_.nodes += nodes_;
    nodes_ = 0;
  }

 private:
  const Task& task_;
  const Prices prices_, bounding_;
  Incumbent& incumbent_;
  Progress& progress_;
  Scanner scanner_;
  Refiner refiner_;
  Score best_;
  uint64_t seen_ = 0;
  int64_t nodes_ = 0;
  std::vector<int> items_, order_, points_;
  std::vector<int64_t> remaining_, scratch_;
  std::vector<int32_t> cell_;
  std::vector<Level> levels_;
};

// Supports whose bound left them open, items in rows of equal length padded with -1.
struct Pending {
  size_t stride = 0;
  std::vector<int64_t> bound;
  std::vector<int> items;

  void add(int64_t b, const std::vector<int>& support) {
    bound.push_back(b);
    items.insert(items.end(), support.begin(), support.end());
    items.resize(bound.size() * stride, -1);
  }
  std::vector<int> support(size_t at) const {
    auto begin = items.begin() + long(at * stride), end = begin + long(stride);
    return std::vector<int>(begin, std::find(begin, end, -1));
  }
  std::vector<size_t> sorted() const {
    std::vector<size_t> index(bound.size());
    std::iota(index.begin(), index.end(), size_t(0));
    std::sort(index.begin(), index.end(), [&](size_t a, size_t b) {
      if (bound[a] != bound[b]) return bound[a] < bound[b];
      return std::lexicographical_compare(
          items.begin() + long(a * stride), items.begin() + long((a + 1) * stride),
          items.begin() + long(b * stride), items.begin() + long((b + 1) * stride));
    });
    return index;
  }
};

// Bounds all supports by the best rule on their cells, then searches those left open, lowest first.
class Certifier {
 public:
  Certifier(const Task& task, const Prices& prices, const Prices& bounding,
            const Settings& settings, Incumbent& incumbent, Progress& progress)
      : task_(task),
        settings_(settings),
        progress_(progress),
        bounding_(bounding),
        base_(task.indispensable()) {
    const size_t width = size_t(std::max(1, task.rules.max_terms));
    for (int t = 0; t < settings.threads; ++t) {
      workers_.push_back(std::make_unique<Worker>(task, prices, bounding, incumbent, progress));
      workers_.back()->pending.stride = width;
    }
    for (int j = 0; j < task.rules.d; ++j)
      if (task.usable(j) && std::find(base_.begin(), base_.end(), j) == base_.end())
        free_.push_back(j);
    for (int j = 0; j < task.rules.d; ++j) unusual_.push_back(unusual_rows(j));
  }

  // True when every support was searched or excluded; `lower_bound` then is the incumbent's.
  bool run() {
    progress_.lower_bound = bound_of_patterns(task_, bounding_);
    if (!enumerate()) return false;
    Pending open;
    open.stride = workers_[0]->pending.stride;
    for (auto& worker : workers_) {
      open.bound.insert(open.bound.end(), worker->pending.bound.begin(),
                        worker->pending.bound.end());
      open.items.insert(open.items.end(), worker->pending.items.begin(),
                        worker->pending.items.end());
    }
    return search(open);
  }

 private:
  static constexpr size_t kPending = size_t(1) << 20;

  struct Worker {
    Worker(const Task& task, const Prices& prices, const Prices& bounding, Incumbent& incumbent,
           Progress& progress)
        : search(task, prices, bounding, incumbent, progress) {}
    SupportSearch search;
    Refiner refiner;
    Pending pending;
    std::vector<std::vector<int32_t>> cell;     // of each row, at each depth
    std::vector<std::vector<int64_t>> totals;   // positive and negative weight of each cell
    std::vector<int64_t> scratch;
    std::vector<int> items;
  };
  struct Unusual {
    int32_t usual = 0;      // code of the value that most rows have
    std::vector<int> rows;  // the others
  };

  Unusual unusual_rows(int item) const {
    const int32_t* code = task_.codes(item);
    std::vector<int> rows(size_t(task_.distinct[size_t(item)]), 0);
    for (int i = 0; i < task_.rules.m; ++i) ++rows[size_t(code[i])];
    Unusual unusual;
    unusual.usual = int32_t(std::max_element(rows.begin(), rows.end()) - rows.begin());
    for (int i = 0; i < task_.rules.m; ++i)
      if (code[i] != unusual.usual) unusual.rows.push_back(i);
    return unusual;
  }

  // Unit 0 is the indispensable items alone; every other unit starts with one or two free items.
  bool enumerate() {
    const int64_t n = int64_t(free_.size()), units = 1 + n + n * (n - 1) / 2;
    std::atomic<int64_t> next{0};
    on_threads(settings_.threads, progress_.stop, [&](int thread) {
      Worker& w = *workers_[size_t(thread)];
      w.cell.resize(size_t(task_.rules.max_terms) + 2);
      w.totals.resize(w.cell.size());
      for (auto& cell : w.cell) cell.resize(size_t(task_.rules.m));
      for (int64_t unit; (unit = next.fetch_add(1)) < units && !progress_.stop;) visit(w, unit);
    });
    return !progress_.stop;
  }

  void visit(Worker& w, int64_t unit) {
    const int64_t n = int64_t(free_.size());
    w.items = base_;
    std::fill(w.cell[0].begin(), w.cell[0].end(), 0);
    int count = 1;
    add_up(w, 0, count);
    for (int item : w.items) count = split(w, 0, 0, count, item);
    if (unit == 0) {
      note(w, cost_of_cells(w, 0));
    } else if (unit <= n) {
      extend(w, 0, count, size_t(unit - 1), false);
    } else {
      int64_t first = 0, rank = unit - 1 - n;
      while (rank >= n - 1 - first) rank -= n - 1 - first++;
      const int item = free_[size_t(first)];
      w.items.push_back(item);
      if (allowed(w)) {
        count = split(w, 0, 1, count, item);
        extend(w, 1, count, size_t(first + 1 + rank), true);
      }
      w.items.pop_back();
    }
  }

  int split(Worker& w, size_t from, size_t to, int count, int item) {
    count = w.refiner.refine(w.cell[from].data(), count, task_.codes(item),
                             task_.distinct[size_t(item)], task_.rules.m, w.cell[to].data());
    add_up(w, to, count);
    return count;
  }

  void add_up(Worker& w, size_t depth, int count) {
    w.totals[depth].assign(2 * size_t(count), 0);
    for (size_t i = 0; i < task_.positive.size(); ++i) {
      w.totals[depth][2 * size_t(w.cell[depth][i])] += task_.positive[i];
      w.totals[depth][2 * size_t(w.cell[depth][i]) + 1] += task_.negative[i];
    }
  }

  bool allowed(const Worker& w) const {
    return int(w.items.size()) <= task_.rules.max_terms &&
           task_.rules.allowed(w.items.data(), int(w.items.size()));
  }

  // The support with free item `at` added and, if `deep`, all that add later items to it.
  void extend(Worker& w, size_t depth, int count, size_t at, bool deep) {
    const int item = free_[at];
    w.items.push_back(item);
    if (allowed(w) && !progress_.stop.load(std::memory_order_relaxed)) {
      const bool more = deep && int(w.items.size()) < task_.rules.max_terms;
      const bool few = int64_t(count) * task_.distinct[size_t(item)] <= 2 * task_.rules.m + 64;
      const int cells = more || !few ? split(w, depth, depth + 1, count, item) : 0;
      note(w, few ? cost_with(w, depth, count, item) : cost_of_cells(w, depth + 1));
      if (more) {
        for (size_t later = at + 1; later < free_.size(); ++later)
          extend(w, depth + 1, cells, later, true);
      }
    }
    w.items.pop_back();
  }

  int64_t cost_of_cells(const Worker& w, size_t depth) const {
    const std::vector<int64_t>& totals = w.totals[depth];
    int64_t cost = bounding_.constant;
    for (size_t c = 0; c < totals.size(); c += 2)
      cost += std::min(bounding_.positive_missed * totals[c],
                       bounding_.negative_missed * totals[c + 1]);
    return cost;
  }

  // Cost of the cells at `depth` divided by one more item. Only the rows off the item's usual value
  // are visited; the rest of each cell is what remains of it.
  int64_t cost_with(Worker& w, size_t depth, int count, int item) {
    const Unusual& unusual = unusual_[size_t(item)];
    const size_t kinds = size_t(task_.distinct[size_t(item)]);
    const int32_t *cell = w.cell[depth].data(), *code = task_.codes(item);
    w.scratch.assign(2 * size_t(count) * kinds, 0);
    for (int c = 0; c < count; ++c) {
      const size_t usual = 2 * (size_t(c) * kinds + size_t(unusual.usual));
      w.scratch[usual] = w.totals[depth][2 * size_t(c)];
      w.scratch[usual + 1] = w.totals[depth][2 * size_t(c) + 1];
    }
    for (int row : unusual.rows) {
      const int64_t positive = task_.positive[size_t(row)], negative = task_.negative[size_t(row)];
      int64_t* bins = w.scratch.data() + 2 * size_t(cell[row]) * kinds;
      bins[2 * code[row]] += positive;
      bins[2 * code[row] + 1] += negative;
      bins[2 * unusual.usual] -= positive;
      bins[2 * unusual.usual + 1] -= negative;
    }
    int64_t cost = bounding_.constant;
    for (size_t c = 0; c < w.scratch.size(); c += 2)
      cost += std::min(bounding_.positive_missed * w.scratch[c],
                       bounding_.negative_missed * w.scratch[c + 1]);
    return cost;
  }

  void note(Worker& w, int64_t cost) {
    if (!task_.rules.complete(w.items.data(), int(w.items.size()))) return;
    progress_.bounded.fetch_add(1, std::memory_order_relaxed);
    if (w.items.empty()) return;
    const int64_t bound = cost + kScale * task_.penalty * int64_t(w.items.size());
    int64_t least = 0;
    for (int item : w.items) least += task_.least(item);
    std::vector<int> items = w.items;
    std::sort(items.begin(), items.end());
    if (!w.search.promising(bound, least, items)) return;
    w.pending.add(bound, items);
    if (w.pending.bound.size() >= kPending) drain(w);
  }

  // Makes room: searches what has gathered before more supports are bounded.
  void drain(Worker& w) {
    for (size_t at : w.pending.sorted())
      if (!visit_support(w, w.pending, at)) return;
    w.pending.bound.clear();
    w.pending.items.clear();
  }

  bool visit_support(Worker& w, const Pending& open, size_t at) {
    const std::vector<int> items = open.support(at);
    int64_t least = 0;
    for (int item : items) least += task_.least(item);
    if (!w.search.promising(open.bound[at], least, items)) return true;
    const bool ended = w.search.search(items);
    w.search.publish();
    progress_.searched.fetch_add(ended, std::memory_order_relaxed);
    return ended;
  }

  bool search(const Pending& open) {
    const std::vector<size_t> order = open.sorted();
    std::mutex guard;
    size_t next = 0;
    std::vector<int64_t> current(size_t(settings_.threads), kNone);  // bounds being worked on
    on_threads(settings_.threads, progress_.stop, [&](int thread) {
      Worker& w = *workers_[size_t(thread)];
      for (bool ended = true; ended;) {
        size_t at;
        {
          std::lock_guard<std::mutex> lock(guard);
          if (next >= order.size() || progress_.stop) {
            if (next >= order.size()) current[size_t(thread)] = kNone;
            return;
          }
          at = order[next++];
          current[size_t(thread)] = open.bound[at];
          progress_.lower_bound = *std::min_element(current.begin(), current.end());
        }
        ended = visit_support(w, open, at);
      }
    });
    return !progress_.stop;
  }

  const Task& task_;
  const Settings& settings_;
  Progress& progress_;
  const Prices bounding_;
  std::vector<std::unique_ptr<Worker>> workers_;
  const std::vector<int> base_;  // items of every support
  std::vector<int> free_;
  std::vector<Unusual> unusual_;
};

}  // namespace

Outcome solve(const Task& task, const Settings& settings, Progress& progress) {
  Prices prices;
  prices.negative_missed = task.count_false_positives ? kScale : 0;
  prices.positive_missed = task.count_false_negatives ? kScale : 0;
  prices.false_positive_limit = task.false_positive_limit;
  prices.false_negative_limit = task.false_negative_limit;
  progress.lower_bound = bound_of_patterns(task, prices);
  Incumbent incumbent(progress);
  LocalSearch local(task, prices, progress);
  Terms least;
  if (!local.closure(least)) return Outcome();
  incumbent.offer(local.evaluate(least));
  for (const std::vector<int>& start : task.starts) {
    Terms held = terms_of(start);
    if (local.closure(held)) incumbent.offer(local.evaluate(held));
  }
  std::vector<Score> met;
  const Prices bounding = lagrangian(task, prices, settings, met, progress);
  if (settings.effort > 0)
    incumbent.offer(heuristic(task, prices, settings, kRounds, met, progress));
  Outcome outcome;
  if (settings.certify && !progress.stop && incumbent.best().feasible()) {
    outcome.complete = Certifier(task, prices, bounding, settings, incumbent, progress).run();
  }
  outcome.best = incumbent.best();
  outcome.lower_bound = progress.lower_bound;
  if (outcome.best.feasible())
    outcome.lower_bound = outcome.complete
                              ? outcome.best.objective
                              : std::min(outcome.lower_bound, outcome.best.objective);
  return outcome;
}

namespace {

namespace nb = nanobind;
using Numbers = nb::ndarray<const double, nb::ndim<2>, nb::f_contig, nb::device::cpu>;
using Weights = nb::ndarray<const int64_t, nb::ndim<1>, nb::c_contig, nb::device::cpu>;
using Integers = std::vector<int>;

// Ranks of the values of each column, and what the search asks of them.
void read_columns(Task& task, const double* values) {
  const size_t m = size_t(task.rules.m), d = size_t(task.rules.d);
  task.value.assign(values, values + m * d);
  task.code.resize(m * d);
  task.integral = true;
  std::vector<double> sorted;
  for (size_t j = 0; j < d; ++j) {
    const double* x = task.column(int(j));
    sorted.assign(x, x + m);
    std::sort(sorted.begin(), sorted.end());
    sorted.erase(std::unique(sorted.begin(), sorted.end()), sorted.end());
    for (size_t i = 0; i < m; ++i)
      task.code[j * m + i] =
          int32_t(std::lower_bound(sorted.begin(), sorted.end(), x[i]) - sorted.begin());
    task.distinct.push_back(int(sorted.size()));
    task.largest.push_back(std::max(std::abs(sorted.front()), std::abs(sorted.back())));
    bool whole = task.largest.back() < 1e9;
    for (double v : sorted) whole = whole && v == std::floor(v);
    task.whole.push_back(whole);
    task.integral = task.integral && whole;
  }
}

// Holds a task while it is searched, so that another thread can watch and stop it.
class Search {
 public:
  Search(Numbers values, Weights positive, Weights negative, Integers low, Integers high,
         Integers feature, int max_terms, int max_features, int64_t penalty, std::vector<Integers> required, std::vector<std::pair<Integers, int>> groups,
         std::vector<std::pair<int, Integers>> implications) {
    Problem& rules = task_.rules;
    rules.m = int(values.shape(0));
    rules.d = int(values.shape(1));
    const size_t d = size_t(rules.d), m = size_t(rules.m);
    if (m == 0 || positive.size() != m || negative.size() != m || low.size() != d ||
        high.size() != d || feature.size() != d)
      throw std::invalid_argument("arrays of different lengths");
    rules.low.assign(low.begin(), low.end());
    rules.high.assign(high.begin(), high.end());
    rules.feature = std::move(feature);
    rules.max_terms = std::min(max_terms, rules.d);
    rules.max_features = max_features;
    rules.required = std::move(required);
    for (auto& [items, at_most] : groups) rules.groups.push_back({items, at_most});
    rules.implications = std::move(implications);
    task_.positive.assign(positive.data(), positive.data() + m);
    task_.negative.assign(negative.data(), negative.data() + m);
    task_.penalty = penalty;
    read_columns(task_, values.data());
  }

  void limit(int64_t false_positives, int64_t false_negatives) {
    task_.false_positive_limit = false_positives < 0 ? kNone : false_positives;
    task_.false_negative_limit = false_negatives < 0 ? kNone : false_negatives;
  }
  void count(bool false_positives, bool false_negatives) {
    task_.count_false_positives = false_positives;
    task_.count_false_negatives = false_negatives;
  }
  void start_from(std::vector<std::vector<int>> starts) { task_.starts = std::move(starts); }

  void run(int threads, bool certify, uint64_t seed, int64_t effort) {
    Settings settings;
    settings.threads = std::max(1, threads);
    settings.certify = certify;
    settings.seed = seed;
    settings.effort = effort;
    outcome_ = solve(task_, settings, progress_);
  }
  void stop() { progress_.stop = true; }

  nb::dict progress() const {
    nb::dict d;
    const int64_t objective = progress_.objective;
    d["objective"] = objective == kNone ? nb::object(nb::none()) : nb::cast(objective);
    d["lower_bound"] = int64_t(progress_.lower_bound);
    d["bounded"] = int64_t(progress_.bounded);
    d["searched"] = int64_t(progress_.searched);
    d["nodes"] = int64_t(progress_.nodes);
    return d;
  }
  nb::dict result() const {
    nb::dict d = progress();
    d["items"] = outcome_.best.items;
    d["points"] = outcome_.best.points;
    d["found"] = outcome_.best.violation != kNone;
    d["feasible"] = outcome_.best.feasible();
    d["objective"] = outcome_.best.objective;
    d["lower_bound"] = outcome_.lower_bound;
    d["complete"] = outcome_.complete;
    return d;
  }

 private:
  Task task_;
  Progress progress_;
  Outcome outcome_;
};

}  // namespace
}  // namespace rw::scoring_system

void bind_scoring_system(nanobind::module_& module) {
  namespace nb = nanobind;
  using rw::scoring_system::Search;
  using namespace nb::literals;
  nb::class_<Search>(module, "ScoringSystemSearch")
      .def(nb::init<rw::scoring_system::Numbers, rw::scoring_system::Weights,
                    rw::scoring_system::Weights, std::vector<int>, std::vector<int>,
                    std::vector<int>, int, int, int64_t, std::vector<std::vector<int>>,
                    std::vector<std::pair<std::vector<int>, int>>,
                    std::vector<std::pair<int, std::vector<int>>>>(),
           "values"_a, "positive"_a, "negative"_a, "low"_a, "high"_a, "feature"_a, "max_terms"_a,
           "max_features"_a, "penalty"_a, "required"_a, "groups"_a, "implications"_a)
      .def("limit", &Search::limit, "false_positives"_a, "false_negatives"_a)
      .def("count", &Search::count, "false_positives"_a, "false_negatives"_a)
      .def("start_from", &Search::start_from, "starts"_a)
      .def("run", &Search::run, "threads"_a, "certify"_a, "seed"_a, "effort"_a,
           nb::call_guard<nb::gil_scoped_release>())
      .def("stop", &Search::stop)
      .def("progress", &Search::progress)
      .def("result", &Search::result);
  module.attr("scoring_system_scale") = rw::scoring_system::kScale;
}
