// Sums over right-censored rows: comparable pairs, and squared errors of predicted survival.
#include "../arrays.hpp"

#include <algorithm>
#include <cmath>
#include <cstdint>

namespace {

using rw::Array;

// Weights by rank of the risk: sums below a rank and at it.
class RankSums {
 public:
  explicit RankSums(size_t ranks) : tree_(ranks + 1, 0.0), at_(ranks, 0.0) {}
  void add(size_t rank, double weight) {
    total_ += weight;
    at_[rank] += weight;
    for (size_t i = rank + 1; i < tree_.size(); i += i & (~i + 1)) tree_[i] += weight;
  }
  double below(size_t rank) const {
    double sum = 0.0;
    for (size_t i = rank; i > 0; i &= i - 1) sum += tree_[i];
    return sum;
  }
  double at(size_t rank) const { return at_[rank]; }
  double total() const { return total_; }

 private:
  std::vector<double> tree_, at_;
  double total_ = 0.0;
};

// Rows sorted by time; `ends` closes each block of equal times. A pair is comparable where the
// earlier row is an event and the later one has a later time, or the same time and no event.
// Returns concordant (ties half) and comparable weight of every row as the earlier and as the later
// one of its pairs, and the totals of concordant, tied and comparable pairs.
nb::tuple concordance_sums(Array<int64_t> ends, Array<int32_t> rank, Array<uint8_t> event,
                           Array<double> weight, Array<double> event_weight, size_t ranks) {
  const size_t n = rank.shape(0), blocks = ends.shape(0);
  std::vector<double> early(2 * n, 0.0), late(2 * n, 0.0);
  double concordant = 0.0, tied = 0.0, comparable = 0.0;
  {
    nb::gil_scoped_release unlocked;
    const int64_t* end = ends.data();
    const int32_t* r = rank.data();
    const uint8_t* is_event = event.data();
    const double *w = weight.data(), *v = event_weight.data();
    RankSums later(ranks);
    for (size_t b = blocks; b-- > 0;) {
      const size_t from = b ? size_t(end[b - 1]) : 0, to = size_t(end[b]);
      for (size_t i = from; i < to; ++i)
        if (!is_event[i]) later.add(size_t(r[i]), w[i]);
      for (size_t i = from; i < to; ++i) {
        if (!is_event[i] || v[i] == 0.0) continue;
        const double below = later.below(size_t(r[i])), equal = later.at(size_t(r[i]));
        concordant += v[i] * below;
        tied += v[i] * equal;
        comparable += v[i] * later.total();
        early[2 * i] = v[i] * (below + equal / 2);
        early[2 * i + 1] = v[i] * later.total();
      }
      for (size_t i = from; i < to; ++i)
        if (is_event[i]) later.add(size_t(r[i]), w[i]);
    }
    RankSums earlier(ranks);
    for (size_t b = 0; b < blocks; ++b) {
      const size_t from = b ? size_t(end[b - 1]) : 0, to = size_t(end[b]);
      auto compare = [&](size_t i) {
        const double below = earlier.below(size_t(r[i])), equal = earlier.at(size_t(r[i]));
        late[2 * i] = w[i] * (earlier.total() - below - equal / 2);
        late[2 * i + 1] = w[i] * earlier.total();
      };
      for (size_t i = from; i < to; ++i)
        if (is_event[i]) compare(i);
      for (size_t i = from; i < to; ++i)
        if (is_event[i] && v[i] != 0.0) earlier.add(size_t(r[i]), v[i]);
      for (size_t i = from; i < to; ++i)
        if (!is_event[i]) compare(i);
    }
  }
  return nb::make_tuple(rw::to_numpy(std::move(early), {n, size_t(2)}),
                        rw::to_numpy(std::move(late), {n, size_t(2)}), concordant, tied,
                        comparable);
}

// Per time: sums over rows of w l, w^2 x, w^2 x^2, where l is the weighted squared error of the row
// and x adds what the row does to it through the estimated censoring distribution.
struct ErrorSums {
  std::vector<double> loss, first, second, above, passed;
  explicit ErrorSums(size_t k) : loss(k), first(k), second(k), above(k), passed(k) {}
};

// Rows are visited from the last time to the first, so that `above` (weighted loss of the rows
// later than u, by column) is at hand where a censoring at u changed the weights of those rows.
//   order, ends      rows by time and the closing places of blocks of equal time
//   event_inverse    1 / G per block for its events, event_fixed where that was truncated
//   time_inverse     1 / G per column for the rows still followed then, time_fixed likewise
//   left             a row censored at a time is followed to it, and G is the left limit
//   share            weight of each column in the integral
// Returns bad (a row that is no survival function, else -1), sums per column, integral per row.
nb::tuple survival_errors(Array<double> survival, Array<double> times, Array<int64_t> order,
                          Array<int64_t> ends, Array<double> block_time, Array<uint8_t> event,
                          Array<double> weight, Array<double> censored, Array<double> after,
                          Array<double> event_inverse, Array<uint8_t> event_fixed,
                          Array<double> time_inverse, Array<double> time_moves, bool left,
                          Array<double> share, double slack) {
  const size_t n = survival.shape(0), columns = survival.shape(1), blocks = ends.shape(0);
  ErrorSums sums(columns);
  std::vector<double> integral(n, 0.0);
  int64_t bad = -1;
  {
    nb::gil_scoped_release unlocked;
    const double *t = times.data(), *inverse = time_inverse.data(), *moves = time_moves.data(),
                 *c = share.data();
    double *loss = sums.loss.data(), *first = sums.first.data(), *second = sums.second.data(),
           *above = sums.above.data(), *passed = sums.passed.data();
    auto not_survival = [&](const double* s) {
      bool wrong = !(s[0] >= 0.0) | !(s[0] <= 1.0);
      for (size_t k = 1; k < columns; ++k) wrong |= !(s[k] >= 0.0) | !(s[k] <= s[k - 1] + slack);
      return wrong | !(s[columns - 1] <= 1.0);
    };
    // The first `known` columns find the row still followed, the others after its end.
    auto visit = [&](size_t row, size_t known, bool is_event, double event_weight, bool moved,
                     double gain) {
      const double* s = survival.data() + row * columns;
      if (not_survival(s)) bad = int64_t(row);
      const double w = weight.data()[row], w2 = w * w;
      double y = 0.0;
      for (size_t k = 0; k < known; ++k) {
        const double x = (1.0 - s[k]) * (1.0 - s[k]) * inverse[k];
        loss[k] += w * x;
        first[k] += w2 * x;
        second[k] += w2 * x * x;
        above[k] += w * x * moves[k];
        y += c[k] * x;
      }
      if (is_event) {
        const double add = moved ? w : 0.0;
        for (size_t k = known; k < columns; ++k) {
          const double l = s[k] * s[k] * event_weight, x = l + passed[k];
          loss[k] += w * l;
          first[k] += w2 * x;
          second[k] += w2 * x * x;
          above[k] += add * l;
          y += c[k] * x;
        }
      } else {
        for (size_t k = known; k < columns; ++k) {
          const double x = passed[k] + above[k] * gain;
          first[k] += w2 * x;
          second[k] += w2 * x * x;
          y += c[k] * x;
        }
      }
      integral[row] = y;
    };
    size_t lower = columns, upper = columns;
    for (size_t b = blocks; b-- > 0;) {
      const size_t from = b ? size_t(ends.data()[b - 1]) : 0, to = size_t(ends.data()[b]);
      const double u = block_time.data()[b], more = after.data()[b], lost = censored.data()[b];
      while (lower > 0 && t[lower - 1] >= u) --lower;
      while (upper > 0 && t[upper - 1] > u) --upper;
      const size_t known = left ? upper : lower;
      const double gain = more > 0.0 ? 1.0 / more : 0.0;
      const double ig = event_inverse.data()[b];
      const bool moved = !event_fixed.data()[b];
      if (!left && moved && lost > 0.0)
        for (size_t i = from; i < to; ++i) {
          const size_t row = size_t(order.data()[i]);
          if (!event.data()[row]) continue;
          const double* s = survival.data() + row * columns;
          for (size_t k = lower; k < columns; ++k)
            above[k] += weight.data()[row] * s[k] * s[k] * ig;
        }
      for (size_t i = from; i < to; ++i) {
        const size_t row = size_t(order.data()[i]);
        if (!event.data()[row]) visit(row, known, false, 0.0, false, gain);
      }
      if (lost > 0.0 && gain > 0.0) {
        const double rate = lost / (lost + more) * gain;
        for (size_t k = known; k < columns; ++k) passed[k] += above[k] * rate;
      }
      for (size_t i = from; i < to; ++i) {
        const size_t row = size_t(order.data()[i]);
        if (event.data()[row]) visit(row, lower, true, ig, moved && (left || lost == 0.0), gain);
      }
    }
  }
  return nb::make_tuple(bad, rw::to_numpy(std::move(sums.loss)), rw::to_numpy(std::move(sums.first)),
                        rw::to_numpy(std::move(sums.second)), rw::to_numpy(std::move(sums.passed)),
                        rw::to_numpy(std::move(integral)));
}

}  // namespace

void bind_survival(nb::module_& m) {
  m.def("concordance_sums", &concordance_sums, "ends"_a, "rank"_a, "event"_a, "weight"_a,
        "event_weight"_a, "ranks"_a);
  m.def("survival_errors", &survival_errors, "survival"_a, "times"_a, "order"_a, "ends"_a,
        "block_time"_a, "event"_a, "weight"_a, "censored"_a, "after"_a, "event_inverse"_a,
        "event_fixed"_a, "time_inverse"_a, "time_moves"_a, "left"_a, "share"_a, "slack"_a);
}
