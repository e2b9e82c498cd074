// Sums over rows placed among nodes: what the normal equations of an additive model need.
// And the concordance of two columns.
#include "../arrays.hpp"

#include <algorithm>
#include <cstdint>
#include <utility>
#include <vector>

namespace {

using rw::Array;
using std::size_t;

// Rows placed among the nodes of every term, term by term: the node at or below, and how far the
// row leans to the next one (0 for terms without neighbours). `bent` marks the terms that lean.
struct Design {
  const uint16_t* code;
  const double* lean;
  const uint8_t* bent;
  const int64_t* offset;
  size_t terms, rows;

  Design(const Array<uint16_t>& codes, const Array<double>& leans, const Array<uint8_t>& bends,
         const Array<int64_t>& offsets)
      : code(codes.data()), lean(leans.data()), bent(bends.data()), offset(offsets.data()),
        terms(codes.shape(0)), rows(codes.shape(1)) {}

  const uint16_t* codes(size_t j) const { return code + j * rows; }
  const double* leans(size_t j) const { return lean + j * rows; }
  size_t first(size_t j) const { return static_cast<size_t>(offset[j]); }
  size_t size(size_t j) const { return static_cast<size_t>(offset[j + 1] - offset[j]); }
  size_t nodes() const { return first(terms); }
};

struct Run {
  size_t first, last;
  Run(const Array<int64_t>& starts, size_t k)
      : first(static_cast<size_t>(starts.data()[k])),
        last(static_cast<size_t>(starts.data()[k + 1])) {}
};

// `block` has a row and a column to spare, for the neighbour that a last node lacks.
template <bool kBentA, bool kBentC>
void count_pairs(const Design& x, size_t a, size_t c, Run run, const double* w, double* block) {
  const uint16_t *p = x.codes(a), *q = x.codes(c);
  const double *s = x.leans(a), *t = x.leans(c);
  const size_t wide = x.size(c) + 1;
  for (size_t i = run.first; i < run.last; ++i) {
    const double weight = w != nullptr ? w[i] : 1.0;
    double* at = block + p[i] * wide + q[i];
    if constexpr (!kBentA && !kBentC) {
      at[0] += weight;
    } else if constexpr (!kBentA) {
      at[0] += weight * (1 - t[i]);
      at[1] += weight * t[i];
    } else if constexpr (!kBentC) {
      at[0] += weight * (1 - s[i]);
      at[wide] += weight * s[i];
    } else {
      const double low = weight * (1 - s[i]), high = weight * s[i];
      at[0] += low * (1 - t[i]);
      at[1] += low * t[i];
      at[wide] += high * (1 - t[i]);
      at[wide + 1] += high * t[i];
    }
  }
}

void cross_block(const Design& x, size_t a, size_t c, Run run, const double* w,
                 std::vector<double>& block, double* out) {
  const size_t tall = x.size(a), wide = x.size(c), nodes = x.nodes();
  block.assign((tall + 1) * (wide + 1), 0.0);
  const auto count = x.bent[a] ? (x.bent[c] ? count_pairs<true, true> : count_pairs<true, false>)
                               : (x.bent[c] ? count_pairs<false, true> : count_pairs<false, false>);
  count(x, a, c, run, w, block.data());
  for (size_t p = 0; p < tall; ++p)
    for (size_t q = 0; q < wide; ++q) {
      const double found = block[p * (wide + 1) + q];
      out[(x.first(a) + p) * nodes + x.first(c) + q] = found;
      out[(x.first(c) + q) * nodes + x.first(a) + p] = found;
    }
}

// For each run of rows between two `starts`, the weighted cross-products of all nodes.
auto pair_counts(Array<uint16_t> codes, Array<double> leans, Array<uint8_t> bent,
                 Array<int64_t> offsets, Array<double> weights, Array<int64_t> starts) {
  const Design x(codes, leans, bent, offsets);
  const size_t runs = starts.size() - 1, nodes = x.nodes();
  const double* w = weights.size() ? weights.data() : nullptr;
  std::vector<double> out(runs * nodes * nodes);
  {
    nb::gil_scoped_release released;
    std::vector<double> block;
    for (size_t k = 0; k < runs; ++k)
      for (size_t a = 0; a < x.terms; ++a)
        for (size_t c = a; c < x.terms; ++c)
          cross_block(x, a, c, Run(starts, k), w, block, out.data() + k * nodes * nodes);
  }
  return rw::to_numpy(std::move(out), {runs, nodes, nodes});
}

// For each run of rows, the sum of `values` at every node.
auto cell_sums(Array<uint16_t> codes, Array<double> leans, Array<uint8_t> bent,
               Array<int64_t> offsets, Array<double> values, Array<int64_t> starts) {
  const Design x(codes, leans, bent, offsets);
  const size_t runs = starts.size() - 1, nodes = x.nodes();
  const double* value = values.data();
  std::vector<double> out(runs * nodes);
  {
    nb::gil_scoped_release released;
    std::vector<double> sum;
    for (size_t k = 0; k < runs; ++k)
      for (size_t j = 0; j < x.terms; ++j) {
        const Run run(starts, k);
        const uint16_t* code = x.codes(j);
        const double* lean = x.leans(j);
        sum.assign(x.size(j) + 1, 0.0);
        if (x.bent[j])
          for (size_t i = run.first; i < run.last; ++i) {
            sum[code[i]] += (1 - lean[i]) * value[i];
            sum[code[i] + 1u] += lean[i] * value[i];
          }
        else
          for (size_t i = run.first; i < run.last; ++i) sum[code[i]] += value[i];
        std::copy(sum.begin(), sum.end() - 1, out.data() + k * nodes + x.first(j));
      }
  }
  return rw::to_numpy(std::move(out), {runs, nodes});
}

// What the terms add up to for every row, `effects` given by node.
auto row_sums(Array<uint16_t> codes, Array<double> leans, Array<uint8_t> bent,
              Array<int64_t> offsets, Array<double> effects) {
  const Design x(codes, leans, bent, offsets);
  std::vector<double> out(x.rows, 0.0);
  {
    nb::gil_scoped_release released;
    std::vector<double> of(effects.data(), effects.data() + x.nodes());
    of.push_back(0.0);
    for (size_t j = 0; j < x.terms; ++j) {
      const uint16_t* code = x.codes(j);
      const double *lean = x.leans(j), *at = of.data() + x.first(j);
      if (x.bent[j])
        for (size_t i = 0; i < x.rows; ++i)
          out[i] += at[code[i]] + lean[i] * (at[code[i] + 1u] - at[code[i]]);
      else
        for (size_t i = 0; i < x.rows; ++i) out[i] += at[code[i]];
    }
  }
  return rw::to_numpy(std::move(out));
}

// ---- concordance ------------------------------------------------------------------------------

// Counts of ranks seen so far, summed by binary indices (Fenwick).
class Seen {
 public:
  explicit Seen(size_t ranks) : count_(ranks + 1, 0) {}

  void add(size_t rank) {
    ++total_;
    for (size_t i = rank + 1; i < count_.size(); i += i & (~i + 1)) ++count_[i];
  }

  // Ranks below minus ranks above.
  int64_t sign_sum(size_t rank) const { return before(rank) - (total_ - before(rank + 1)); }

 private:
  int64_t before(size_t rank) const {
    int64_t sum = 0;
    for (size_t i = rank; i > 0; i &= i - 1) sum += count_[i];
    return sum;
  }

  std::vector<int64_t> count_;
  int64_t total_ = 0;
};

// Per row, the rows concordant with it minus those discordant. `order` sorts `x`; ranks are dense.
auto concordance(Array<int64_t> x_, Array<int64_t> y_, Array<int64_t> order_) {
  const size_t n = x_.size();
  const int64_t *x = x_.data(), *y = y_.data(), *order = order_.data();
  std::vector<double> out(n);
  {
    nb::gil_scoped_release released;
    Seen seen(n);
    const auto rank = [&](size_t place) { return static_cast<size_t>(y[order[place]]); };
    for (size_t first = 0, last = 0; first < n; first = last) {
      while (last < n && x[order[last]] == x[order[first]]) ++last;
      for (size_t i = first; i < last; ++i)
        out[order[i]] = static_cast<double>(seen.sign_sum(rank(i)));
      for (size_t i = first; i < last; ++i) seen.add(rank(i));
      for (size_t i = first; i < last; ++i)
        out[order[i]] += static_cast<double>(seen.sign_sum(rank(i)));
    }
    for (size_t i = 0; i < n; ++i)
      out[i] -= static_cast<double>(seen.sign_sum(static_cast<size_t>(y[i])));
  }
  return rw::to_numpy(std::move(out));
}

}  // namespace

void bind_additive(nb::module_& m) {
  m.def("pair_counts", &pair_counts, "codes"_a, "leans"_a, "bent"_a, "offsets"_a, "weights"_a,
        "starts"_a);
  m.def("cell_sums", &cell_sums, "codes"_a, "leans"_a, "bent"_a, "offsets"_a, "values"_a,
        "starts"_a);
  m.def("row_sums", &row_sums, "codes"_a, "leans"_a, "bent"_a, "offsets"_a, "effects"_a);
  m.def("concordance", &concordance, "x"_a, "y"_a, "order"_a);
}
