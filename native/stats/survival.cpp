// Sums over right-censored rows: comparable pairs, and squared errors of predicted survival.
#include "../arrays.hpp"

#include <algorithm>
#include <cstdint>
#include <cstring>

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

// Two columns of one row at a time, which every 64-bit processor has registers for.
typedef double Two __attribute__((vector_size(16)));
typedef int64_t TwoMask __attribute__((vector_size(16)));

inline double sum(Two v) { return v[0] + v[1]; }

// f(k, Two{}) for pairs of columns in [from, to), then f(k, double{}) for what is left.
template <class F>
inline void over_columns(size_t from, size_t to, F&& f) {
  size_t k = from;
  for (; k + 2 <= to; k += 2) f(k, Two{});
  for (; k < to; ++k) f(k, double{});
}
template <class V>
inline V get(const double* p) {
  V v;
  std::memcpy(&v, p, sizeof v);
  return v;
}
template <class V>
inline void add(double* p, V v) {
  v += get<V>(p);
  std::memcpy(p, &v, sizeof v);
}

// Whether a row lies in [0, 1] and rises nowhere by more than `slack`; false for NaN.
inline bool is_survival(const double* s, size_t columns, double slack) {
  TwoMask rises = {0, 0};
  bool wrong = !(s[0] <= 1.0) | !(s[columns - 1] >= 0.0);
  size_t k = 1;
  for (; k + 2 <= columns; k += 2) rises |= ~(get<Two>(s + k) <= get<Two>(s + k - 1) + slack);
  for (; k < columns; ++k) wrong |= !(s[k] <= s[k - 1] + slack);
  return !(wrong | ((rises[0] | rises[1]) != 0));
}

struct FollowUpArrays {
  const int64_t *order, *ends;
  const double *block_time, *censored, *after, *event_inverse, *weight;
  const uint8_t *event, *event_fixed;
  size_t blocks;
};

// Sums over rows, per column, of the weighted loss w l, and of w^2 x and (w x)^2, where x adds to l
// what the row does through the estimated censoring distribution; per row the integral of w x.
//
// Rows are visited from the last time to the first, so that the loss of the rows later than u
// (`above`) is at hand where a censoring at u raised the weights of those rows, and what the rows
// at risk then owe for it (`passed`) has been added up over the times after u.
//
// The derivatives by log weight, w (x - loss - passed), sum to 0 for weights that sum to 1: for
// equal weights `first` follows from the others.
template <bool Weighted>
class ErrorPass {
 public:
  ErrorPass(const double* survival, const double* times, size_t columns, const double* inverse,
            const double* moves, const double* share, bool left, double slack)
      : loss(columns), first(columns), second(columns), passed(columns), above_(columns),
        survival_(survival), times_(times), inverse_(inverse), moves_(moves), share_(share),
        columns_(columns), open_(columns), left_(left), slack_(slack) {}

  void run(const FollowUpArrays& a, double* integral) {
    size_t lower = columns_, upper = columns_;
    for (size_t b = a.blocks; b-- > 0;) {
      const size_t from = b ? size_t(a.ends[b - 1]) : 0, to = size_t(a.ends[b]);
      const double u = a.block_time[b], lost = a.censored[b], more = a.after[b];
      while (lower > 0 && times_[lower - 1] >= u) --lower;
      while (upper > 0 && times_[upper - 1] > u) --upper;
      const size_t known = left_ ? upper : lower;
      const double gain = more > 0.0 ? 1.0 / more : 0.0, inverse = a.event_inverse[b];
      const bool moves = !a.event_fixed[b], early = !left_ && lost > 0.0;
      open(known);
      if (moves && early)
        for (size_t i = from; i < to; ++i) add_event_loss(a, size_t(a.order[i]), lower, inverse);
      for (size_t i = from; i < to; ++i) {
        prefetch(a, i);
        const size_t row = size_t(a.order[i]);
        if (!a.event[row]) integral[row] = censored(row, known, a.weight[row], gain);
      }
      if (lost > 0.0 && gain > 0.0) {
        const double rate = lost / (lost + more) * gain;
        for (size_t k = known; k < columns_; ++k) passed[k] += above_[k] * rate;
      }
      open(lower);
      for (size_t i = from; i < to; ++i) {
        const size_t row = size_t(a.order[i]);
        if (a.event[row])
          integral[row] = event(row, lower, a.weight[row], inverse, moves && !early ? 1.0 : 0.0);
      }
    }
  }

  int64_t bad = -1;
  std::vector<double> loss, first, second, passed;

 private:
  // From now on rows end at or before the time of column k: those so far are still followed then.
  void open(size_t k) {
    while (open_ > k) {
      --open_;
      above_[open_] = moves_[open_] * loss[open_];
    }
  }
  void prefetch(const FollowUpArrays& a, size_t i) const {
    if (i < 4) return;
    const double* s = survival_ + size_t(a.order[i - 4]) * columns_;
    for (size_t k = 0; k < columns_ && k < 64; k += 8) __builtin_prefetch(s + k);
  }
  void add_event_loss(const FollowUpArrays& a, size_t row, size_t lower, double inverse) {
    if (!a.event[row]) return;
    const double* s = survival_ + row * columns_;
    for (size_t k = lower; k < columns_; ++k) above_[k] += a.weight[row] * inverse * s[k] * s[k];
  }
  double followed(const double* s, size_t known, double w) {
    Two y = {0, 0};
    over_columns(0, known, [&]<class V>(size_t k, V) {
      const V d = 1.0 - get<V>(s + k), x = w * d * d * get<V>(inverse_ + k);
      add(&loss[k], x);
      if constexpr (Weighted) add(&first[k], w * x);
      add(&second[k], x * x);
      if constexpr (sizeof(V) == sizeof(Two)) y += get<V>(share_ + k) * x;
      else y[0] += share_[k] * x;
    });
    return sum(y);
  }
  double event(size_t row, size_t known, double w, double inverse, double moves) {
    const double* s = survival_ + row * columns_;
    if (!is_survival(s, columns_, slack_)) bad = int64_t(row);
    Two y = {followed(s, known, w), 0};
    const double scale = w * inverse;
    over_columns(known, columns_, [&]<class V>(size_t k, V) {
      const V v = get<V>(s + k), l = scale * v * v, x = l + w * get<V>(&passed[k]);
      add(&loss[k], l);
      if constexpr (Weighted) add(&first[k], w * x);
      add(&second[k], x * x);
      add(&above_[k], moves * l);
      if constexpr (sizeof(V) == sizeof(Two)) y += get<V>(share_ + k) * x;
      else y[0] += share_[k] * x;
    });
    return sum(y);
  }
  double censored(size_t row, size_t known, double w, double gain) {
    const double* s = survival_ + row * columns_;
    if (!is_survival(s, columns_, slack_)) bad = int64_t(row);
    Two y = {followed(s, known, w), 0};
    over_columns(known, columns_, [&]<class V>(size_t k, V) {
      const V x = w * (get<V>(&passed[k]) + gain * get<V>(&above_[k]));
      if constexpr (Weighted) add(&first[k], w * x);
      add(&second[k], x * x);
      if constexpr (sizeof(V) == sizeof(Two)) y += get<V>(share_ + k) * x;
      else y[0] += share_[k] * x;
    });
    return sum(y);
  }

  std::vector<double> above_;
  const double *survival_, *times_, *inverse_, *moves_, *share_;
  size_t columns_, open_;
  bool left_;
  double slack_;
};

//   order, ends      rows by time and the closing places of blocks of equal time
//   event_inverse    1 / G per block for its events; event_fixed where that was truncated
//   time_inverse     1 / G per column for the rows still followed; time_moves 0 where truncated
//   left             a row censored at a time is followed to it, and G is the limit from the left
//   share            weight of each column in the integral
// Returns a row that is no survival function or -1, sums per column, integral per row.
nb::tuple survival_errors(Array<double> survival, Array<double> times, Array<int64_t> order,
                          Array<int64_t> ends, Array<double> block_time, Array<uint8_t> event,
                          Array<double> weight, Array<double> censored, Array<double> after,
                          Array<double> event_inverse, Array<uint8_t> event_fixed,
                          Array<double> time_inverse, Array<double> time_moves, bool left,
                          Array<double> share, double slack) {
  const FollowUpArrays arrays{order.data(),         ends.data(),   block_time.data(),
                              censored.data(),      after.data(),  event_inverse.data(),
                              weight.data(),        event.data(),  event_fixed.data(),
                              ends.shape(0)};
  const size_t n = survival.shape(0);
  const bool weighted = std::any_of(weight.data(), weight.data() + n,
                                    [&](double w) { return w != weight.data()[0]; });
  auto sums = [&]<bool Weighted>() {
    ErrorPass<Weighted> pass(survival.data(), times.data(), survival.shape(1), time_inverse.data(),
                             time_moves.data(), share.data(), left, slack);
    std::vector<double> integral(n);
    {
      nb::gil_scoped_release unlocked;
      pass.run(arrays, integral.data());
    }
    if (!Weighted)
      for (size_t k = 0; k < pass.first.size(); ++k)
        pass.first[k] = weight.data()[0] * (pass.loss[k] + pass.passed[k]);
    return nb::make_tuple(pass.bad, rw::to_numpy(std::move(pass.loss)),
                          rw::to_numpy(std::move(pass.first)),
                          rw::to_numpy(std::move(pass.second)),
                          rw::to_numpy(std::move(pass.passed)), rw::to_numpy(std::move(integral)));
  };
  return weighted ? sums.template operator()<true>() : sums.template operator()<false>();
}

}  // namespace

void bind_survival(nb::module_& m) {
  m.def("concordance_sums", &concordance_sums, "ends"_a, "rank"_a, "event"_a, "weight"_a,
        "event_weight"_a, "ranks"_a);
  m.def("survival_errors", &survival_errors, "survival"_a, "times"_a, "order"_a, "ends"_a,
        "block_time"_a, "event"_a, "weight"_a, "censored"_a, "after"_a, "event_inverse"_a,
        "event_fixed"_a, "time_inverse"_a, "time_moves"_a, "left"_a, "share"_a, "slack"_a);
}
