// Kernels of text: n-grams of texts, and linear scores of whole and growing texts.
#include <nanobind/stl/unique_ptr.h>

#include <algorithm>
#include <memory>
#include <stdexcept>

#include "model.hpp"

namespace rw {
namespace {

using Texts = std::vector<nb::bytes>;

std::vector<std::string_view> views(const Texts& texts) {
  std::vector<std::string_view> found;
  for (const auto& text : texts) found.emplace_back(text.c_str(), text.size());
  return found;
}

struct Sparse {
  std::vector<int64_t> begins{0};
  std::vector<uint32_t> columns, counts;

  void row(const SmallMap& map) {
    std::vector<std::pair<uint32_t, uint32_t>> cells;
    map.each([&](uint32_t key, uint32_t count) { cells.emplace_back(key, count); });
    std::sort(cells.begin(), cells.end());
    for (const auto& [key, count] : cells) columns.push_back(key), counts.push_back(count);
    begins.push_back(static_cast<int64_t>(columns.size()));
  }
  auto arrays() {
    return nb::make_tuple(to_numpy(std::move(begins)), to_numpy(std::move(columns)),
                          to_numpy(std::move(counts)));
  }
};

// Hashes and counts of all n-grams of each text, as a matrix in compressed rows.
auto grams(const Texts& texts) {
  const auto given = views(texts);
  Sparse found;
  {
    nb::gil_scoped_release release;
    std::vector<uint32_t> hashes;
    for (const auto& text : given) {
      SmallMap map;
      Reader reader;
      Grammar grammar;
      const auto take = [&](const Word& word) {
        grammar.word(word, hashes);
        for (const uint32_t h : hashes)
          if (h != UNKNOWN) ++map.at(h);
      };
      reader.read(text, take);
      reader.finish(take);
      found.row(map);
    }
  }
  return found.arrays();
}

class State;

class Model {
 public:
  Model(Array<uint32_t> hashes, Array<uint8_t> rarity, Array<int8_t> weight, int64_t unknown_rarity,
        std::vector<double> bias, std::vector<double> factor, size_t n_peaked, size_t window) {
    w.n_grams = hashes.size();
    w.n_outputs = bias.size();
    if (rarity.size() != w.n_grams || weight.size() != w.n_grams * w.n_outputs ||
        factor.size() != w.n_outputs || n_peaked > w.n_outputs || window == 0)
      throw std::invalid_argument("shapes of the weights do not agree");
    w.unknown_rarity = unknown_rarity;
    w.hashes.assign(hashes.data(), hashes.data() + hashes.size());
    w.rarity.assign(rarity.data(), rarity.data() + rarity.size());
    w.weight.assign(weight.data(), weight.data() + weight.size());
    for (size_t i = 0; i < w.n_grams; ++i) w.index.at(w.hashes[i]) = static_cast<uint32_t>(i);
    s = {std::move(bias), std::move(factor), n_peaked, window};
  }

  // (whole n x outputs, peak n x peaked, counts n x (Lexical, shouted, words, known, unknown))
  auto scores(const Texts& texts) const {
    const auto given = views(texts);
    const size_t n = given.size(), wide = Lexical::COUNT + 4;
    std::vector<double> whole, peak;
    std::vector<int64_t> counted;
    {
      nb::gil_scoped_release release;
      for (const auto& text : given) {
        Growing growing(w, s);
        growing.feed(text);
        const auto found = growing.scores();
        whole.insert(whole.end(), found.whole.begin(), found.whole.end());
        peak.insert(peak.end(), found.peak.begin(), found.peak.end());
        put_counts(growing, found.familiar, counted);
      }
    }
    return nb::make_tuple(to_numpy(std::move(whole), {n, w.n_outputs}),
                          to_numpy(std::move(peak), {n, s.n_peaked}),
                          to_numpy(std::move(counted), {n, wide}));
  }

  // Rows of the weights and counts of the known n-grams of each text, in compressed rows; and the
  // square of each text's length, unknown n-grams included.
  auto known(const Texts& texts) const {
    const auto given = views(texts);
    Sparse found;
    std::vector<int64_t> squares;
    {
      nb::gil_scoped_release release;
      std::vector<uint32_t> hashes;
      for (const auto& text : given) {
        SmallMap map;
        Tally tally(w);
        each_word(text, hashes, [&](const Word&) {
          for (const uint32_t h : hashes) {
            const uint32_t row = w.index.find(h);
            tally.add(row);
            if (row != UNKNOWN) ++map.at(row);
          }
        });
        found.row(map);
        squares.push_back(tally.square);
      }
    }
    return nb::make_tuple(found.arrays(), to_numpy(std::move(squares)));
  }

  // (starts, ends, contributions to an output) of the words of a text; they add up to the score
  // less the bias, a gram that occurs often being shared out evenly.
  auto words(nb::bytes bytes, size_t output) const {
    if (output >= w.n_outputs) throw std::invalid_argument("no such output");
    const std::string_view text(bytes.c_str(), bytes.size());
    std::vector<int64_t> starts, ends;
    std::vector<double> parts;
    {
      nb::gil_scoped_release release;
      Tally tally(w);
      std::vector<uint32_t> hashes, rows;
      std::vector<size_t> begins{0};
      each_word(text, hashes, [&](const Word& word) {
        starts.push_back(word.start), ends.push_back(word.end);
        for (const uint32_t h : hashes) rows.push_back(w.index.find(h)), tally.add(rows.back());
        begins.push_back(rows.size());
      });
      const double unit = s.factor[output] / std::sqrt(std::max(1.0, double(tally.square)));
      for (size_t i = 0; i + 1 < begins.size(); ++i) {
        double part = 0.0;
        for (size_t j = begins[i]; j < begins[i + 1]; ++j) {
          if (rows[j] == UNKNOWN) continue;
          const uint32_t count = tally.count(rows[j]);
          part += double(w.rarity[rows[j]]) * double(damped(count)) / count *
                  double(w.weight[size_t(rows[j]) * w.n_outputs + output]);
        }
        parts.push_back(part * unit);
      }
    }
    return nb::make_tuple(to_numpy(std::move(starts)), to_numpy(std::move(ends)),
                          to_numpy(std::move(parts)));
  }

  static void put_counts(const Growing& growing, std::pair<int64_t, int64_t> familiar,
                         std::vector<int64_t>& out) {
    const Lexical& l = growing.lexical();
    out.insert(out.end(), {l.characters, l.upper, l.digits, l.questions, l.exclamations,
                           l.punctuation, l.lines, l.beyond_ascii, growing.n_shouted(), growing.n_words(),
                           familiar.first, familiar.second});
  }

  Weights w;
  Scale s;

 private:
  template <class Take>
  void each_word(std::string_view text, std::vector<uint32_t>& hashes, Take&& take) const {
    Reader reader;
    Grammar grammar;
    const auto taken = [&](const Word& word) {
      grammar.word(word, hashes);
      take(word);
    };
    reader.read(text, taken);
    reader.finish(taken);
  }
};

class State {
 public:
  explicit State(const Model& model) : growing_(model.w, model.s) {}

  void feed(nb::bytes text) {
    const std::string_view given(text.c_str(), text.size());
    nb::gil_scoped_release release;
    growing_.feed(given);
  }

  // (whole, recent, peak, counts)
  auto scores() {
    auto found = growing_.scores();
    std::vector<int64_t> counted;
    Model::put_counts(growing_, found.familiar, counted);
    return nb::make_tuple(to_numpy(std::move(found.whole)), to_numpy(std::move(found.recent)),
                          to_numpy(std::move(found.peak)), to_numpy(std::move(counted)));
  }

 private:
  Growing growing_;
};

}  // namespace
}  // namespace rw

NB_MODULE(_kernels, m) {
  nb::set_leak_warnings(false);  // the weights are kept for the whole life of the process
  using namespace rw;
  m.def("grams", &grams, "texts"_a);
  nb::class_<Model>(m, "Model")
      .def(nb::init<Array<uint32_t>, Array<uint8_t>, Array<int8_t>, int64_t, std::vector<double>,
                    std::vector<double>, size_t, size_t>(),
           "hashes"_a, "rarity"_a, "weight"_a, "unknown_rarity"_a, "bias"_a, "factor"_a,
           "n_peaked"_a, "window"_a)
      .def("scores", &Model::scores, "texts"_a)
      .def("known", &Model::known, "texts"_a)
      .def("words", &Model::words, "text"_a, "output"_a);
  nb::class_<State>(m, "State")
      .def(nb::init<const Model&>(), "model"_a, nb::keep_alive<1, 2>())
      .def("feed", &State::feed, "text"_a)
      .def("scores", &State::scores);
}
