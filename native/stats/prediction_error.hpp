// Squared errors of predicted survival, for every instruction set.
#pragma once
#include <cstddef>
#include <cstdint>
#include <vector>

namespace rw {

struct PredictedSurvival {
  const double *survival, *times;  // rows x columns; times of the columns
  const int64_t *order, *ends;     // rows by time, and the closing places of blocks of equal time
  const double* block_time;
  const uint8_t* event;
  const double *weight, *censored, *after, *event_inverse;
  const uint8_t* event_fixed;
  const double *time_inverse, *time_moves, *share;
  size_t rows, columns, blocks;
  bool left;
  double slack;
  int threads;
};

struct ErrorSums {
  bool all_survival = true;  // every row lies in [0, 1] and falls
  std::vector<double> loss, first, second, passed, integral;
};

ErrorSums prediction_errors_baseline(const PredictedSurvival&);
ErrorSums prediction_errors_avx2(const PredictedSurvival&);
ErrorSums prediction_errors_avx512(const PredictedSurvival&);

}  // namespace rw
