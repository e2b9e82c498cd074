#include "../arrays.hpp"

void bind_bounds(nb::module_&) {}
