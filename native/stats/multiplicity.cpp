// Logistic loss of many linear scores on the same rows: what a viable range is searched with.
#include <cstring>
#include <stdexcept>
#include <vector>

#include "../arrays.hpp"

#define RW_ISA multiplicity
#include "../simd.hpp"

// One pass, compiled for each instruction set where the loader can choose between them.
#if defined(__x86_64__) && defined(__linux__) && defined(__GNUC__) && !defined(__clang__)
#define RW_CLONES __attribute__((target_clones("avx512f", "avx2", "default")))
#else
#define RW_CLONES
#endif

namespace {

using Matrix = nb::ndarray<double, nb::ndim<2>, nb::c_contig, nb::device::cpu>;

// Log-odds (rows x scores) become weighted residuals; the losses add up in `loss`, whose length is
// `scores` rounded up to whole lanes.
RW_CLONES void residuals(double* z, const double* positive, const double* negative, size_t rows,
                         size_t scores, double* loss) {
  using namespace rw::multiplicity;
  for (size_t i = 0; i < rows; ++i) {
    const v8 up = splat(positive[i]), down = splat(negative[i]);
    double* at = z + i * scores;
    for (size_t k = 0; k < scores; k += 8) {
      const size_t bytes = (scores - k < 8 ? scores - k : 8) * sizeof(double);
      v8 s = splat(0.0), sum;
      std::memcpy(&s, at + k, bytes);
      std::memcpy(&sum, loss + k, sizeof sum);
      const Logistic here = logistic(s, up, down);
      sum += here.loss;
      std::memcpy(loss + k, &sum, sizeof sum);
      std::memcpy(at + k, &here.residual, bytes);
    }
  }
}

nb::ndarray<nb::numpy, double> logistic_residuals(Matrix log_odds, rw::Array<double> positive,
                                                  rw::Array<double> negative) {
  const size_t rows = log_odds.shape(0), scores = log_odds.shape(1);
  if (positive.size() != rows || negative.size() != rows)
    throw std::invalid_argument("one weight of either kind per row");
  std::vector<double> loss((scores + 7) / 8 * 8, 0.0);
  {
    nb::gil_scoped_release release;
    residuals(log_odds.data(), positive.data(), negative.data(), rows, scores, loss.data());
  }
  loss.resize(scores);
  return rw::to_numpy(std::move(loss));
}

}  // namespace

void bind_multiplicity(nb::module_& m) {
  m.def("logistic_residuals", &logistic_residuals, "log_odds"_a, "positive"_a, "negative"_a);
}
