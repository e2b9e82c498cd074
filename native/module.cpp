// The Python face of the kernels.
#include <algorithm>
#include <memory>
#include <numeric>

#include "arrays.hpp"
#include "fold.hpp"
#include "problem.hpp"

void bind_scoring_system(nb::module_& m);

namespace rw {

Outcome search_baseline(Problem, Settings, Progress&);
Outcome search_avx2(Problem, Settings, Progress&);
Outcome search_avx512(Problem, Settings, Progress&);

namespace {

std::string best_instruction_set() {
#ifdef RW_X86_VARIANTS
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
      __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl"))
    return "avx512";
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi2")) return "avx2";
#endif
  return "baseline";
}

Outcome dispatch(const std::string& isa, Problem problem, Settings settings, Progress& progress) {
#ifdef RW_X86_VARIANTS
  if (isa == "avx512") return search_avx512(std::move(problem), settings, progress);
  if (isa == "avx2") return search_avx2(std::move(problem), settings, progress);
#endif
  return search_baseline(std::move(problem), settings, progress);
}

struct PySearch {
  Problem problem;
  Settings settings;
  Progress progress;
  Outcome outcome;
  std::string isa = best_instruction_set();

  void patterns(Array<double> x, Array<double> positive, Array<double> negative) {
    problem.m = int(x.shape(0));
    problem.d = int(x.shape(1));
    problem.binary = true;
    problem.start.assign(1, 0);
    const double* values = x.data();
    for (int j = 0; j < problem.d; ++j) {
      for (int i = 0; i < problem.m; ++i) {
        const double v = values[size_t(i) * problem.d + j];
        if (v == 0.0) continue;
        problem.binary = problem.binary && v == 1.0;
        problem.row.push_back(i);
        problem.value.push_back(v);
      }
      problem.start.push_back(int64_t(problem.row.size()));
    }
    if (problem.binary) problem.value.clear();
    weights(positive, negative);
  }

  void bits(Array<uint64_t> keys, int d, Array<double> positive, Array<double> negative) {
    problem.m = int(keys.shape(0));
    problem.d = d;
    problem.binary = true;
    problem.start.assign(1, 0);
    const size_t words = keys.shape(1);
    for (int j = 0; j < d; ++j) {
      const uint64_t* word = keys.data() + j / 64;
      for (int i = 0; i < problem.m; ++i)
        if (word[size_t(i) * words] >> (j & 63) & 1) problem.row.push_back(i);
      problem.start.push_back(int64_t(problem.row.size()));
    }
    weights(positive, negative);
  }

  void weights(const Array<double>& positive, const Array<double>& negative) {
    problem.weight.resize(problem.m);
    for (int i = 0; i < problem.m; ++i)
      problem.weight[i] = {positive.data()[i], negative.data()[i]};
    problem.total = std::accumulate(positive.data(), positive.data() + problem.m, 0.0) +
                    std::accumulate(negative.data(), negative.data() + problem.m, 0.0);
  }

  void items(std::vector<double> low, std::vector<double> high, std::vector<int> feature) {
    problem.low = std::move(low);
    problem.high = std::move(high);
    problem.feature = std::move(feature);
  }

  void constraints(std::vector<std::vector<int>> required,
                   std::vector<std::pair<std::vector<int>, int>> groups,
                   std::vector<std::pair<int, std::vector<int>>> implications) {
    problem.required = std::move(required);
    for (auto& [members, most] : groups) problem.groups.push_back({members, most});
    problem.implications = std::move(implications);
  }

  void run() {
    nb::gil_scoped_release release;
    outcome = dispatch(isa, problem, settings, progress);
  }

  static nb::tuple solution(const Solution& s) {
    return nb::make_tuple(s.items, s.points, s.slope, s.intercept, s.loss, s.objective);
  }

  nb::dict result() const {
    nb::dict out;
    out["best"] = solution(outcome.best);
    nb::list pool;
    for (const Solution& s : outcome.pool) pool.append(solution(s));
    out["pool"] = pool;
    out["pool_cutoff"] = outcome.pool_cutoff;
    out["lower_bound"] = outcome.lower_bound;
    out["complete"] = outcome.complete;
    out["interrupted"] = outcome.interrupted;
    out["out_of_time"] = outcome.out_of_time;
    out["infeasible"] = outcome.infeasible;
    out["method"] = outcome.method;
    out["supports_examined"] = outcome.supports_examined;
    out["supports_total"] = outcome.supports_total;
    out["nodes"] = outcome.nodes;
    out["seconds"] = outcome.seconds;
    return out;
  }

  nb::dict status() const {
    static const char* names[] = {"idle",    "heuristic",  "counting", "enumeration",
                                  "lattice", "best-first", "done"};
    nb::dict out;
    out["phase"] = names[progress.phase.load()];
    out["objective"] = progress.objective.load();
    out["lower_bound"] = progress.lower_bound.load();
    out["supports"] = progress.supports.load();
    out["nodes"] = progress.nodes.load();
    out["share"] = progress.share.load();
    return out;
  }
};

struct PyFolder {
  BinaryFolder folder;
  explicit PyFolder(int d) : folder(d) {}

  void add(Array<uint8_t> rows, Array<uint8_t> y, nb::object weight) {
    if (int(rows.shape(1)) != folder.d() || rows.shape(0) != y.shape(0))
      throw nb::value_error("rows do not fit");
    const double* w = nullptr;
    Array<double> held;
    if (!weight.is_none()) {
      held = nb::cast<Array<double>>(weight);
      w = held.data();
    }
    nb::gil_scoped_release release;
    folder.add(rows.data(), int64_t(rows.shape(0)), y.data(), w);
  }

  nb::tuple patterns() const {
    const int words = folder.words();
    const auto& keys = folder.keys();
    std::vector<int64_t> order(folder.size());
    std::iota(order.begin(), order.end(), 0);
    std::sort(order.begin(), order.end(), [&](int64_t a, int64_t b) {
      return std::lexicographical_compare(&keys[a * words], &keys[a * words] + words,
                                          &keys[b * words], &keys[b * words] + words);
    });
    std::vector<uint64_t> out;
    std::vector<double> positive, negative;
    out.reserve(keys.size());
    for (int64_t i : order) {
      if (folder.positive()[i] <= 0.0 && folder.negative()[i] <= 0.0) continue;
      out.insert(out.end(), &keys[i * words], &keys[i * words] + words);
      positive.push_back(folder.positive()[i]);
      negative.push_back(folder.negative()[i]);
    }
    const size_t m = positive.size();
    return nb::make_tuple(to_numpy(std::move(out), {m, size_t(words)}),
                          to_numpy(std::move(positive), {m}), to_numpy(std::move(negative), {m}));
  }
};

}  // namespace
}  // namespace rw

NB_MODULE(_kernels, m) {
  using rw::PyFolder;
  using rw::PySearch;
  bind_scoring_system(m);
  m.def("instruction_set", &rw::best_instruction_set);
  nb::class_<PyFolder>(m, "BinaryFolder")
      .def(nb::init<int>(), "d"_a)
      .def("add", &PyFolder::add, "rows"_a, "y"_a, "weight"_a.none())
      .def("patterns", &PyFolder::patterns);
  nb::class_<PySearch>(m, "Search")
      .def(nb::init<>())
      .def("patterns", &PySearch::patterns)
      .def("bits", &PySearch::bits)
      .def("items", &PySearch::items)
      .def("constraints", &PySearch::constraints)
      .def_rw("isa", &PySearch::isa)
      .def("run", &PySearch::run)
      .def("result", &PySearch::result)
      .def("status", &PySearch::status)
      .def("stop", [](PySearch& s) {
        s.progress.interrupted.store(true);
        s.progress.stop.store(true);
      })
#define RW_FIELD(owner, name) \
  .def_prop_rw(#name, [](PySearch& s) { return s.owner.name; }, \
               [](PySearch& s, decltype(s.owner.name) v) { s.owner.name = v; })
      RW_FIELD(problem, max_terms) RW_FIELD(problem, max_features) RW_FIELD(problem, unit)
      RW_FIELD(problem, max_log_odds) RW_FIELD(problem, min_slope)
      RW_FIELD(problem, intercept_low)
      RW_FIELD(problem, intercept_high) RW_FIELD(problem, penalty) RW_FIELD(problem, margin)
      RW_FIELD(problem, pool_tolerance) RW_FIELD(problem, pool_size)
      RW_FIELD(settings, threads) RW_FIELD(settings, certify) RW_FIELD(settings, time_limit)
      RW_FIELD(settings, gap_tolerance) RW_FIELD(settings, beam) RW_FIELD(settings, memory_limit)
      RW_FIELD(settings, max_nodes);
#undef RW_FIELD
}
