#include "../arrays.hpp"

void bind_regression(nb::module_&) {}
