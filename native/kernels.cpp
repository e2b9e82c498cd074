// Compiled once per instruction set; RW_ISA names the namespace.
#ifndef RW_ISA
#error "RW_ISA names the instruction set"
#endif
#include "search.hpp"

#define RW_JOIN2(a, b) a##b
#define RW_JOIN(a, b) RW_JOIN2(a, b)

namespace rw {
Outcome RW_JOIN(search_, RW_ISA)(Problem problem, Settings settings, Progress& progress) {
  return RW_ISA::Search(std::move(problem), settings, progress).run();
}
}  // namespace rw
