#include "../arrays.hpp"

void bind_data_values(nb::module_&) {}
