// Capital of bets on bounded losses: the passes behind the betting bounds and the monitors.
#include <algorithm>
#include <cmath>
#include <cstdint>

#include "../arrays.hpp"

namespace {

constexpr int kLanes = 16;      // limits followed in one pass over the losses
constexpr int64_t kChunk = 64;  // factors multiplied between two logarithms

// Waudby-Smith and Ramdas' predictable bets: each uses the losses before it only.
std::vector<double> predictable_bets(const double* loss, int64_t n, double log_inverse_delta) {
  std::vector<double> bets(n);
  double sum = 0.5, squares = 0.25;
  for (int64_t i = 0; i < n; ++i) {
    const double variance = squares / double(i + 1);
    bets[i] = std::min(1.0, std::sqrt(2 * log_inverse_delta / (double(n) * variance)));
    sum += loss[i];
    const double residual = loss[i] - sum / double(i + 2);
    squares += residual * residual;
  }
  return bets;
}

// Largest log capital of a bettor against "mean >= limit", for up to kLanes limits.
void peaks(const double* loss, const double* bets, int64_t n, const double* limits, double* peak) {
  double capital[kLanes], best[kLanes], offset[kLanes], top[kLanes];
  std::fill_n(capital, kLanes, 1.0);
  std::fill_n(offset, kLanes, 0.0);
  std::fill_n(top, kLanes, 0.0);
  for (int64_t start = 0; start < n; start += kChunk) {
    const int64_t end = std::min(n, start + kChunk);
    std::fill_n(best, kLanes, 0.0);
    for (int64_t i = start; i < end; ++i) {
      const double rest = 1 - bets[i] * loss[i], bet = bets[i];
      for (int k = 0; k < kLanes; ++k) {
        capital[k] *= rest + bet * limits[k];
        best[k] = std::max(best[k], capital[k]);
      }
    }
    for (int k = 0; k < kLanes; ++k) {
      if (best[k] > 0) top[k] = std::max(top[k], offset[k] + std::log(best[k]));
      if (capital[k] < 1e-100 || capital[k] > 1e100) {
        offset[k] += std::log(capital[k]);
        capital[k] = 1.0;
      }
    }
  }
  std::copy_n(top, kLanes, peak);
}

double betting_peak(rw::Array<double> losses, double limit, double delta) {
  nb::gil_scoped_release release;
  const int64_t n = int64_t(losses.size());
  const std::vector<double> bets = predictable_bets(losses.data(), n, -std::log(delta));
  double limits[kLanes], peak[kLanes];
  std::fill_n(limits, kLanes, limit);
  peaks(losses.data(), bets.data(), n, limits, peak);
  return peak[0];
}

// Smallest limit found (to 1e-12) whose capital reached `log_threshold`; 1 where none did.
double betting_upper(rw::Array<double> losses, double delta, double log_threshold) {
  nb::gil_scoped_release release;
  const int64_t n = int64_t(losses.size());
  const std::vector<double> bets = predictable_bets(losses.data(), n, -std::log(delta));
  double low = 0, high = 1;
  double limits[kLanes], peak[kLanes];
  while (high - low > 1e-12) {
    const double step = (high - low) / (kLanes + 1);
    for (int k = 0; k < kLanes; ++k) limits[k] = low + (k + 1) * step;
    if (limits[0] <= low || limits[kLanes - 1] >= high) break;
    peaks(losses.data(), bets.data(), n, limits, peak);
    int k = 0;
    while (k < kLanes && peak[k] < log_threshold) ++k;
    if (k < kLanes) high = limits[k];
    if (k > 0) low = limits[k - 1];
  }
  return high;
}

// Sum over the losses of log(1 + bet * (loss - mean)) and of log(1 - bet * (loss - mean)).
nb::ndarray<nb::numpy, double> betting_growth(rw::Array<double> losses, rw::Array<double> bets,
                                              rw::Array<double> means) {
  const int64_t n = int64_t(losses.size()), m = int64_t(means.size());
  std::vector<double> growth(2 * m, 0.0);
  {
    nb::gil_scoped_release release;
    std::vector<double> up(m), down(m);
    for (int64_t start = 0; start < n; start += kChunk) {
      const int64_t end = std::min(n, start + kChunk);
      std::fill(up.begin(), up.end(), 1.0);
      std::fill(down.begin(), down.end(), 1.0);
      for (int64_t i = start; i < end; ++i) {
        const double gain = bets.data()[i] * losses.data()[i], bet = bets.data()[i];
        for (int64_t k = 0; k < m; ++k) {
          const double move = gain - bet * means.data()[k];
          up[k] *= 1 + move;
          down[k] *= 1 - move;
        }
      }
      for (int64_t k = 0; k < m; ++k) {
        growth[k] += std::log(up[k]);
        growth[m + k] += std::log(down[k]);
      }
    }
  }
  return rw::to_numpy(std::move(growth), {size_t(2), size_t(m)});
}

// Recursion capital <- (capital + entry) * (1 + bet * (loss - limit)) for every bet; `held` is
// the money not yet entered, and entry t takes 1 / (t (t + 1)) of it all, or 1 with `detector`.
// Returns the capitals, the highest mean wealth and the first row (or -1) that reached `alarm`.
nb::tuple monitor_capital(rw::Array<double> losses, rw::Array<double> bets,
                          rw::Array<double> start, double limit, int64_t count, bool detector,
                          double alarm) {
  const int64_t n = int64_t(losses.size()), m = int64_t(bets.size());
  std::vector<double> capital(start.data(), start.data() + m);
  double peak = 0, wealth = 0;
  int64_t first = -1;
  {
    nb::gil_scoped_release release;
    for (int64_t i = 0; i < n; ++i) {
      const double t = double(count + i + 1), entry = detector ? 1.0 : 1 / (t * (t + 1));
      const double excess = losses.data()[i] - limit;
      double sum = 0;
      for (int64_t k = 0; k < m; ++k) {
        capital[k] = std::min((capital[k] + entry) * (1 + bets.data()[k] * excess), 1e300);
        sum += capital[k];
      }
      wealth = sum / double(m) + (detector ? 0.0 : 1 / (t + 1));
      peak = std::max(peak, wealth);
      if (first < 0 && wealth >= alarm) first = i;
    }
  }
  return nb::make_tuple(rw::to_numpy(std::move(capital)), wealth, peak, first);
}

}  // namespace

void bind_bounds(nb::module_& m) {
  m.def("betting_peak", &betting_peak, "losses"_a, "limit"_a, "delta"_a);
  m.def("betting_upper", &betting_upper, "losses"_a, "delta"_a, "log_threshold"_a);
  m.def("betting_growth", &betting_growth, "losses"_a, "bets"_a, "means"_a);
  m.def("monitor_capital", &monitor_capital, "losses"_a, "bets"_a, "start"_a, "limit"_a, "count"_a,
        "detector"_a, "alarm"_a);
}
