#include "../arrays.hpp"

void bind_additive(nb::module_&) {}
