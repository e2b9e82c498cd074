// Patterns grouped into the distinct rows of a support, one column at a time.
#pragma once
#include <cstring>
#include <unordered_map>
#include <vector>

#include "cells.hpp"

namespace rw::RW_ISA {

struct Partition {
  int count = 1, terms = 0;
  std::vector<int32_t> cell;             // of each pattern
  std::vector<double> positive, negative;
  std::vector<std::vector<double>> value;  // of each term, per cell

  static Partition whole(const Problem& problem) {
    Partition p;
    p.cell.assign(problem.m, 0);
    p.positive.assign(1, 0.0);
    p.negative.assign(1, 0.0);
    for (int i = 0; i < problem.m; ++i) {
      p.positive[0] += problem.positive[i];
      p.negative[0] += problem.negative[i];
    }
    return p;
  }

  static Partition of(const Problem& problem, const int* items, int n) {
    Partition p = whole(problem);
    for (int a = 0; a < n; ++a) p = p.split(problem, items[a]);
    return p;
  }

  Partition split(const Problem& problem, int item) const {
    Partition next;
    next.terms = terms + 1;
    next.cell = cell;
    std::vector<int32_t> parent(count);
    std::vector<double> added(count, 0.0);
    for (int c = 0; c < count; ++c) parent[c] = c;
    const int64_t begin = problem.start[item], end = problem.start[item + 1];
    if (problem.binary) {
      std::vector<int32_t> twin(count, -1);
      for (int64_t k = begin; k < end; ++k) {
        int32_t& c = next.cell[problem.row[k]];
        if (twin[c] < 0) {
          twin[c] = int32_t(parent.size());
          parent.push_back(c);
          added.push_back(1.0);
        }
        c = twin[c];
      }
    } else {
      struct Key {
        int32_t cell;
        uint64_t bits;
        bool operator==(const Key& other) const {
          return cell == other.cell && bits == other.bits;
        }
      };
      struct Hash {
        size_t operator()(const Key& key) const {
          return (key.bits ^ (uint64_t(key.cell) << 17)) * 0x9E3779B97F4A7C15ull >> 7;
        }
      };
      std::unordered_map<Key, int32_t, Hash> twin;
      for (int64_t k = begin; k < end; ++k) {
        Key key{next.cell[problem.row[k]], 0};
        std::memcpy(&key.bits, &problem.value[k], 8);
        auto [found, fresh] = twin.try_emplace(key, int32_t(parent.size()));
        if (fresh) {
          parent.push_back(key.cell);
          added.push_back(problem.value[k]);
        }
        next.cell[problem.row[k]] = found->second;
      }
    }
    next.renumber(*this, problem, parent, added);
    return next;
  }

  // Cells of this support with one more column, without renumbering the patterns.
  void cells_with(const Problem& problem, int item, Cells& cells,
                  std::vector<double>& scratch) const {
    if (!problem.binary) {
      split(problem, item).cells(cells);
      return;
    }
    scratch.assign(2 * size_t(count), 0.0);
    double* pos = scratch.data();
    double* neg = pos + count;
    for (int64_t k = problem.start[item]; k < problem.start[item + 1]; ++k) {
      const int32_t i = problem.row[k], c = cell[i];
      pos[c] += problem.positive[i];
      neg[c] += problem.negative[i];
    }
    cells.reset(terms + 1, 2 * count);
    double *out_pos = cells.flat_positive(), *out_neg = cells.flat_negative();
    int at = 0;
    for (int c = 0; c < count; ++c) {
      for (int x = 0; x < 2; ++x) {
        const double p = x ? pos[c] : std::max(0.0, positive[c] - pos[c]);
        const double q = x ? neg[c] : std::max(0.0, negative[c] - neg[c]);
        if (p <= 0.0 && q <= 0.0) continue;
        out_pos[at] = p;
        out_neg[at] = q;
        for (int j = 0; j < terms; ++j) cells.flat_column(j)[at] = value[j][c];
        cells.flat_column(terms)[at] = x;
        ++at;
      }
    }
    cells.blocks_used(at);
  }

  void cells(Cells& cells) const {
    cells.reset(terms, count);
    std::copy(positive.begin(), positive.end(), cells.flat_positive());
    std::copy(negative.begin(), negative.end(), cells.flat_negative());
    for (int j = 0; j < terms; ++j)
      std::copy(value[j].begin(), value[j].end(), cells.flat_column(j));
  }

 private:
  void renumber(const Partition& old, const Problem& problem, const std::vector<int32_t>& parent,
                const std::vector<double>& added) {
    std::vector<int32_t> fresh(parent.size(), -1);
    count = 0;
    for (int32_t& c : cell) {
      if (fresh[c] < 0) fresh[c] = count++;
      c = fresh[c];
    }
    positive.assign(count, 0.0);
    negative.assign(count, 0.0);
    value.assign(terms, std::vector<double>(count));
    for (size_t c = 0; c < parent.size(); ++c) {
      if (fresh[c] < 0) continue;
      for (int j = 0; j + 1 < terms; ++j) value[j][fresh[c]] = old.value[j][parent[c]];
      value[terms - 1][fresh[c]] = added[c];
    }
    for (int i = 0; i < problem.m; ++i) {
      positive[cell[i]] += problem.positive[i];
      negative[cell[i]] += problem.negative[i];
    }
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
