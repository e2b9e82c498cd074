// Logistic regression on a few columns and what goes before it, for every instruction set.
#pragma once
#include <cstddef>
#include <cstdint>
#include <vector>

namespace rw {

// Column values are (x - shift) * scale; the target of a row is y of the way from `low` to `high`.
struct LogisticRows {
  std::vector<const double*> x;
  double shift, scale;
  const double *y, *weight;  // weight may be null for weights of 1
  double low, high;
  size_t n;
  bool intercept;
  int threads;
};

struct LogisticFit {
  double theta[3];
  bool reached;
};

// What one look at scores and outcomes finds; extents are infinite for a class without rows.
struct RowScan {
  bool good;  // all scores finite, all outcomes 0 or 1
  double least[2], most[2];  // score, by outcome
  size_t events;
};

#define RW_DECLARE(isa)                                                                        \
  LogisticFit logistic_fit_##isa(const LogisticRows&);                                         \
  double logistic_loss_##isa(const LogisticRows&, const double* theta);                        \
  void log_odds_##isa(const double* p, size_t n, double* odds, int threads);                   \
  void logs_##isa(const double* p, size_t n, double* low, double* high, int threads);          \
  RowScan scan_bytes_##isa(const double* score, const uint8_t* y, size_t n, double* out, int); \
  RowScan scan_whole_##isa(const double* score, const int64_t* y, size_t n, double* out, int); \
  RowScan scan_doubles_##isa(const double* score, const double* y, size_t n, double* out, int);
RW_DECLARE(baseline)
RW_DECLARE(avx2)
RW_DECLARE(avx512)
#undef RW_DECLARE

}  // namespace rw
