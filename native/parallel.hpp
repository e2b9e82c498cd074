#pragma once
#include <atomic>
#include <thread>
#include <vector>

namespace rw::RW_ISA {

// f(index, thread) for every index below n; work is handed out one index at a time.
template <class F>
void parallel_for(int threads, int n, F&& f) {
  if (threads <= 1 || n <= 1) {
    for (int i = 0; i < n; ++i) f(i, 0);
    return;
  }
  std::atomic<int> next{0};
  auto work = [&](int thread) {
    for (int i; (i = next.fetch_add(1)) < n;) f(i, thread);
  };
  std::vector<std::thread> pool;
  for (int t = 1; t < std::min(threads, n); ++t) pool.emplace_back(work, t);
  work(0);
  for (std::thread& t : pool) t.join();
}

}  // namespace rw::RW_ISA
