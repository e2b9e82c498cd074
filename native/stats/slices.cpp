// Parts of a table: the worst conjunctions by joint histograms, and areas under the ROC curve of
// every group and of the rows outside of it.
#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <exception>
#include <mutex>
#include <numeric>
#include <thread>

#include "../arrays.hpp"
#include "variants.hpp"

namespace {

using rw::Array;
using std::size_t;

// ---- slices -----------------------------------------------------------------------------------

constexpr int kMostDepth = 6;
constexpr size_t kBlock = 2048;

struct Cell {
  double sum = 0, rows = 0;
  double weight() const { return rows; }
};

struct WeightedCell {
  double sum = 0, rows = 0, total = 0;
  double weight() const { return total; }
};

using Conditions = std::array<int32_t, 2 * kMostDepth>;  // column, value, ... then -1

struct Candidate {
  double score, sum, rows, weight;
  int size;
  Conditions conditions;

  bool before(const Candidate& other) const {
    if (score != other.score) return score > other.score;
    if (size != other.size) return size < other.size;
    return conditions < other.conditions;
  }
};

struct Excluded {
  bool nested;  // drop what implies or is implied by it; else only what equals it
  int size = 0;
  Conditions conditions;

  bool covers(const Candidate& c) const {
    if (!nested) return size == c.size && conditions == c.conditions;
    const Conditions &few = size <= c.size ? conditions : c.conditions,
                     &many = size <= c.size ? c.conditions : conditions;
    const int a = std::min(size, c.size), b = std::max(size, c.size);
    for (int i = 0; i < a; ++i) {
      bool found = false;
      for (int j = 0; j < b; ++j)
        found |= few[2 * i] == many[2 * j] && few[2 * i + 1] == many[2 * j + 1];
      if (!found) return false;
    }
    return true;
  }
};

struct Rule {
  double alpha, mean, total, min_rows, least_weight, largest_loss;

  double score(double weight, double sum) const {
    return alpha * (sum / weight / mean - 1) - (1 - alpha) * (total / weight - 1);
  }

  // Highest score of rows whose weight and sum of losses are at most these.
  double bound(double weight, double sum) const {
    const double least = std::min(least_weight, weight);
    const double full = std::clamp(sum / largest_loss, least, weight);
    double best = -INFINITY;
    for (double w : {least, full, weight})
      best = std::max(best, score(w, std::min(sum, w * largest_loss)));
    return best;
  }
};

// The best candidates so far; `threshold` is the score that a new one has to reach.
class Pool {
 public:
  Pool(size_t capacity, std::vector<Excluded> excluded)
      : capacity_(capacity), excluded_(std::move(excluded)) {}

  double threshold() const { return threshold_.load(std::memory_order_relaxed); }

  void offer(const Candidate& c) {
    for (const Excluded& e : excluded_)
      if (e.covers(c)) return;
    std::lock_guard lock(mutex_);
    auto worse = [](const Candidate& a, const Candidate& b) { return a.before(b); };
    heap_.push_back(c);
    std::push_heap(heap_.begin(), heap_.end(), worse);
    if (heap_.size() > capacity_) {
      std::pop_heap(heap_.begin(), heap_.end(), worse);
      heap_.pop_back();
    }
    if (heap_.size() == capacity_) threshold_ = heap_.front().score;
  }

  std::vector<Candidate> sorted() {
    std::sort(heap_.begin(), heap_.end(), [](auto& a, auto& b) { return a.before(b); });
    return heap_;
  }

 private:
  size_t capacity_;
  std::vector<Excluded> excluded_;
  std::vector<Candidate> heap_;
  std::mutex mutex_;
  std::atomic<double> threshold_{0.0};
};

// Tells Python how far the work is, five times a second at most, from the thread that called.
// What Python raises (an interrupt, say) stops the work; `rethrow` raises it once all is at rest.
class Teller {
 public:
  Teller(nb::object progress, size_t total) : progress_(std::move(progress)), total_(total) {}

  bool stopped() const { return stopped_.load(std::memory_order_relaxed); }
  void add() { done_.fetch_add(1, std::memory_order_relaxed); }

  void tell() {
    const auto now = std::chrono::steady_clock::now();
    if (now - last_ < std::chrono::milliseconds(200)) return;
    last_ = now;
    nb::gil_scoped_acquire held;
    try {
      if (PyErr_CheckSignals() != 0) throw nb::python_error();
      if (!progress_.is_none()) progress_(done_.load(), total_);
    } catch (...) {
      raised_ = std::current_exception();
      stopped_ = true;
    }
  }

  void rethrow() const {
    if (raised_) std::rethrow_exception(raised_);
  }

 private:
  nb::object progress_;
  size_t total_;
  std::atomic<size_t> done_{0};
  std::atomic<bool> stopped_{false};
  std::chrono::steady_clock::time_point last_{};
  std::exception_ptr raised_;
};

template <class F>
void in_parallel(int threads, size_t n, F&& work, Teller* teller = nullptr) {
  std::atomic<size_t> next{0};
  auto loop = [&](bool tells) {
    for (size_t i; (i = next.fetch_add(1)) < n;) {
      if (teller && teller->stopped()) return;
      work(i);
      if (teller) teller->add();
      if (teller && tells) teller->tell();
    }
  };
  std::vector<std::thread> pool;
  for (int t = 1; t < threads && size_t(t) < n; ++t) pool.emplace_back(loop, false);
  loop(true);
  for (std::thread& thread : pool) thread.join();
}

// Combinations that are counted once, or bounded and counted: what a search has to do.
size_t steps(size_t d, int depth) {
  double all = 0, chosen = 1;
  for (int size = 1; size <= depth && size_t(size) <= d; ++size) {
    chosen = chosen * double(d - size_t(size) + 1) / size;
    all += size <= 2 ? chosen : 2 * chosen;
  }
  return size_t(all + 0.5);
}

template <class Code, class C>
class Search {
 public:
  using Columns = std::vector<int>;

  Search(const Code* codes, size_t n, std::vector<int64_t> cards, const double* loss,
         const double* weight, Rule rule, Pool& pool, Teller& teller, int threads)
      : codes_(codes), n_(n), cards_(std::move(cards)), loss_(loss), weight_(weight), rule_(rule),
        pool_(pool), teller_(teller), threads_(threads) {}

  // Number of conjunctions whose every pair of conditions holds in enough rows.
  int64_t run(int depth) {
    const int d = int(cards_.size());
    pairs_.resize(size_t(d) * d);
    int64_t examined = 0;
    for (int size = 1; size <= std::min(depth, d) && !teller_.stopped(); ++size)
      examined += size <= 2 ? few(size) : many(size);
    return examined;
  }

 private:
  std::vector<Columns> combinations(int size) const {
    std::vector<Columns> all;
    Columns chosen(size);
    std::iota(chosen.begin(), chosen.end(), 0);
    const int d = int(cards_.size());
    for (;;) {
      all.push_back(chosen);
      int i = size - 1;
      while (i >= 0 && chosen[i] == d - size + i) --i;
      if (i < 0) return all;
      ++chosen[i];
      for (int j = i + 1; j < size; ++j) chosen[j] = chosen[j - 1] + 1;
    }
  }

  size_t cells(const Columns& columns) const {
    size_t product = 1;
    for (int c : columns) product *= size_t(cards_[c]);
    return product;
  }

  std::vector<C> count(const Columns& columns) const {
    std::vector<C> cell(cells(columns));
    uint32_t place[kBlock];
    for (size_t start = 0; start < n_; start += kBlock) {
      const size_t rows = std::min(kBlock, n_ - start);
      std::fill_n(place, rows, 0u);
      for (int c : columns) {
        const Code* code = codes_ + size_t(c) * n_ + start;
        const uint32_t card = uint32_t(cards_[c]);
        for (size_t i = 0; i < rows; ++i) place[i] = place[i] * card + code[i];
      }
      for (size_t i = 0; i < rows; ++i) {
        C& at = cell[place[i]];
        if constexpr (std::is_same_v<C, Cell>) {
          at.sum += loss_[start + i];
        } else {
          at.sum += weight_[start + i] * loss_[start + i];
          at.total += weight_[start + i];
        }
        at.rows += 1;
      }
    }
    return cell;
  }

  // Singles and pairs are counted all, and pairs kept to bound what lies below them.
  int64_t few(int size) {
    const std::vector<Columns> all = combinations(size);
    std::atomic<int64_t> examined{0};
    in_parallel(threads_, all.size(), [&](size_t k) {
      std::vector<C> cell = count(all[k]);
      examined += offer(all[k], cell);
      if (size == 2) pairs_[size_t(all[k][0]) * cards_.size() + all[k][1]] = std::move(cell);
    }, &teller_);
    return examined;
  }

  int64_t many(int size) {
    const std::vector<Columns> all = combinations(size);
    std::vector<double> bound(all.size());
    std::atomic<int64_t> possible{0};
    in_parallel(threads_, all.size(), [&](size_t k) {
      int64_t found = 0;
      bound[k] = highest(all[k], found);
      possible += found;
    }, &teller_);
    std::vector<size_t> order(all.size());
    std::iota(order.begin(), order.end(), size_t{0});
    std::stable_sort(order.begin(), order.end(),
                     [&](size_t a, size_t b) { return bound[a] > bound[b]; });
    in_parallel(threads_, all.size(), [&](size_t k) {
      const double best = bound[order[k]], needed = pool_.threshold();
      if (best < needed - 1e-9 * std::max(1.0, needed) || best <= 0) return;
      offer(all[order[k]], count(all[order[k]]));
    }, &teller_);
    return possible;
  }

  double highest(const Columns& columns, int64_t& possible) const {
    const int size = int(columns.size());
    std::vector<int32_t> value(size, 0);
    double best = -INFINITY;
    int place = 0;
    // Depth first over the values, so that a pair with too few rows ends its branch at once.
    std::vector<double> weight(size + 1, INFINITY), sum(size + 1, INFINITY);
    while (place >= 0) {
      if (value[place] == cards_[columns[place]]) {
        value[place] = 0;
        if (--place >= 0) ++value[place];
        continue;
      }
      double w = weight[place], s = sum[place];
      bool enough = true;
      for (int before = 0; before < place && enough; ++before) {
        const C& pair = pairs_[size_t(columns[before]) * cards_.size() + columns[place]]
                              [size_t(value[before]) * cards_[columns[place]] + value[place]];
        enough = pair.rows >= rule_.min_rows;
        w = std::min(w, pair.weight());
        s = std::min(s, pair.sum);
      }
      if (!enough) {
        ++value[place];
      } else if (place + 1 == size) {
        ++possible;
        best = std::max(best, rule_.bound(w, s));
        ++value[place];
      } else {
        ++place;
        weight[place] = w;
        sum[place] = s;
      }
    }
    return best;
  }

  int64_t offer(const Columns& columns, const std::vector<C>& cell) {
    int64_t examined = 0;
    for (size_t k = 0; k < cell.size(); ++k) {
      if (cell[k].rows < rule_.min_rows) continue;
      ++examined;
      if (!(cell[k].weight() > 0)) continue;
      const double score = rule_.score(cell[k].weight(), cell[k].sum);
      if (score <= 0 || score < pool_.threshold()) continue;
      Candidate found{score, cell[k].sum, cell[k].rows, cell[k].weight(), int(columns.size()), {}};
      found.conditions.fill(-1);
      size_t rest = k;
      for (size_t j = columns.size(); j-- > 0;) {
        found.conditions[2 * j] = columns[j];
        found.conditions[2 * j + 1] = int32_t(rest % size_t(cards_[columns[j]]));
        rest /= size_t(cards_[columns[j]]);
      }
      pool_.offer(found);
    }
    return examined;
  }

  const Code* codes_;
  size_t n_;
  std::vector<int64_t> cards_;
  const double *loss_, *weight_;
  Rule rule_;
  Pool& pool_;
  Teller& teller_;
  int threads_;
  std::vector<std::vector<C>> pairs_;
};

std::vector<Excluded> excluded_of(Array<int32_t> rows, Array<uint8_t> nested) {
  std::vector<Excluded> all(nested.size());
  for (size_t k = 0; k < all.size(); ++k) {
    all[k].nested = nested.data()[k] != 0;
    all[k].conditions.fill(-1);
    std::copy_n(rows.data() + k * 2 * kMostDepth, 2 * kMostDepth, all[k].conditions.begin());
    while (all[k].size < kMostDepth && all[k].conditions[2 * all[k].size] >= 0) ++all[k].size;
  }
  return all;
}

// codes: (columns, rows). Returns conditions, (score, sum, rows, weight) of each, and the number of
// conjunctions examined.
template <class Code>
nb::tuple worst_slices(Array<Code> codes, Array<int64_t> cards, Array<double> loss,
                       Array<double> weight, int depth, double alpha, double min_rows, size_t keep,
                       Array<int32_t> excluded, Array<uint8_t> nested, nb::object progress,
                       int threads) {
  const size_t n = loss.size();
  const bool weighted = weight.size() > 0;
  Pool pool(keep, excluded_of(excluded, nested));
  Teller teller(std::move(progress), steps(cards.size(), depth));
  std::vector<Candidate> found;
  int64_t examined = 0;
  {
    nb::gil_scoped_release released;
    Rule rule{alpha, 0, double(n), min_rows, min_rows, 0};
    double sum = 0;
    for (size_t i = 0; i < n; ++i) {
      sum += (weighted ? weight.data()[i] : 1.0) * loss.data()[i];
      rule.largest_loss = std::max(rule.largest_loss, loss.data()[i]);
    }
    if (weighted) {
      rule.total = std::accumulate(weight.data(), weight.data() + n, 0.0);
      rule.least_weight = min_rows * *std::min_element(weight.data(), weight.data() + n);
    }
    rule.mean = sum / rule.total;
    std::vector<int64_t> counts(cards.data(), cards.data() + cards.size());
    if (threads <= 0) threads = rw::usual_threads();
    if (rule.mean > 0 && weighted)
      examined = Search<Code, WeightedCell>(codes.data(), n, counts, loss.data(), weight.data(),
                                            rule, pool, teller, threads)
                     .run(depth);
    else if (rule.mean > 0)
      examined = Search<Code, Cell>(codes.data(), n, counts, loss.data(), nullptr, rule, pool,
                                    teller, threads)
                     .run(depth);
    found = pool.sorted();
  }
  teller.rethrow();
  std::vector<int32_t> conditions;
  std::vector<double> figures;
  for (const Candidate& c : found) {
    conditions.insert(conditions.end(), c.conditions.begin(), c.conditions.end());
    figures.insert(figures.end(), {c.score, c.sum, c.rows, c.weight});
  }
  return nb::make_tuple(rw::to_numpy(std::move(conditions), {found.size(), size_t{kMostDepth}, 2}),
                        rw::to_numpy(std::move(figures), {found.size(), 4}), examined);
}

// ---- areas under the ROC curve ----------------------------------------------------------------

// Of the rows of a group (side 0) and of those outside of it (side 1), by class.
struct Sides {
  double weight[2][2] = {}, squares[2][2] = {};

  void add(int side, int event, double w) {
    weight[side][event] += w;
    squares[side][event] += w * w;
  }
};

struct Area {
  double value[2] = {}, spread[2][2] = {};
};

// Rows ascend by score. The first pass finds the areas, the second DeLong's sums of squares.
struct Areas {
  const uint8_t *start, *y;
  const double* w;
  const int32_t* code;
  size_t n;

  double weight(size_t i) const { return w ? w[i] : 1.0; }

  Sides totals(int g) const {
    Sides all;
    for (size_t i = 0; i < n; ++i) all.add(code[i] != g, y[i], weight(i));
    return all;
  }

  template <bool spread>
  void pass(int g, const Sides& all, Area& area) const {
    double share[2][2], below[2][2] = {};
    for (int s = 0; s < 2; ++s)
      for (int e = 0; e < 2; ++e)
        share[s][e] = all.weight[s][e] > 0 ? 1 / all.weight[s][e] : 0.0;
    auto tell = [&](int s, int e, const Sides& tied) {
      const double under = (below[s][!e] + tied.weight[s][!e] / 2) * share[s][!e];
      if constexpr (spread) {
        const double off = under - (e ? area.value[s] : 1 - area.value[s]);
        area.spread[s][e] += tied.squares[s][e] * off * off;
      } else if (e) {
        area.value[s] += tied.weight[s][1] * under * share[s][1];
      }
    };
    for (size_t i = 0, last = 0; i < n; i = last) {
      last = i + 1;
      if (last == n || start[last]) {
        const int s = code[i] != g, e = y[i];
        const double mine = weight(i), under = below[s][!e] * share[s][!e];
        if constexpr (spread) {
          const double off = under - (e ? area.value[s] : 1 - area.value[s]);
          area.spread[s][e] += mine * mine * off * off;
        } else if (e) {
          area.value[s] += mine * under * share[s][1];
        }
        below[s][e] += mine;
        continue;
      }
      Sides tied;
      tied.add(code[i] != g, y[i], weight(i));
      for (; last < n && !start[last]; ++last) tied.add(code[last] != g, y[last], weight(last));
      for (int s = 0; s < 2; ++s)
        for (int e = 0; e < 2; ++e) tell(s, e, tied);
      for (int s = 0; s < 2; ++s)
        for (int e = 0; e < 2; ++e) below[s][e] += tied.weight[s][e];
    }
  }
};

// `start` marks the first row of each score. For every group and for the rows outside of it: area,
// DeLong's two sums of squares, weights of events and of non-events, and the sums of the squares
// of those weights.
nb::object group_areas(Array<uint8_t> start, Array<uint8_t> y, Array<double> weight,
                       Array<int32_t> code, int groups) {
  constexpr size_t kFigures = 7;
  std::vector<double> out(size_t(groups) * 2 * kFigures);
  {
    nb::gil_scoped_release released;
    const Areas rows{start.data(), y.data(), weight.size() ? weight.data() : nullptr, code.data(),
                     y.size()};
    in_parallel(rw::usual_threads(), size_t(groups), [&](size_t g) {
      const Sides all = rows.totals(int(g));
      Area area;
      rows.pass<false>(int(g), all, area);
      rows.pass<true>(int(g), all, area);
      for (int s = 0; s < 2; ++s) {
        const double figures[kFigures] = {
            area.value[s],     area.spread[s][1], area.spread[s][0],  all.weight[s][1],
            all.weight[s][0], all.squares[s][1], all.squares[s][0]};
        std::copy_n(figures, kFigures, out.data() + (g * 2 + size_t(s)) * kFigures);
      }
    });
  }
  return nb::cast(rw::to_numpy(std::move(out), {size_t(groups), 2, kFigures}));
}

template <class Code>
void bind_search(nb::module_& m) {
  m.def("worst_slices", &worst_slices<Code>, nb::arg("codes").noconvert(), "cards"_a, "loss"_a,
        "weight"_a, "depth"_a, "alpha"_a, "min_rows"_a, "keep"_a, "excluded"_a, "nested"_a,
        "progress"_a = nb::none(), "threads"_a = 0);
}

}  // namespace

void bind_slices(nb::module_& m) {
  bind_search<uint8_t>(m);
  bind_search<uint16_t>(m);
  m.def("group_areas", &group_areas, "start"_a, "y"_a, "weight"_a, "code"_a, "groups"_a);
}
