// Histograms of binned columns: what an additive model's normal equations need; concordance.
#include "../arrays.hpp"

#include <cstdint>
#include <utility>
#include <vector>

namespace {

using rw::Array;
using std::size_t;

// Codes of the columns of a table, column by column, and where the cells of each column begin.
struct Codes {
  const uint16_t* code;
  const int64_t* offset;
  size_t columns, rows;

  Codes(const Array<uint16_t>& codes, const Array<int64_t>& offsets)
      : code(codes.data()), offset(offsets.data()), columns(codes.shape(0)), rows(codes.shape(1)) {}

  const uint16_t* column(size_t j) const { return code + j * rows; }
  size_t size(size_t j) const { return static_cast<size_t>(offset[j + 1] - offset[j]); }
  size_t cells() const { return static_cast<size_t>(offset[columns]); }
};

template <class Weight>
void count_pairs(const uint16_t* a, const uint16_t* c, size_t first, size_t last, size_t width,
                 double* block, Weight weight) {
  for (size_t i = first; i < last; ++i) block[a[i] * width + c[i]] += weight(i);
}

void cross_block(const Codes& codes, size_t a, size_t c, size_t first, size_t last, const double* w,
                 std::vector<double>& block, double* out) {
  const size_t tall = codes.size(a), wide = codes.size(c), cells = codes.cells();
  block.assign(tall * wide, 0.0);
  if (w != nullptr)
    count_pairs(codes.column(a), codes.column(c), first, last, wide, block.data(),
                [w](size_t i) { return w[i]; });
  else
    count_pairs(codes.column(a), codes.column(c), first, last, wide, block.data(),
                [](size_t) { return 1.0; });
  const auto top = static_cast<size_t>(codes.offset[a]), left = static_cast<size_t>(codes.offset[c]);
  for (size_t p = 0; p < tall; ++p)
    for (size_t q = 0; q < wide; ++q) {
      out[(top + p) * cells + left + q] = block[p * wide + q];
      out[(left + q) * cells + top + p] = block[p * wide + q];
    }
}

// For each run of rows between two `starts`, the weighted counts of all pairs of cells.
auto pair_counts(Array<uint16_t> codes_, Array<int64_t> offsets, Array<double> weights,
                 Array<int64_t> starts) {
  const Codes codes(codes_, offsets);
  const size_t runs = starts.size() - 1, cells = codes.cells();
  const double* w = weights.size() ? weights.data() : nullptr;
  const int64_t* start = starts.data();
  std::vector<double> out(runs * cells * cells);
  {
    nb::gil_scoped_release released;
    std::vector<double> block;
    for (size_t run = 0; run < runs; ++run)
      for (size_t a = 0; a < codes.columns; ++a)
        for (size_t c = a; c < codes.columns; ++c)
          cross_block(codes, a, c, static_cast<size_t>(start[run]),
                      static_cast<size_t>(start[run + 1]), w, block,
                      out.data() + run * cells * cells);
  }
  return rw::to_numpy(std::move(out), {runs, cells, cells});
}

// For each run of rows, the sum of `values` in every cell.
auto cell_sums(Array<uint16_t> codes_, Array<int64_t> offsets, Array<double> values,
               Array<int64_t> starts) {
  const Codes codes(codes_, offsets);
  const size_t runs = starts.size() - 1, cells = codes.cells();
  const double* value = values.data();
  const int64_t* start = starts.data();
  std::vector<double> out(runs * cells);
  {
    nb::gil_scoped_release released;
    for (size_t run = 0; run < runs; ++run)
      for (size_t j = 0; j < codes.columns; ++j) {
        const uint16_t* code = codes.column(j);
        double* sum = out.data() + run * cells + codes.offset[j];
        for (auto i = static_cast<size_t>(start[run]); i < static_cast<size_t>(start[run + 1]); ++i)
          sum[code[i]] += value[i];
      }
  }
  return rw::to_numpy(std::move(out), {runs, cells});
}

// What the cells of every row add up to.
auto row_sums(Array<uint16_t> codes_, Array<int64_t> offsets, Array<double> effects, double begin) {
  const Codes codes(codes_, offsets);
  const double* effect = effects.data();
  std::vector<double> out(codes.rows, begin);
  {
    nb::gil_scoped_release released;
    for (size_t j = 0; j < codes.columns; ++j) {
      const uint16_t* code = codes.column(j);
      const double* of = effect + codes.offset[j];
      for (size_t i = 0; i < codes.rows; ++i) out[i] += of[code[i]];
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
  m.def("pair_counts", &pair_counts, "codes"_a, "offsets"_a, "weights"_a, "starts"_a);
  m.def("cell_sums", &cell_sums, "codes"_a, "offsets"_a, "values"_a, "starts"_a);
  m.def("row_sums", &row_sums, "codes"_a, "offsets"_a, "effects"_a, "begin"_a);
  m.def("concordance", &concordance, "x"_a, "y"_a, "order"_a);
}
