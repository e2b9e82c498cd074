#include "../arrays.hpp"

void bind_multiplicity(nb::module_&) {}
