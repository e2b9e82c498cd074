// Sums over right-censored rows: comparable pairs, and squared errors of predicted survival.
#include <algorithm>
#include <cstdint>
#include <string>
#include <utility>

#include "../arrays.hpp"
#include "prediction_error.hpp"
#include "variants.hpp"

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

//   order, ends      rows by time and the closing places of blocks of equal time
//   event_inverse    1 / G per block for its events; event_fixed where that was truncated
//   time_inverse     1 / G per column for the rows still followed; time_moves 0 where truncated
//   left             a row censored at a time is followed to it, and G is the limit from the left
//   share            weight of each column in the integral
// Returns whether all rows are survival functions, sums per column, integral per row.
//   isa, threads     neither of which changes a bit
nb::tuple survival_errors(Array<double> survival, Array<double> times, Array<int64_t> order,
                          Array<int64_t> ends, Array<double> block_time, Array<uint8_t> event,
                          Array<double> weight, Array<double> censored, Array<double> after,
                          Array<double> event_inverse, Array<uint8_t> event_fixed,
                          Array<double> time_inverse, Array<double> time_moves, bool left,
                          Array<double> share, double slack, const std::string& isa, int threads) {
  const rw::PredictedSurvival given{
      survival.data(),      times.data(),      order.data(),       ends.data(),
      block_time.data(),    event.data(),      weight.data(),      censored.data(),
      after.data(),         event_inverse.data(), event_fixed.data(), time_inverse.data(),
      time_moves.data(),    share.data(),      survival.shape(0),  survival.shape(1),
      ends.shape(0),        left,              slack,              threads};
  rw::ErrorSums sums;
  {
    nb::gil_scoped_release unlocked;
    sums = RW_VARIANT(isa, rw::prediction_errors)(given);
  }
  return nb::make_tuple(sums.all_survival, rw::to_numpy(std::move(sums.loss)),
                        rw::to_numpy(std::move(sums.first)), rw::to_numpy(std::move(sums.second)),
                        rw::to_numpy(std::move(sums.passed)),
                        rw::to_numpy(std::move(sums.integral)));
}

}  // namespace

void bind_survival(nb::module_& m) {
  m.def("concordance_sums", &concordance_sums, "ends"_a, "rank"_a, "event"_a, "weight"_a,
        "event_weight"_a, "ranks"_a);
  m.def("survival_errors", &survival_errors, "survival"_a, "times"_a, "order"_a, "ends"_a,
        "block_time"_a, "event"_a, "weight"_a, "censored"_a, "after"_a, "event_inverse"_a,
        "event_fixed"_a, "time_inverse"_a, "time_moves"_a, "left"_a, "share"_a, "slack"_a,
        "isa"_a = rw::instruction_sets().front(), "threads"_a = rw::usual_threads());
}
