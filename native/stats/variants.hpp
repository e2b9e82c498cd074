// Kernels compiled once per instruction set: which of them run here, and on how many threads.
#pragma once
#include <algorithm>
#include <string>
#include <thread>
#include <vector>

namespace rw {

// Those that this processor has, the fastest first. All give the same bits.
inline std::vector<std::string> instruction_sets() {
  std::vector<std::string> found;
#ifdef RW_X86_VARIANTS
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
      __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl"))
    found.push_back("avx512");
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi2")) found.push_back("avx2");
#endif
  found.push_back("baseline");
  return found;
}

// The passes are bound by memory, which two threads nearly fill.
inline int usual_threads() {
  return static_cast<int>(std::clamp(std::thread::hardware_concurrency(), 1u, 2u));
}

}  // namespace rw

#ifdef RW_X86_VARIANTS
#define RW_VARIANT(isa, function)              \
  ((isa) == "avx512" ? function##_avx512       \
   : (isa) == "avx2" ? function##_avx2         \
                     : function##_baseline)
#else
#define RW_VARIANT(isa, function) function##_baseline
#endif

#define RW_JOIN2(a, b) a##b
#define RW_JOIN(a, b) RW_JOIN2(a, b)
