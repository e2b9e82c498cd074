#include "../arrays.hpp"

void bind_samples(nb::module_&) {}
