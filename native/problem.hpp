// What is searched: folded patterns, boxes and constraints. Shared by all instruction sets.
#pragma once
#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <limits>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <vector>

namespace rw {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr int kMaxTerms = 64;

struct Group {
  std::vector<int> items;
  int at_most;
};

// Of events and of non-events.
struct Weight {
  double positive = 0.0, negative = 0.0;

  Weight& operator+=(const Weight& other) {
    positive += other.positive;
    negative += other.negative;
    return *this;
  }
};

struct Problem {
  int m = 0, d = 0;  // distinct patterns, candidate items
  // nonzero values, column by column
  std::vector<int64_t> start;
  std::vector<int32_t> row;
  std::vector<double> value;
  bool binary = false;
  std::vector<Weight> weight;              // of each pattern
  double total = 0.0;                      // sum of all weights

  std::vector<double> low, high;  // integer range of points where an item is used
  std::vector<int> feature;       // original feature of each item
  int n_features = 0;
  int max_terms = 5, max_features = 1 << 30;
  bool unit = false;           // points are log-odds (slope 1, integer intercept)
  double max_log_odds = 10.0;  // bound on |slope * points|, class free
  double min_slope = 1e-6;     // class free: without it the best slope may tend to 0, unreached
  double intercept_low = -50.0, intercept_high = 50.0;
  double penalty = 1e-6;
  std::vector<std::vector<int>> required;  // at least one of each set is used
  std::vector<Group> groups;               // at most so many of each set are used
  std::vector<std::pair<int, std::vector<int>>> implications;  // used => one of the set is used
  double margin = 1e-9;                           // improvements below it are not looked for
  double pool_tolerance = 0.0;                    // relative; 0 keeps the best card alone
  int pool_size = 1000;

  // Does leaving terms away keep a feasible set feasible?
  bool removable() const {
    if (!required.empty() || !implications.empty()) return false;
    for (int j = 0; j < d; ++j)
      if (low[j] > 0.0 || high[j] < 0.0) return false;
    return true;
  }
  // Every set of up to max_terms items is feasible.
  bool unconstrained() const {
    return removable() && groups.empty() && max_features >= max_terms;
  }
  bool usable(int j) const { return low[j] <= high[j] && (low[j] < 0.0 || high[j] > 0.0); }
  void drop_unusable();                              // gives them the range 0..0, and no role
  std::vector<int> any_support() const;              // items that meet the constraints; {-1}: none
  bool allowed(const int* items, int count) const;   // closed under removal: groups, max_features
  bool complete(const int* items, int count) const;  // required items and implications
  static bool holds_any(const int* items, int count, const std::vector<int>& set) {
    for (int a = 0; a < count; ++a)
      for (int item : set)
        if (items[a] == item) return true;
    return false;
  }
};

// A score: items with nonzero points; the linear predictor is slope * total + intercept.
struct Solution {
  double objective = kInfinity, loss = kInfinity;
  double slope = 1.0, intercept = 0.0;
  std::vector<int> items;
  std::vector<double> points;
};

enum class Phase : int { idle, heuristic, counting, enumeration, lattice, best_first, done };

struct Settings {
  int threads = 1;
  bool certify = true;
  double time_limit = kInfinity;
  double gap_tolerance = 0.0;
  int beam = 12;
  double memory_limit = 1.5e9;  // bytes for count tables
  int64_t max_nodes = std::numeric_limits<int64_t>::max();
};

// Read by other threads while the search runs. `stop` ends it, whoever asked.
struct Progress {
  std::atomic<bool> stop{false}, interrupted{false}, out_of_time{false};
  std::atomic<int> phase{0};
  std::atomic<double> objective{kInfinity}, lower_bound{-kInfinity};
  std::atomic<int64_t> supports{0}, nodes{0};
  std::atomic<double> share{0.0};
};

struct Outcome {
  Solution best;
  double lower_bound = -kInfinity;
  bool complete = false;     // every support was examined or excluded by a bound
  bool interrupted = false;  // stopped from outside
  bool out_of_time = false;
  bool infeasible = false;
  std::string method;
  int64_t supports_examined = 0, nodes = 0;
  double supports_total = 0.0, seconds = 0.0;
  double pool_cutoff = -kInfinity;  // every card with an objective below it is in the pool
  std::vector<Solution> pool;
};

inline bool Problem::allowed(const int* items, int count) const {
  if (max_features < count) {
    int distinct = 0;
    for (int a = 0; a < count; ++a) {
      bool fresh = true;
      for (int b = 0; b < a && fresh; ++b) fresh = feature[items[a]] != feature[items[b]];
      distinct += fresh;
    }
    if (distinct > max_features) return false;
  }
  for (const Group& group : groups) {
    int held = 0;
    for (int a = 0; a < count; ++a)
      for (int item : group.items) held += item == items[a];
    if (held > group.at_most) return false;
  }
  return true;
}

inline bool Problem::complete(const int* items, int count) const {
  for (const auto& set : required)
    if (!holds_any(items, count, set)) return false;
  for (const auto& [first, set] : implications)
    if (holds_any(items, count, {first}) && !holds_any(items, count, set)) return false;
  return true;
}

inline void Problem::drop_unusable() {
  auto clean = [&](std::vector<int>& items) {
    std::erase_if(items, [&](int j) { return !usable(j); });
  };
  for (auto& set : required) clean(set);
  for (auto& group : groups) clean(group.items);
  for (auto& [first, set] : implications) clean(set);
  std::erase_if(implications, [&](const auto& rule) { return !usable(rule.first); });
  for (int j = 0; j < d; ++j)
    if (!usable(j)) low[j] = high[j] = 0.0;
}

// Depth-first: whatever a set still asks for is tried in turn; a set met before is not tried again.
inline std::vector<int> Problem::any_support() const {
  std::set<std::vector<int>> seen;
  std::vector<std::vector<int>> stack{{}};
  while (!stack.empty()) {
    const std::vector<int> items = std::move(stack.back());
    stack.pop_back();
    const int n = int(items.size());
    if (n > max_terms || !allowed(items.data(), n) || !seen.insert(items).second) continue;
    const std::vector<int>* open = nullptr;
    for (const auto& set : required)
      if (!open && !holds_any(items.data(), n, set)) open = &set;
    for (const auto& [first, set] : implications)
      if (!open && holds_any(items.data(), n, {first}) && !holds_any(items.data(), n, set))
        open = &set;
    if (!open) return items;
    for (auto j = open->rbegin(); j != open->rend(); ++j) {
      std::vector<int> longer = items;
      longer.insert(std::upper_bound(longer.begin(), longer.end(), *j), *j);
      stack.push_back(std::move(longer));
    }
  }
  return {-1};
}

class Clock {
 public:
  double seconds() const {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin_).count();
  }

 private:
  std::chrono::steady_clock::time_point begin_ = std::chrono::steady_clock::now();
};

// Stops a search when its time is up, so that the search itself has one flag to watch.
class Deadline {
 public:
  Deadline(Progress& progress, double seconds) {
    if (seconds <= 0.0) expire(progress);
    if (seconds <= 0.0 || seconds > kLongest) return;
    watcher_ = std::thread([this, &progress, seconds] {
      std::unique_lock<std::mutex> lock(mutex_);
      const auto wait = std::chrono::duration<double>(seconds);
      if (!over_.wait_for(lock, wait, [this] { return done_; })) expire(progress);
    });
  }
  ~Deadline() {
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      done_ = true;
    }
    over_.notify_all();
    if (watcher_.joinable()) watcher_.join();
  }
  Deadline(const Deadline&) = delete;

 private:
  static constexpr double kLongest = 1e8;  // three years

  static void expire(Progress& progress) {
    progress.out_of_time.store(true);
    progress.stop.store(true);
  }

  std::mutex mutex_;
  std::condition_variable over_;
  bool done_ = false;
  std::thread watcher_;
};

}  // namespace rw
