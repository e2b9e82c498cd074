// Statistical kernels: one source per topic, each of which binds its own functions.
#include "../arrays.hpp"

void bind_samples(nb::module_& m);
void bind_regression(nb::module_& m);
void bind_survival(nb::module_& m);
void bind_bounds(nb::module_& m);

NB_MODULE(_kernels, m) {
  bind_samples(m);
  bind_regression(m);
  bind_survival(m);
  bind_bounds(m);
}
