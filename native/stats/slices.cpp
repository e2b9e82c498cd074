#include "../arrays.hpp"

void bind_slices(nb::module_&) {}
