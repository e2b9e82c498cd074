// Patterns grouped into the distinct rows of a support, one column at a time.
#pragma once
#include <vector>

#include "cells.hpp"

namespace rw::RW_ISA {

struct Partition {
  static constexpr int kMostCoded = 16;

  int count = 1, terms = 0;
  std::vector<int32_t> cell;             // of each pattern
  std::vector<Weight> weight;            // of each cell
  std::vector<std::vector<double>> value;  // of each term, per cell

  // Binary items: one cell for all patterns. Numbers: every pattern is a cell of its own.
  static Partition whole(const Problem& problem) {
    Partition p;
    if (!problem.binary) {
      p.count = problem.m;
      p.cell.resize(problem.m);
      for (int i = 0; i < problem.m; ++i) p.cell[i] = i;
      p.weight = problem.weight;
      return p;
    }
    p.cell.assign(problem.m, 0);
    p.weight.resize(1);
    for (const Weight& w : problem.weight) p.weight[0] += w;
    return p;
  }

  static Partition of(const Problem& problem, const int* items, int n) {
    if (problem.binary && n <= kMostCoded) return coded(problem, items, n);
    Partition p = whole(problem);
    for (int a = 0; a < n; ++a) p.split(problem, items[a]);
    return p;
  }

  // Binary items: the cells in the order in which the patterns reach them.
  static Partition coded(const Problem& problem, const int* items, int n) {
    Partition p;
    p.terms = n;
    p.count = 0;
    std::vector<uint16_t> code(problem.m, 0);
    for (int a = 0; a < n; ++a)
      for (int64_t k = problem.start[items[a]]; k < problem.start[items[a] + 1]; ++k)
        code[problem.row[k]] |= uint16_t(1 << a);
    std::vector<int32_t> number(size_t(1) << n, -1);
    std::vector<int> codes;
    p.cell.resize(problem.m);
    for (int i = 0; i < problem.m; ++i) {
      int32_t& c = number[code[i]];
      if (c < 0) {
        c = p.count++;
        codes.push_back(code[i]);
        p.weight.emplace_back();
      }
      p.cell[i] = c;
      p.weight[c] += problem.weight[i];
    }
    p.value.assign(n, std::vector<double>(p.count));
    for (int a = 0; a < n; ++a)
      for (int c = 0; c < p.count; ++c) p.value[a][c] = codes[c] >> a & 1;
    return p;
  }

  void split(const Problem& problem, int item) {
    const int64_t begin = problem.start[item], end = problem.start[item + 1];
    ++terms;
    if (!problem.binary) {
      value.emplace_back(count, 0.0);
      for (int64_t k = begin; k < end; ++k) value.back()[problem.row[k]] = problem.value[k];
      return;
    }
    std::vector<int32_t> twin(count, -1);
    const int32_t before = count;
    std::vector<Weight> moved;
    std::vector<int32_t> parent;
    for (int64_t k = begin; k < end; ++k) {
      const int32_t i = problem.row[k];
      int32_t& c = cell[i];
      if (twin[c] < 0) {
        twin[c] = before + int32_t(parent.size());
        parent.push_back(c);
        moved.emplace_back();
      }
      c = twin[c];
      moved[c - before] += problem.weight[i];
    }
    for (size_t s = 0; s < parent.size(); ++s) {
      weight[parent[s]] = less(weight[parent[s]], moved[s]);
      weight.push_back(moved[s]);
      for (auto& column : value) column.push_back(column[parent[s]]);
    }
    count = before + int32_t(parent.size());
    value.emplace_back(count, 0.0);
    std::fill(value.back().begin() + before, value.back().end(), 1.0);
  }

  // Cells of this support with one more column, without renumbering the patterns.
  void cells_with(const Problem& problem, int item, Cells& cells,
                  std::vector<Weight>& scratch) const {
    if (!problem.binary) {
      this->cells(cells, 1);
      double* last = cells.flat_column(terms);
      for (int64_t k = problem.start[item]; k < problem.start[item + 1]; ++k)
        last[problem.row[k]] = problem.value[k];
      return;
    }
    scratch.assign(count, {});
    Weight* held = scratch.data();
    for (int64_t k = problem.start[item]; k < problem.start[item + 1]; ++k) {
      const int32_t i = problem.row[k];
      held[cell[i]] += problem.weight[i];
    }
    cells.reset(terms + 1, 2 * count);
    double *out_pos = cells.flat_positive(), *out_neg = cells.flat_negative();
    int at = 0;
    for (int c = 0; c < count; ++c) {
      for (int x = 0; x < 2; ++x) {
        const Weight w = x ? held[c] : less(weight[c], held[c]);
        if (w.positive <= 0.0 && w.negative <= 0.0) continue;
        out_pos[at] = w.positive;
        out_neg[at] = w.negative;
        for (int j = 0; j < terms; ++j) cells.flat_column(j)[at] = value[j][c];
        cells.flat_column(terms)[at] = x;
        ++at;
      }
    }
    cells.blocks_used(at);
  }

  static Weight less(const Weight& a, const Weight& b) {
    return {std::max(0.0, a.positive - b.positive), std::max(0.0, a.negative - b.negative)};
  }

  // Cells without weight are left out; `spare` columns of zeros follow the terms.
  void cells(Cells& cells, int spare = 0) const {
    cells.reset(terms + spare, count);
    double *out_pos = cells.flat_positive(), *out_neg = cells.flat_negative();
    int at = 0;
    for (int c = 0; c < count; ++c) {
      if (weight[c].positive <= 0.0 && weight[c].negative <= 0.0) continue;
      out_pos[at] = weight[c].positive;
      out_neg[at] = weight[c].negative;
      for (int j = 0; j < terms; ++j) cells.flat_column(j)[at] = value[j][c];
      ++at;
    }
    cells.blocks_used(at);
  }
};

// Box of the linear predictor's coefficients, intercept first: the convex hull of what the class
// allows, zero included.
struct Box {
  double low[kMaxParameters], high[kMaxParameters];

  Box(const Problem& problem, const int* items, int n) {
    low[0] = problem.intercept_low;
    high[0] = problem.intercept_high;
    for (int a = 0; a < n; ++a) set(problem, a + 1, items[a]);
  }
  void set(const Problem& problem, int at, int item) {
    const double l = problem.low[item], u = problem.high[item], b = problem.max_log_odds;
    low[at] = problem.unit ? std::min(0.0, l) : (l < 0 ? -b : 0.0);
    high[at] = problem.unit ? std::max(0.0, u) : (u > 0 ? b : 0.0);
  }
};

// Change of a tangent when one more coefficient moves from 0 to the better end of its box.
RW_INLINE double reach(const Problem& problem, int item, double gradient) {
  const double l = problem.low[item], u = problem.high[item];
  double down, up;
  if (problem.unit) {
    down = std::min(0.0, l);
    up = std::max(0.0, u);
  } else {
    down = l < 0 ? -problem.max_log_odds : 0.0;
    up = u > 0 ? problem.max_log_odds : 0.0;
  }
  return gradient > 0 ? gradient * down : gradient * up;
}

}  // namespace rw::RW_ISA
