#include "../arrays.hpp"

void bind_survival(nb::module_&) {}
