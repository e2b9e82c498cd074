// Statistical kernels: one source per topic, each of which binds its own functions.
#include "../arrays.hpp"

void bind_samples(nb::module_& m);
void bind_regression(nb::module_& m);
void bind_survival(nb::module_& m);
void bind_bounds(nb::module_& m);
void bind_additive(nb::module_& m);
void bind_data_values(nb::module_& m);
void bind_slices(nb::module_& m);
void bind_multiplicity(nb::module_& m);

NB_MODULE(_kernels, m) {
  bind_samples(m);
  bind_regression(m);
  bind_survival(m);
  bind_bounds(m);
  bind_additive(m);
  bind_data_values(m);
  bind_slices(m);
  bind_multiplicity(m);
}
