// Proof for larger supports and for numbers: best-first search over supports with a bound that can
// be read at any time.
#pragma once
#include <queue>

#include "dense.hpp"
#include "heuristic.hpp"

namespace rw::RW_ISA {

class BestFirst {
 public:
  BestFirst(const Problem& problem, const Settings& settings, Progress& progress,
            const Clock& clock)
      : problem_(problem), settings_(settings), progress_(progress), clock_(clock),
        dense_(problem) {
    order_items();
  }

  // Returns true when nothing is left open; `lower_bound` holds for every score of the class.
  bool run(Pool& pool, double& lower_bound) {
    if (stopped()) return false;
    lower_bound_ = kInfinity;
    Node root;
    root.last = d_;
    root.bound = -kInfinity;
    push(root);
    bool complete = true;
    while (!open_.empty()) {
      const double cutoff = pool.cutoff();
      const double top = std::min(open_.top().bound, lower_bound_);
      progress_.lower_bound.store(std::min(top, pool.best().objective));
      progress_.objective.store(pool.best().objective);
      if (open_.top().bound >= cutoff) break;
      const double gap = (pool.best().objective - top) / std::max(pool.best().objective, 1e-300);
      if (gap <= settings_.gap_tolerance || open_.size() > kMostNodes ||
          progress_.nodes.load() >= settings_.max_nodes || stopped()) {
        complete = gap <= 0.0;  // the best is proved, the pool not yet
        lower_bound_ = std::min(lower_bound_, open_.top().bound);
        break;
      }
      if (!open_.top().dense && open_.top().items.size() <= 2) {
        strengthen(cutoff);
        continue;
      }
      expand_batch(pool, cutoff);
    }
    lower_bound = lower_bound_;
    return complete;
  }

 private:
  static constexpr size_t kMostNodes = 4'000'000, kBatch = 16;

  struct Node {
    double bound = -kInfinity;
    int last = 0;               // further items come from ranks below it
    bool dense = false;         // bound without the limit on terms was computed
    std::vector<int> items;     // ranks, descending
    std::vector<double> weight;  // intercept first
    bool operator<(const Node& other) const {
      return bound != other.bound ? bound > other.bound : items > other.items;
    }
  };

  bool stopped() const { return progress_.stop.load(); }

  void push(Node node) { open_.push(std::move(node)); }

  void order_items() {
    std::vector<std::pair<double, int>> order;
    Model<> model;
    model.stop = &progress_.stop;
    Cells cells;
    std::vector<Weight> scratch;
    const Partition whole = Partition::whole(problem_);
    for (int j = 0; j < problem_.d; ++j) {
      if (!problem_.usable(j)) continue;
      if (stopped()) return;  // with the rest left out: nothing is concluded any more
      whole.cells_with(problem_, j, cells, scratch);
      Box box(problem_, &j, 1);
      double w[2] = {0.0, 0.0};
      order.emplace_back(
          model.minimise(cells, box.low, box.high, w, 1.0 / problem_.total, kInfinity, 1e-6, 15).loss,
          j);
    }
    std::sort(order.begin(), order.end(), [](const auto& a, const auto& b) {
      return a.first != b.first ? a.first > b.first : a.second < b.second;
    });
    for (auto& [loss, j] : order) item_.push_back(j);
    d_ = int(item_.size());
  }

  std::vector<int> originals(const std::vector<int>& ranks) const {
    std::vector<int> out;
    for (int r : ranks) out.push_back(item_[r]);
    return out;
  }

  void strengthen(double cutoff) {
    Node node = open_.top();
    open_.pop();
    std::vector<int> items = originals(node.items);
    for (int r = 0; r < node.last; ++r) items.push_back(item_[r]);
    const double used = problem_.penalty * double(node.items.size());
    node.bound = std::max(node.bound, used + dense_.bound(items, cutoff - used, 12, progress_.stop));
    node.dense = true;
    ++progress_.nodes;
    push(std::move(node));
  }

  struct Expansion {
    std::vector<Node> children;
    std::unique_ptr<Pool> pool;
    double open_bound = kInfinity;
    int64_t examined = 0;
  };

  void expand_batch(Pool& pool, double cutoff) {
    std::vector<Node> batch;
    while (!open_.empty() && batch.size() < kBatch && open_.top().bound < cutoff) {
      if (!batch.empty() && !open_.top().dense && open_.top().items.size() <= 2) break;
      batch.push_back(open_.top());
      open_.pop();
    }
    std::vector<Expansion> results(batch.size());
    parallel_for(settings_.threads, int(batch.size()), [&](int i, int) {
      expand(batch[i], pool, cutoff, results[i]);
    });
    for (Expansion& result : results) {
      if (result.pool) pool.merge(*result.pool);
      lower_bound_ = std::min(lower_bound_, result.open_bound);
      for (Node& child : result.children) push(std::move(child));
      ++progress_.nodes;
      progress_.supports.fetch_add(result.examined);
    }
  }

  void expand(const Node& node, const Pool& incumbent, double cutoff, Expansion& out) {
    if (stopped()) {
      out.open_bound = node.bound;
      return;
    }
    const std::vector<int> items = originals(node.items);
    const int n = int(items.size());
    Partition part = Partition::of(problem_, items.data(), n);
    Cells cells;
    part.cells(cells);
    std::vector<double> w = node.weight;
    w.resize(n + 1, 0.0);
    Box box(problem_, items.data(), n);
    Model<> model;
    model.stop = &progress_.stop;
    const Minimum m = model.minimise(cells, box.low, box.high, w.data(), 1.0 / problem_.total,
                                     kInfinity, 1e-9, 40);
    const bool full = n == problem_.max_terms || node.last == 0;
    ++out.examined;
    if (problem_.complete(items.data(), n))
      solve(cells, items, w, m.bound + problem_.penalty * n, incumbent, cutoff, out);
    if (!full) branch(node, items, part, w, m.tangent, cutoff, out);
  }

  void solve(const Cells& cells, const std::vector<int>& items, const std::vector<double>& w,
             double bound, const Pool& incumbent, double cutoff, Expansion& out) {
    if (bound >= cutoff) return;
    out.pool = std::make_unique<Pool>(problem_);
    out.pool->add(incumbent.best());
    out.pool->at(items.data(), int(items.size()));
    Lattice lattice(problem_, progress_.stop);
    const int64_t budget = settings_.time_limit < kInfinity ? 2'000'000 : 50'000'000;
    const LatticeReport report =
        lattice.search(cells, items.data(), true, w.data(), budget, *out.pool);
    if (report.lower_bound < out.pool->cutoff())
      out.open_bound = std::max(std::min(report.lower_bound, out.pool->cutoff()), bound);
  }

  void branch(const Node& node, const std::vector<int>& items, const Partition& part,
              const std::vector<double>& w, double tangent, double cutoff, Expansion& out) {
    std::vector<double> mean(part.count);
    for (int c = 0; c < part.count; ++c) {
      double s = w[0];
      for (int a = 0; a < part.terms; ++a) s += w[a + 1] * part.value[a][c];
      const double e = std::exp(-std::fabs(s));
      mean[c] = s >= 0 ? 1.0 / (1.0 + e) : e / (1.0 + e);
    }
    std::vector<double> r(problem_.m);
    for (int i = 0; i < problem_.m; ++i)
      r[i] = (problem_.weight[i].positive + problem_.weight[i].negative) * mean[part.cell[i]] -
             problem_.weight[i].positive;
    const int n = int(items.size()), further = problem_.max_terms - n - 1;
    const double scale = 1.0 / problem_.total;
    std::vector<double> best(further, 0.0);
    std::vector<int> longer = items;
    longer.push_back(-1);
    for (int j = 0; j < node.last; ++j) {
      const int item = item_[j];
      double g = 0.0;
      for (int64_t k = problem_.start[item]; k < problem_.start[item + 1]; ++k)
        g += (problem_.binary ? 1.0 : problem_.value[k]) * r[problem_.row[k]];
      double v = reach(problem_, item, g * scale);
      double bound = tangent + v + problem_.penalty * (n + 1);
      for (double b : best) bound += b;
      bound = std::max(bound, node.bound);
      longer.back() = item;
      if (bound < cutoff && problem_.allowed(longer.data(), n + 1)) {
        Node child;
        child.bound = bound;
        child.last = j;
        child.items = node.items;
        child.items.push_back(j);
        child.weight = w;
        out.children.push_back(std::move(child));
      }
      for (double& b : best)
        if (v < b) std::swap(v, b);
    }
  }

  const Problem& problem_;
  const Settings& settings_;
  Progress& progress_;
  const Clock& clock_;
  Dense dense_;
  int d_ = 0;
  std::vector<int> item_;
  std::priority_queue<Node> open_;
  double lower_bound_ = kInfinity;
};

}  // namespace rw::RW_ISA
