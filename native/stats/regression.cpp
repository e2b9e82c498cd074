// Regression of outcomes on one score: isotonic, Venn-Abers, logistic on a few columns.
#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "../arrays.hpp"
#include "newton.hpp"
#include "sorting.hpp"
#include "variants.hpp"

namespace rw {
namespace {

using Numbers = Array<double>;

auto fold_scores(Numbers score, Numbers outcome, Numbers weight) {
  Folded folded;
  {
    nb::gil_scoped_release release;
    folded = fold_by_score(score.data(), outcome.data(), weight.size() ? weight.data() : nullptr,
                           score.size());
  }
  return nb::make_tuple(to_numpy(std::move(folded.value)), to_numpy(std::move(folded.events)),
                        to_numpy(std::move(folded.nonevents)));
}

struct Block {
  double sum, weight;
  int64_t start;
};

// First index of every block of the isotonic fit of sum / weight, and its level.
auto pool_adjacent(Numbers sum, Numbers weight) {
  std::vector<Block> stack;
  std::vector<int64_t> starts;
  std::vector<double> levels, weights;
  {
    nb::gil_scoped_release release;
    const double *s = sum.data(), *w = weight.data();
    const int64_t n = static_cast<int64_t>(sum.size());
    for (int64_t i = 0; i < n; ++i) {
      Block last{s[i], w[i], i};
      while (!stack.empty() && stack.back().sum * last.weight >= last.sum * stack.back().weight) {
        last = {stack.back().sum + last.sum, stack.back().weight + last.weight, stack.back().start};
        stack.pop_back();
      }
      stack.push_back(last);
    }
    for (const Block& block : stack) {
      starts.push_back(block.start);
      levels.push_back(block.sum / block.weight);
      weights.push_back(block.weight);
    }
  }
  return nb::make_tuple(to_numpy(std::move(starts)), to_numpy(std::move(levels)),
                        to_numpy(std::move(weights)));
}

struct Point {
  double x, y;
};

// Whether the path a, b, c does not turn left at b.
bool no_corner(Point a, Point b, Point c) {
  return (b.y - a.y) * (c.x - b.x) >= (c.y - b.y) * (b.x - a.x);
}

void push_corner(std::vector<Point>& stack, Point p) {
  while (stack.size() > 1 && no_corner(p, stack.back(), stack[stack.size() - 2])) stack.pop_back();
  stack.push_back(p);
}

// Isotonic fit at each score when an event with that score is added (Vovk, Petej and Fedorova,
// 2015, algorithms 1 and 2): slope of the greatest convex minorant of the cumulative sums, of which
// those before the added event are shifted by (-1, -1). The leftmost corner lies on top.
std::vector<double> with_event_added(const double* events, const double* nonevents, size_t m,
                                     bool mirrored) {
  const auto step = [&](size_t i) {
    const size_t at = mirrored ? m - 1 - i : i;
    return Point{events[at] + nonevents[at], mirrored ? nonevents[at] : events[at]};
  };
  std::vector<Point> sums(m + 1);
  for (size_t i = 0; i < m; ++i) {
    const Point d = step(i);
    sums[i + 1] = {sums[i].x + d.x, sums[i].y + d.y};
  }
  std::vector<Point> stack;
  for (size_t i = m; i > 0; --i) push_corner(stack, sums[i]);
  Point left{-1.0, -1.0};
  push_corner(stack, left);
  std::vector<double> level(m);
  for (size_t i = 0; i < m; ++i) {
    const Point top = stack.back(), next = stack[stack.size() - 2];
    level[mirrored ? m - 1 - i : i] = (next.y - top.y) / (next.x - top.x);
    const Point d = step(i);
    left = {left.x + d.x, left.y + d.y};
    if ((left.y - top.y) * (next.x - top.x) >= (next.y - top.y) * (left.x - top.x)) continue;
    stack.pop_back();
    push_corner(stack, left);
  }
  return level;
}

auto venn_abers(Numbers events, Numbers nonevents) {
  std::vector<double> without, with;
  {
    nb::gil_scoped_release release;
    const size_t m = events.size();
    with = with_event_added(events.data(), nonevents.data(), m, false);
    without = with_event_added(events.data(), nonevents.data(), m, true);
    for (double& level : without) level = 1.0 - level;
  }
  return nb::make_tuple(to_numpy(std::move(without)), to_numpy(std::move(with)));
}

// Rows of a regression on one or two columns; no weights for weights of 1.
LogisticRows logistic_rows(const std::vector<Numbers>& columns, Numbers y, Numbers weight,
                           std::pair<double, double> targets, std::pair<double, double> spread,
                           bool intercept, int threads) {
  LogisticRows rows{{},           spread.first,   spread.second, y.data(),  nullptr,
                    targets.first, targets.second, y.size(),      intercept, threads};
  if (weight.size()) rows.weight = weight.data();
  for (const Numbers& column : columns) rows.x.push_back(column.data());
  return rows;
}

// Coefficients (the intercept first) and whether the minimum was reached.
auto logistic_fit(const std::vector<Numbers>& columns, Numbers y, Numbers weight,
                  std::pair<double, double> targets, std::pair<double, double> spread,
                  bool intercept, const std::string& isa, int threads) {
  const LogisticRows rows = logistic_rows(columns, y, weight, targets, spread, intercept, threads);
  LogisticFit found;
  {
    nb::gil_scoped_release release;
    found = RW_VARIANT(isa, logistic_fit)(rows);
  }
  const size_t d = columns.size() + (intercept ? 1 : 0);
  return nb::make_tuple(to_numpy(std::vector<double>(found.theta, found.theta + d)), found.reached);
}

double logistic_loss(const std::vector<Numbers>& columns, Numbers y, Numbers weight,
                     std::pair<double, double> targets, std::pair<double, double> spread,
                     bool intercept, Numbers theta, const std::string& isa, int threads) {
  const LogisticRows rows = logistic_rows(columns, y, weight, targets, spread, intercept, threads);
  nb::gil_scoped_release release;
  return RW_VARIANT(isa, logistic_loss)(rows, theta.data());
}

using Filled = nb::ndarray<double, nb::c_contig, nb::device::cpu>;

void log_odds(Numbers p, Filled odds, const std::string& isa, int threads) {
  nb::gil_scoped_release release;
  RW_VARIANT(isa, log_odds)(p.data(), p.size(), odds.data(), threads);
}

void logs(Numbers p, Filled low, Filled high, const std::string& isa, int threads) {
  nb::gil_scoped_release release;
  RW_VARIANT(isa, logs)(p.data(), p.size(), low.data(), high.data(), threads);
}

// Whether all is as it must be, least and greatest score by outcome, number of events. The outcomes
// are written to `out` unless it is empty.
template <class T, class Scan>
auto scan_with(Scan scan, Numbers score, Array<T> y, Filled out, int threads) {
  RowScan found;
  {
    nb::gil_scoped_release release;
    found = scan(score.data(), y.data(), y.size(), out.size() ? out.data() : nullptr, threads);
  }
  return nb::make_tuple(found.good, std::make_pair(found.least[0], found.most[0]),
                        std::make_pair(found.least[1], found.most[1]), found.events);
}

auto scan_bytes(Numbers score, Array<uint8_t> y, Filled out, const std::string& isa, int threads) {
  return scan_with(RW_VARIANT(isa, scan_bytes), score, y, out, threads);
}

auto scan_whole(Numbers score, Array<int64_t> y, Filled out, const std::string& isa, int threads) {
  return scan_with(RW_VARIANT(isa, scan_whole), score, y, out, threads);
}

auto scan_doubles(Numbers score, Array<double> y, Filled out, const std::string& isa,
                  int threads) {
  return scan_with(RW_VARIANT(isa, scan_doubles), score, y, out, threads);
}

}  // namespace
}  // namespace rw

void bind_regression(nb::module_& m) {
  m.def("fold_scores", &rw::fold_scores, "score"_a, "outcome"_a, "weight"_a);
  m.def("pool_adjacent", &rw::pool_adjacent, "sum"_a, "weight"_a);
  m.def("venn_abers", &rw::venn_abers, "events"_a, "nonevents"_a);
  const std::string fastest = rw::instruction_sets().front();
  const int threads = rw::usual_threads();
  m.def("instruction_sets", &rw::instruction_sets);
  m.def("logistic_fit", &rw::logistic_fit, "columns"_a, "y"_a, "weight"_a, "targets"_a, "spread"_a,
        "intercept"_a, "isa"_a = fastest, "threads"_a = threads);
  m.def("logistic_loss", &rw::logistic_loss, "columns"_a, "y"_a, "weight"_a, "targets"_a,
        "spread"_a, "intercept"_a, "theta"_a, "isa"_a = fastest, "threads"_a = threads);
  m.def("log_odds", &rw::log_odds, "p"_a, "odds"_a, "isa"_a = fastest, "threads"_a = threads);
  m.def("logs", &rw::logs, "p"_a, "low"_a, "high"_a, "isa"_a = fastest, "threads"_a = threads);
  m.def("scan_rows", &rw::scan_bytes, "score"_a, "y"_a.noconvert(), "out"_a, "isa"_a = fastest,
        "threads"_a = threads);
  m.def("scan_rows", &rw::scan_whole, "score"_a, "y"_a.noconvert(), "out"_a, "isa"_a = fastest,
        "threads"_a = threads);
  m.def("scan_rows", &rw::scan_doubles, "score"_a, "y"_a.noconvert(), "out"_a, "isa"_a = fastest,
        "threads"_a = threads);
}
