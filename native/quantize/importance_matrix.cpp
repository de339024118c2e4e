#include "importance_matrix.h"

#include "atomic_file.h"
#include "failure.h"
#include "gguf_metadata.h"
#include "gguf_writing.h"
#include "input_file.h"
#include "legacy_importance.h"
#include "whole_number.h"

#include <ggml-cpp.h>
#include <gguf.h>

#include <algorithm>
#include <cmath>
#include <cstring>

namespace overfill {

static const std::string sums_ending = ".in_sum2", counts_ending = ".counts";

std::vector<float> mean_squares(const importance_entry & entry) {
    std::vector<float> means(entry.sums.size());
    const size_t n_columns = entry.sums.size() / entry.counts.size();
    for (size_t i = 0; i < means.size(); i++) {
        // In single precision, as llama.cpp does it.
        const float count = (float) entry.counts[i / n_columns];
        means[i] = count > 0 ? (float) entry.sums[i] / count : 1;
    }
    return means;
}

void merge(importance_matrix & into, const importance_matrix & other) {
    for (const auto & [name, entry] : other.entries) {
        importance_entry & sum = into.entries[name];
        if (sum.sums.empty()) {
            sum = entry;
            continue;
        }
        // One count may stand for all of a tensor's matrices.
        std::vector<double> counts = entry.counts;
        const size_t n_counts = std::max(sum.counts.size(), counts.size());
        if (sum.counts.size() == 1) sum.counts.resize(n_counts, sum.counts[0]);
        if (counts.size() == 1) counts.resize(n_counts, counts[0]);
        for (size_t i = 0; i < sum.sums.size(); i++) sum.sums[i] += entry.sums[i];
        for (size_t i = 0; i < n_counts; i++) sum.counts[i] += counts[i];
    }
    into.texts.insert(into.texts.end(), other.texts.begin(), other.texts.end());
    into.n_samples += other.n_samples;
    into.window = std::max(into.window, other.window);
}

// --- reading ---

namespace {

// Means beyond this overflow single precision in llama.cpp's search for the best grid point, which then aborts.
constexpr double largest_mean = 1e20;

class matrix_reader {
  public:
    explicit matrix_reader(const std::string & path) : path_(path), meta_(path, error_code::importance_invalid) {}

    importance_matrix read() {
        if (meta_.text("general.type") == "importance")
            refuse("has the importance of channels and layers, which pruning goes by; quantising needs an importance "
                   "matrix");
        const gguf_context * gguf = meta_.get();
        for (int64_t id = 0; id < gguf_get_n_tensors(gguf); id++) add_tensor(id);
        if (out_.entries.empty()) refuse("is a GGUF file, but not an importance matrix");
        for (const char * key : { "imatrix.datasets", "imatrix.chunk_count", "imatrix.chunk_size" })
            if (!meta_.has(key)) refuse(std::string("has no ") + key);
        for (const std::string_view text : meta_.texts("imatrix.datasets")) out_.texts.emplace_back(text);
        out_.n_samples = (uint64_t) number("imatrix.chunk_count");
        out_.window = (uint32_t) number("imatrix.chunk_size");
        return std::move(out_);
    }

  private:
    [[noreturn]] void refuse(const std::string & what) const {
        throw failure(error_code::importance_invalid, path_ + " " + what, { { "path", path_ } });
    }

    double number(const std::string & key) const {
        const auto value = meta_.number(key);
        if (!value || !whole_number(*value, 0, UINT32_MAX)) refuse("has no valid " + key);
        return *value;
    }

    void add_tensor(int64_t id) {
        const std::string name = gguf_get_tensor_name(meta_.get(), id);
        const auto ends_with = [&](const std::string & ending) {
            return name.size() > ending.size() && name.compare(name.size() - ending.size(), ending.size(), ending) == 0;
        };
        if (ends_with(counts_ending)) {
            const std::string of = name.substr(0, name.size() - counts_ending.size());
            if (gguf_find_tensor(meta_.get(), (of + sums_ending).c_str()) < 0) refuse("has no sums for " + of);
        }
        if (!ends_with(sums_ending)) return;
        const std::string of = name.substr(0, name.size() - sums_ending.size());
        const int64_t counts = gguf_find_tensor(meta_.get(), (of + counts_ending).c_str());
        if (counts < 0) refuse("has no counts for " + of);
        out_.entries[of] = { values(id), values(counts) };
    }

    std::vector<double> values(int64_t id) const {
        const std::string name = gguf_get_tensor_name(meta_.get(), id);
        if (gguf_get_tensor_type(meta_.get(), id) != GGML_TYPE_F32) refuse("has " + name + " of another type than f32");
        const std::vector<uint8_t> bytes = meta_.tensor_bytes(id);
        if (bytes.size() != gguf_get_tensor_size(meta_.get(), id) || bytes.empty())
            refuse("is truncated: " + name + " extends past the end of the file");
        std::vector<float> read(bytes.size() / sizeof(float));
        std::memcpy(read.data(), bytes.data(), bytes.size());
        return { read.begin(), read.end() };
    }

    std::string path_;
    gguf_metadata meta_;
    importance_matrix out_;
};

void check_values(const std::string & path, const importance_matrix & matrix) {
    const auto refuse = [&](const std::string & what) {
        throw failure(error_code::importance_invalid, path + " " + what, { { "path", path } });
    };
    for (const auto & [name, entry] : matrix.entries) {
        if (entry.counts.empty() || entry.sums.empty() || entry.sums.size() % entry.counts.size() != 0)
            refuse("has " + std::to_string(entry.counts.size()) + " counts for " + std::to_string(entry.sums.size()) +
                   " columns of " + name);
        for (const double count : entry.counts)
            if (!(count >= 0 && count <= 1e18)) refuse("has " + number_text(count) + " as a count of " + name);
        for (const double sum : entry.sums)
            if (!(sum >= 0)) refuse("has " + number_text(sum) + " in " + name);
        for (const float mean : mean_squares(entry))
            if (!(mean <= largest_mean)) refuse("has " + number_text(mean) + " as a mean square of " + name);
    }
}

}  // namespace

importance_matrix read_importance_matrix(const std::string & path) {
    check_input_file(path, data_codes);
    importance_matrix matrix = is_gguf_file(path) ? matrix_reader(path).read() : read_legacy_importance(path);
    check_values(path, matrix);
    return matrix;
}

// --- writing ---

void write_importance_matrix(const std::string & path, const importance_matrix & measured) {
    const gguf_context_ptr gguf(gguf_init_empty());
    std::vector<const char *> texts;
    for (const std::string & text : measured.texts) texts.push_back(text.c_str());
    gguf_set_val_str(gguf.get(), "general.type", "imatrix");
    gguf_set_arr_str(gguf.get(), "imatrix.datasets", texts.data(), texts.size());
    gguf_set_val_u32(gguf.get(), "imatrix.chunk_count", (uint32_t) std::min<uint64_t>(measured.n_samples, UINT32_MAX));
    gguf_set_val_u32(gguf.get(), "imatrix.chunk_size", measured.window);
    for (const auto & [name, entry] : measured.entries) {
        const int64_t n_matrices = (int64_t) entry.counts.size();
        const int64_t sums[] = { (int64_t) entry.sums.size() / n_matrices, n_matrices, 1, 1 };
        const int64_t counts[] = { 1, n_matrices, 1, 1 };
        add_tensor_info(gguf.get(), name + sums_ending, GGML_TYPE_F32, sums);
        add_tensor_info(gguf.get(), name + counts_ending, GGML_TYPE_F32, counts);
    }
    atomic_file file(path);
    const std::vector<uint8_t> head = head_of(gguf.get());
    file.write(head.data(), head.size());
    const auto write = [&](const std::vector<double> & values) {
        const std::vector<float> floats(values.begin(), values.end());
        const size_t n_bytes = floats.size() * sizeof(float);
        const std::vector<char> padding(GGML_PAD(n_bytes, GGUF_DEFAULT_ALIGNMENT) - n_bytes);
        file.write(floats.data(), n_bytes);
        file.write(padding.data(), padding.size());
    };
    for (const auto & [name, entry] : measured.entries) {
        write(entry.sums);
        write(entry.counts);
    }
    file.commit();
}

}  // namespace overfill
