// Proof for 0/1 items: every support of 1 .. K items is examined or excluded by a bound.
//
// A support of K binary items has at most 2^K distinct rows, so its loss, gradient and bound follow
// from the weighted counts of rows in which all items of each subset hold. Counts of up to K - 1
// items are tabulated once; counts of K items block by block. At each support the tangent of the
// loss bounds every support that contains it. An item that holds in most patterns is counted by those
// in which it does not: the cells are the same, and far fewer subsets are tallied.
#pragma once
#include <memory>
#include <mutex>

#include "heuristic.hpp"

namespace rw::RW_ISA {

struct Survivor {
  double bound;
  int size;
  int items[7];
  double weight[8];
};

class Enumeration {
 public:
  static constexpr int kLargest = 7;

  // Bytes that the tables take, or infinity where the method does not apply.
  static double memory(int d, int k) {
    if (k < 1 || k > kLargest) return kInfinity;
    double bytes = 0.0;
    for (int t = 1; t < std::max(k, 2); ++t) bytes += 2 * sizeof(double) * choose(d, t);
    return bytes;
  }
  static double choose(double n, int k) {
    double c = 1.0;
    for (int i = 0; i < k; ++i) c = c * (n - i) / (i + 1);
    return n < k ? 0.0 : std::round(c);
  }
  // Rough number of counter updates for the tables of all orders.
  static double work(const Problem& problem, int k) {
    std::vector<int> active(problem.m, 0);
    int flipped = 0;
    for (int j = 0; j < problem.d; ++j) {
      if (!problem.usable(j)) continue;
      const bool flip = mostly_held(problem, j);
      flipped += flip;
      for (int64_t k = problem.start[j]; k < problem.start[j + 1]; ++k)
        active[problem.row[k]] += flip ? -1 : 1;
    }
    for (int& a : active) a += flipped;
    double updates = 0.0;
    for (int a : active) updates += choose(a, k) + choose(a, std::max(k - 1, 1));
    return updates;
  }

  static bool mostly_held(const Problem& problem, int j) {
    return 2 * (problem.start[j + 1] - problem.start[j]) > problem.m;
  }

  Enumeration(const Problem& problem, const Settings& settings, Progress& progress,
              const Clock& clock, int k)
      : problem_(problem), settings_(settings), progress_(progress), clock_(clock), k_(k) {
    order_items();
    make_binomials();
  }

  bool stopped() const { return progress_.stop.load(); }

  // Tables of counts of 1 .. K-1 items. False when stopped.
  bool count() {
    const int top = std::max(k_ - 1, 1);
    tables_.resize(top + 1);
    for (int t = 1; t <= top; ++t) {
      tables_[t].all.assign(size_t(binomial(d_, t)), 0.0);
      tables_[t].positive.assign(size_t(binomial(d_, t)), 0.0);
    }
    // Threads own disjoint ranges of the leading item, so no two write to the same cell.
    std::atomic<bool> halted{false};
    parallel_for(settings_.threads, d_, [&](int index, int) {
      const int lead = d_ - 1 - index;
      if (halted.load() || stopped()) {
        halted.store(true);
        return;
      }
      int row_no = 0;
      for (int i : rows_of_[lead]) {
        if ((++row_no & 1023) == 0 && stopped()) {
          halted.store(true);
          return;
        }
        const int* a = active(i);
        const int held = int(std::lower_bound(a, a + active_count(i), lead) - a);
        const double n = weight_[i], p = problem_.weight[i].positive;
        tables_[1].all[lead] += n;
        tables_[1].positive[lead] += p;
        for (int t = 2; t <= top; ++t)
          tally(tables_[t].all.data(), tables_[t].positive.data(), a, held, t - 1,
                rank_step(lead, t), n, p);
      }
    });
    return !halted.load();
  }

  // Supports whose bound stays below `cutoff`, as tasks [from, to) of `tasks()`.
  int tasks() const { return task_start_[d_]; }

  bool examine(int from, int to, double cutoff, std::vector<Survivor>& out) {
    std::vector<std::vector<Survivor>> found(to - from);
    std::atomic<bool> halted{false};
    const int threads = settings_.threads;
    if (int(workers_.size()) < threads)
      for (int t = int(workers_.size()); t < threads; ++t)
        workers_.push_back(std::make_unique<Worker>(*this));
    parallel_for(threads, to - from, [&](int i, int thread) {
      if (halted.load() || stopped()) {
        halted.store(true);
        return;
      }
      if (!workers_[thread]->task(from + i, cutoff, found[i])) halted.store(true);
    });
    for (auto& list : found) out.insert(out.end(), list.begin(), list.end());
    return !halted.load();
  }

  // Leading item of a task; tasks run from the strongest leading item to the weakest.
  int leading(int task) const {
    int i = 0;
    while (task >= task_start_[i + 1]) ++i;
    return d_ - 1 - i;
  }
  const std::vector<int>& items() const { return item_; }
  int size() const { return d_; }

 private:
  struct Table {
    std::vector<double> all, positive;
  };

  double binomial(int n, int k) const { return n < k ? 0.0 : binomial_[size_t(n) * (kLargest + 2) + k]; }
  int64_t rank_step(int n, int k) const {
    return n < k ? 0 : int64_t(binomial_[size_t(n) * (kLargest + 2) + k]);
  }

  // Supports that extend a set by up to `further` items below j, the set itself included.
  int64_t subtree(int j, int further) const {
    int64_t n = 0;
    for (int t = 0; t <= further; ++t) n += rank_step(j, t);
    return n;
  }

  void make_binomials() {
    binomial_.assign(size_t(d_ + 2) * (kLargest + 2), 0.0);
    for (int n = 0; n <= d_ + 1; ++n)
      for (int k = 0; k <= kLargest + 1; ++k) binomial_[size_t(n) * (kLargest + 2) + k] = choose(n, k);
  }

  // Drop what cannot matter; the strongest item gets the highest index.
  void order_items() {
    const int m = problem_.m;
    std::vector<std::pair<double, int>> order;
    double all_positive = 0.0;
    for (int i = 0; i < m; ++i) all_positive += problem_.weight[i].positive;
    auto entropy = [](double p, double n) {
      double h = 0.0;
      if (p > 0) h -= p * std::log(p / (p + n));
      if (n > 0) h -= n * std::log(n / (p + n));
      return h;
    };
    for (int j = 0; j < problem_.d; ++j) {
      if (!problem_.usable(j)) continue;
      const int64_t begin = problem_.start[j], end = problem_.start[j + 1];
      double p = 0.0, n = 0.0;
      for (int64_t k = begin; k < end; ++k) {
        p += problem_.weight[problem_.row[k]].positive;
        n += problem_.weight[problem_.row[k]].negative;
      }
      order.emplace_back(entropy(p, n) + entropy(all_positive - p,
                                                 problem_.total - all_positive - n), j);
    }
    std::sort(order.begin(), order.end(), [](const auto& a, const auto& b) {
      return a.first != b.first ? a.first > b.first : a.second < b.second;
    });
    d_ = int(order.size());
    k_ = std::min(k_, d_);
    for (auto& [loss, j] : order) item_.push_back(j);
    std::vector<int> rank(problem_.d, -1);
    for (int j = 0; j < d_; ++j) rank[item_[j]] = j;
    // active items of each pattern, ascending
    std::vector<int64_t> length(m + 1, 0);
    rows_of_.resize(d_);
    flipped_.resize(d_);
    for (int j = 0; j < d_; ++j) {
      const auto begin = problem_.row.begin() + problem_.start[item_[j]];
      const auto end = problem_.row.begin() + problem_.start[item_[j] + 1];
      flipped_[j] = mostly_held(problem_, item_[j]);
      if (flipped_[j]) {
        std::vector<bool> held(m, false);
        for (auto row = begin; row != end; ++row) held[*row] = true;
        for (int i = 0; i < m; ++i)
          if (!held[i]) rows_of_[j].push_back(i);
      } else {
        rows_of_[j].assign(begin, end);
      }
      for (int i : rows_of_[j]) ++length[i + 1];
    }
    for (int i = 0; i < m; ++i) length[i + 1] += length[i];
    active_start_ = length;
    active_.resize(length[m]);
    std::vector<int64_t> at(length.begin(), length.end() - 1);
    for (int j = 0; j < d_; ++j)
      for (int i : rows_of_[j]) active_[at[i]++] = j;
    weight_.resize(m);
    positive_total_ = 0.0;
    for (int i = 0; i < m; ++i) {
      weight_[i] = problem_.weight[i].positive + problem_.weight[i].negative;
      positive_total_ += problem_.weight[i].positive;
    }
    low_.resize(d_);
    high_.resize(d_);
    for (int j = 0; j < d_; ++j) {
      shift_.push_back(flipped_[j] ? 1.0 : 0.0);
      sign_.push_back(flipped_[j] ? -1.0 : 1.0);
      Box box(problem_, &item_[j], 1);
      low_[j] = box.low[1];
      high_[j] = box.high[1];
      const double low = problem_.low[item_[j]], high = problem_.high[item_[j]];
      used_low_.push_back(problem_.unit && low >= 0.0 ? std::max(1.0, low) : low_[j]);
      used_high_.push_back(problem_.unit && high <= 0.0 ? std::min(-1.0, high) : high_[j]);
    }
    task_start_.assign(d_ + 1, 0);
    for (int i = 0; i < d_; ++i) {
      const int lead = d_ - 1 - i;
      task_start_[i + 1] = task_start_[i] + (k_ >= 3 ? lead + 1 : 1);
    }
  }

  const int* active(int i) const { return active_.data() + active_start_[i]; }
  int active_count(int i) const { return int(active_start_[i + 1] - active_start_[i]); }

  // Adds the weights of one pattern to the counts of all `t`-subsets of its first `held` items.
  void tally(double* all, double* positive, const int* a, int held, int t, int64_t offset, double n,
             double p) const {
    if (t == 1) {
      for (int x = 0; x < held; ++x) {
        all[offset + a[x]] += n;
        positive[offset + a[x]] += p;
      }
      return;
    }
    for (int x = t - 1; x < held; ++x)
      tally(all, positive, a, x, t - 1, offset + rank_step(a[x], t), n, p);
  }

  class Worker {
   public:
    explicit Worker(Enumeration& owner)
        : e_(owner), problem_(owner.problem_), bound_(owner.k_ + 1, std::vector<double>(owner.d_ + 1)),
          reach_(owner.k_ + 1, std::vector<double>(owner.d_ + 1)), rows_(owner.k_ + 1) {
      depth_block_ = owner.k_ <= 2 ? 1 : std::max(owner.k_ - 3, 2);
      scale_ = 1.0 / problem_.total;
      node<0>();
    }

    // One task: a leading item and the second one (or the leading one alone). False when stopped.
    bool task(int index, double cutoff, std::vector<Survivor>& out) {
      out_ = &out;
      cutoff_ = cutoff;
      const int lead = e_.leading(index);
      // seconds run from the one next to the lead downwards; the last task is the lead alone
      const int second = lead - 1 - (index - e_.task_start_[e_.d_ - 1 - lead]);
      supports_ = 0;
      open_ = true;
      if (e_.k_ == 1 || (e_.k_ >= 3 && second < 0)) {
        alone(lead);
      } else {
        descend(1, lead, e_.k_ == 2 ? -1 : second);
      }
      e_.progress_.supports.fetch_add(supports_);
      return open_;
    }

   private:
    // A lead without followers is a support of its own.
    void alone(int lead) {
      set_[0] = lead;
      ++supports_;
      weight_[1][0] = weight_[0][0];
      weight_[1][1] = 0.0;
      const Minimum m = node<1>();
      emit(1, m.bound);
    }

    void descend(int t, int lead, int only) {
      set_[t - 1] = lead;
      for (int a = 0; a < t; ++a) weight_[t][a] = weight_[t - 1][a];
      weight_[t][t] = 0.0;
      visit(t, only);
    }

    void visit(int t, int only) {
      switch (t) {
        case 1: return node_then<1>(only);
        case 2: return node_then<2>(only);
        case 3: return node_then<3>(only);
        case 4: return node_then<4>(only);
        case 5: return node_then<5>(only);
        case 6: return node_then<6>(only);
      }
    }

    template <int T>
    void node_then(int only) {
      if (!open_) return;
      if constexpr (T >= 2) {
        if (T == e_.k_ - 2 && e_.stopped()) {
          open_ = false;
          return;
        }
      }
      if (!problem_.unconstrained()) {
        for (int a = 0; a < T; ++a) original_[a] = e_.item_[set_[a]];
        if (!problem_.allowed(original_, T)) return;
      }
      if (T <= depth_block_) {
        rows_ready_ = std::min(rows_ready_, T - 1);
        block_ready_ = false;
      }
      const int below = only >= 0 ? only + 1 : set_[T - 1];
      const int from = only >= 0 ? only : 0;
      const Minimum m = node<T>();
      if (only < 0) {
        ++supports_;
        emit(T, m.bound);
      }
      if (T + 1 == e_.k_) fill_block();
      if (!open_) return;
      gradients<T>(from, below);
      children<T>(from, below);
    }

    // Counts of all subsets of set_[0..T), superset-closed order: bit b of a mask is set_[b].
    template <int T>
    void subset_counts(double* all, double* positive) {
      all[0] = problem_.total;
      positive[0] = e_.positive_total_;
      for (int mask = 1; mask < (1 << T); ++mask) {
        int64_t rank = 0;
        int left = __builtin_popcount(unsigned(mask));
        const int order = left;
        for (int b = 0; b < T; ++b)
          if (mask >> b & 1) rank += e_.rank_step(set_[b], left--);
        const Table& table = e_.tables_[order];
        all[mask] = table.all[rank];
        positive[mask] = table.positive[rank];
      }
    }

    template <int T>
    void exact_cells(double* all, double* positive) {
      for (int b = 0; b < T; ++b)
        for (int mask = 0; mask < (1 << T); ++mask)
          if (!(mask >> b & 1)) {
            all[mask] -= all[mask | 1 << b];
            positive[mask] -= positive[mask | 1 << b];
          }
    }

    template <int T>
    Cells& load_cells(const double* all, const double* positive) {
      Cells& cells = cells_[T];
      if (cells.blocks == 0 || cells.terms != T) {
        cells.reset(T, 1 << T);
        for (int j = 0; j < T; ++j)
          for (int mask = 0; mask < (1 << T); ++mask) cells.flat_column(j)[mask] = mask >> j & 1;
      }
      const int flip = flips<T>();
      double *p = cells.flat_positive(), *n = cells.flat_negative();
      for (int mask = 0; mask < (1 << T); ++mask) {
        p[mask ^ flip] = std::max(0.0, positive[mask]);
        n[mask ^ flip] = std::max(0.0, all[mask] - positive[mask]);
      }
      return cells;
    }

    // Cells by items that hold are cells by counted items with these bits exchanged.
    template <int T>
    int flips() const {
      int mask = 0;
      for (int b = 0; b < T; ++b) mask |= int(e_.flipped_[set_[b]]) << b;
      return mask;
    }

    template <int T>
    void box(double* low, double* high) const {
      low[0] = problem_.intercept_low;
      high[0] = problem_.intercept_high;
      for (int a = 0; a < T; ++a) {
        low[a + 1] = e_.used_low_[set_[a]];
        high[a + 1] = e_.used_high_[set_[a]];
      }
    }

    // Minima over the parts of a box in which every term has a sign; `take` gets those whose bound
    // is below `cutoff`. In class unit a term that is used has at least one point, so a box is
    // parted where its minimiser has a term with less. Class free: a slope may be as small as it
    // likes, and the box stays whole.
    template <int T, class F>
    void over_signs(const double* low, const double* high, const double* start, double cutoff,
                    double tolerance, F&& take) {
      Model<T, true> model;
      double w[T + 1];
      std::copy(start, start + T + 1, w);
      const Minimum m =
          model.minimise(cells_[T], low, high, w, scale_, cutoff, tolerance, kMostSteps);
      if (m.bound >= cutoff) return;
      int term = 0;
      for (int a = 1; a <= T && problem_.unit; ++a)
        if (low[a] < 0.0 && high[a] > 0.0 && std::fabs(w[a]) < 1.0 - 1e-9 &&
            (term == 0 || std::fabs(w[a]) < std::fabs(w[term])))
          term = a;
      if (term == 0) return take(m, w);
      double part[T + 1];
      std::copy(high, high + T + 1, part);
      part[term] = -1.0;
      over_signs<T>(low, part, w, cutoff, tolerance, take);
      std::copy(low, low + T + 1, part);
      part[term] = 1.0;
      over_signs<T>(part, high, w, cutoff, tolerance, take);
    }

    // Minimum over the support set_[0..T), at weight_[T].
    template <int T>
    Minimum node() {
      alignas(64) double all[1 << T], positive[1 << T];
      subset_counts<T>(all, positive);
      exact_cells<T>(all, positive);
      Cells& cells = load_cells<T>(all, positive);
      double low[T + 1], high[T + 1];
      box<T>(low, high);
      Model<T, true> model;
      Minimum m = model.minimise(cells, low, high, weight_[T], scale_, kInfinity, 1e-7, kMostSteps);
      tangent_[T] = m.tangent;
      return m;
    }

    // |tangent change| of every further item below `below`, and the best of the further ones.
    template <int T>
    void gradients(int from, int below) {
      constexpr int kBlocks = ((1 << T) + 7) / 8;
      alignas(64) double risk[8 * kBlocks] = {}, coefficient[1 << T];
      Model<T, true>::predictors(weight_[T], risk);
      v8 residuals = splat(0.0);
      for (int b = 0; b < kBlocks; ++b) {
        v8 s;
        std::memcpy(&s, risk + 8 * b, sizeof(v8));
        s = sigmoid(s);
        std::memcpy(risk + 8 * b, &s, sizeof(v8));
        const v8 p = cells_[T].positive()[b], n = cells_[T].negative()[b];
        residuals += (p + n) * s - p;
      }
      const double residual = sum(residuals);
      const int flip = flips<T>();
      for (int mask = 0; mask < (1 << T); ++mask) coefficient[mask] = risk[mask ^ flip];
      for (int b = 0; b < T; ++b)
        for (int mask = 0; mask < (1 << T); ++mask)
          if (mask >> b & 1) coefficient[mask] -= coefficient[mask ^ 1 << b];
      double* g = reach_[T].data();
      const double* first = e_.tables_[1].all.data();
      const double* positive = e_.tables_[1].positive.data();
      for (int j = from; j < below; ++j) g[j] = coefficient[0] * first[j] - positive[j];
      for (int mask = 1; mask < (1 << T); ++mask) {
        const double* row = counts_row<T>(mask, false);
        const double c = coefficient[mask];
        for (int j = from; j < below; ++j) g[j] += c * row[j];
      }
      const double *low = e_.low_.data(), *high = e_.high_.data();
      const double *shift = e_.shift_.data(), *sign = e_.sign_.data();
      for (int j = from; j < below; ++j) {
        const double v = scale_ * (residual * shift[j] + sign[j] * g[j]);
        g[j] = std::min(v * low[j], v * high[j]);
      }
    }

    // Row over j of the counts of (subset `mask` of the set) plus item j.
    template <int T>
    const double* counts_row(int mask, bool positive) const {
      int left = __builtin_popcount(unsigned(mask)) + 1;
      const int order = left;
      int64_t rank = 0;
      if (order == e_.k_ && e_.k_ > 1) {
        for (int b = depth_block_, q = order - depth_block_; b < T; ++b) rank += e_.rank_step(set_[b], q--);
        return (positive ? block_positive_ : block_all_).data() + rank;
      }
      for (int b = 0; b < T; ++b)
        if (mask >> b & 1) rank += e_.rank_step(set_[b], left--);
      const Table& table = e_.tables_[order];
      return (positive ? table.positive : table.all).data() + rank;
    }

    // Lowers bound_[T][j] to what the tangent allows supports that add j and weaker items.
    template <int T>
    void lower_bounds(int below) {
      const int further = e_.k_ - T - 1;
      const double* g = reach_[T].data();
      double* bound = bound_[T].data();
      double best[kLargest] = {0};  // the most negative reaches below j
      for (int j = 0; j < below; ++j) {
        double s = tangent_[T] + g[j];
        for (int a = 0; a < further; ++a) s += best[a];
        bound[j] = std::min(bound[j], s);
        double v = g[j];
        for (int a = 0; a < further; ++a)
          if (v < best[a]) std::swap(v, best[a]);
      }
    }

    // The same by the tangents of all parts of the box in which every term has a sign.
    template <int T>
    void bounds_by_sign(int below) {
      double low[T + 1], high[T + 1], start[T + 1];
      box<T>(low, high);
      std::copy(weight_[T], weight_[T] + T + 1, start);
      const double tangent = tangent_[T];
      std::fill(bound_[T].begin(), bound_[T].begin() + below, kInfinity);
      over_signs<T>(low, high, start, kInfinity, 1e-7, [&](const Minimum& m, const double* w) {
        std::copy(w, w + T + 1, weight_[T]);
        tangent_[T] = m.tangent;
        gradients<T>(0, below);
        lower_bounds<T>(below);
      });
      std::copy(start, start + T + 1, weight_[T]);
      tangent_[T] = tangent;
    }

    template <int T>
    void children(int from, int below) {
      const int further = e_.k_ - T - 1;  // items that may follow the child
      double* bound = bound_[T].data();
      const double limit = cutoff_ - problem_.penalty * (T + 1);
      if (from == 0) {
        std::fill(bound, bound + below, kInfinity);
        lower_bounds<T>(below);
        if (problem_.unit && *std::min_element(bound, bound + below) < limit) bounds_by_sign<T>(below);
      } else {
        std::fill(bound + from, bound + below, -kInfinity);
      }
      if (further == 0) {
        supports_ += below - from;
        for (int j = from; j < below; ++j)
          if (bound[j] < limit) leaf<T>(j);
        return;
      }
      for (int j = below - 1; j >= from; --j) {
        if (!open_) return;
        if (bound[j] >= limit) {
          supports_ += e_.subtree(j, further);
          continue;
        }
        descend(T + 1, j, -1);
      }
    }

    // Counts of K items whose first ones are set_[0..depth_block_), made when they are first needed.
    void fill_block() {
      if (block_ready_) return;
      block_ready_ = true;
      for (int t = rows_ready_; t < depth_block_; ++t) {
        rows_[t + 1].clear();
        for (int i : t == 0 ? e_.rows_of_[set_[0]] : rows_[t]) {
          const int* a = e_.active(i);
          if (t == 0 || std::binary_search(a, a + e_.active_count(i), set_[t]))
            rows_[t + 1].push_back(i);
        }
      }
      rows_ready_ = depth_block_;
      const int q = e_.k_ - depth_block_, lead = set_[depth_block_ - 1];
      const size_t size = size_t(e_.binomial(lead, q));
      block_all_.assign(size, 0.0);
      block_positive_.assign(size, 0.0);
      int row_no = 0;
      for (int i : rows_[depth_block_]) {
        if ((++row_no & 1023) == 0 && e_.stopped()) {
          open_ = block_ready_ = false;
          return;
        }
        const int* a = e_.active(i);
        const int held = int(std::lower_bound(a, a + e_.active_count(i), lead) - a);
        e_.tally(block_all_.data(), block_positive_.data(), a, held, q, 0, e_.weight_[i],
                 problem_.weight[i].positive);
      }
    }

    // The full support set_[0..T) + j.
    template <int T>
    void leaf(int j) {
      constexpr int S = T + 1;
      if constexpr (S <= kLargest) {
        set_[T] = j;
        if (!problem_.unconstrained()) {
          for (int a = 0; a < S; ++a) original_[a] = e_.item_[set_[a]];
          if (!problem_.allowed(original_, S)) return;
        }
        alignas(64) double all[1 << S], positive[1 << S];
        subset_counts<T>(all, positive);
        all[1 << T] = e_.tables_[1].all[j];
        positive[1 << T] = e_.tables_[1].positive[j];
        for (int mask = 1; mask < (1 << T); ++mask) {
          all[mask | 1 << T] = counts_row<T>(mask, false)[j];
          positive[mask | 1 << T] = counts_row<T>(mask, true)[j];
        }
        exact_cells<S>(all, positive);
        load_cells<S>(all, positive);
        double low[S + 1], high[S + 1];
        box<S>(low, high);
        double start[S + 1] = {}, bound = kInfinity;
        std::copy(weight_[T], weight_[T] + S, start);
        over_signs<S>(low, high, start, cutoff_ - problem_.penalty * S, 1e-8,
                      [&](const Minimum& m, const double* w) {
                        if (m.bound >= bound) return;
                        bound = m.bound;
                        std::copy(w, w + S + 1, weight_[S]);
                      });
        emit(S, bound);
      }
    }

    // Every item of a support is used: smaller ones are supports of their own.
    void emit(int size, double bound) {
      bound += problem_.penalty * size;
      if (bound >= cutoff_) return;
      for (int a = 0; a < size; ++a) original_[a] = e_.item_[set_[a]];
      if (!problem_.unconstrained() &&
          (!problem_.allowed(original_, size) || !problem_.complete(original_, size)))
        return;
      Survivor s;
      s.bound = bound;
      s.size = size;
      std::copy(original_, original_ + size, s.items);
      std::copy(weight_[size], weight_[size] + size + 1, s.weight);
      out_->push_back(s);
    }

    static constexpr int kMostSteps = 30;

    Enumeration& e_;
    const Problem& problem_;
    int depth_block_, rows_ready_ = 0;
    bool block_ready_ = false;
    double scale_, cutoff_ = 0.0;
    bool open_ = true;
    int64_t supports_ = 0;
    int set_[kLargest], original_[kLargest];
    double weight_[kLargest + 1][kLargest + 1] = {};
    double tangent_[kLargest + 1] = {};
    Cells cells_[kLargest + 1];
    std::vector<std::vector<double>> bound_, reach_;
    std::vector<std::vector<int>> rows_;
    std::vector<double> block_all_, block_positive_;
    std::vector<Survivor>* out_ = nullptr;
  };

  const Problem& problem_;
  const Settings& settings_;
  Progress& progress_;
  const Clock& clock_;
  int k_, d_ = 0;
  std::vector<int> item_;  // original index, weakest first
  std::vector<double> low_, high_;            // box of a coefficient, zero included
  std::vector<double> used_low_, used_high_;  // where the item is used
  std::vector<double> shift_, sign_;  // 1, -1 for flipped items, 0, 1 for others
  std::vector<std::vector<int>> rows_of_;  // patterns by which an item is counted
  std::vector<char> flipped_;              // those are the ones in which it does not hold
  std::vector<int> active_;
  std::vector<int64_t> active_start_;
  std::vector<double> weight_;
  double positive_total_ = 0.0;
  std::vector<double> binomial_;
  std::vector<Table> tables_;
  std::vector<int> task_start_;
  std::vector<std::unique_ptr<Worker>> workers_;
};

}  // namespace rw::RW_ISA
