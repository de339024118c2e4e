#include "legacy_importance.h"

#include "failure.h"
#include "file_reader.h"

#include <ggml.h>

#include <cstring>

namespace overfill {

static constexpr int32_t most_entries = 1 << 20, longest_text = 4096, most_values = 1 << 28;
// With the newer kind's longest ending (importance_matrix.h), a name that a tensor can have.
static constexpr size_t longest_name = GGML_MAX_NAME - sizeof ".in_sum2";

bool is_gguf_file(const std::string & path) {
    const file_reader file(path);
    char magic[4] = {};
    if (file.size() < sizeof magic) return false;
    file.read(0, magic, sizeof magic);
    return std::memcmp(magic, "GGUF", 4) == 0;
}

namespace {

class legacy_reader {
  public:
    explicit legacy_reader(const std::string & path) : path_(path), file_(path), n_left_(file_.size()) {}

    importance_matrix read() {
        importance_matrix out;
        const int32_t n_entries = number(1, most_entries);
        for (int32_t i = 0; i < n_entries; i++) {
            const std::string name = text(number(1, longest_text));
            if (name.empty()) refuse_kind();
            if (name.size() > longest_name) refuse("has a name that no tensor can have: " + name);
            const int32_t n_samples = number(0, INT32_MAX);
            std::vector<float> values((size_t) fitting(number(1, most_values), sizeof(float)));
            take(values.data(), values.size() * sizeof(float));
            // Of a tensor that nothing is known of, the values are taken as they are.
            const double count = n_samples > 0 ? n_samples : 1;
            if (!out.entries.emplace(name, importance_entry{ { values.begin(), values.end() }, { count } }).second)
                refuse("has " + name + " twice");
        }
        // What follows was added later.
        if (n_left_ >= sizeof(int32_t)) out.n_samples = (uint64_t) number(0, INT32_MAX);
        if (n_left_ > sizeof(int32_t)) out.texts.push_back(text(number(0, longest_text)));
        return out;
    }

  private:
    [[noreturn]] void refuse(const std::string & what) const {
        throw failure(error_code::importance_invalid, path_ + " " + what, { { "path", path_ } });
    }
    [[noreturn]] void refuse_kind() const { refuse("is not an importance matrix, or a damaged one"); }

    void take(void * data, size_t n_bytes) {
        if (n_bytes > n_left_) refuse_kind();
        file_.read(file_.size() - n_left_, data, n_bytes);
        n_left_ -= n_bytes;
    }

    int32_t number(int32_t least, int32_t most) {
        int32_t value = 0;
        take(&value, sizeof value);
        if (value < least || value > most) refuse_kind();
        return value;
    }

    // Before memory is taken for them.
    int32_t fitting(int32_t n, size_t each) const {
        if ((uint64_t) n * each > n_left_) refuse_kind();
        return n;
    }

    std::string text(int32_t length) {
        std::string out((size_t) fitting(length, 1), '\0');
        take(out.data(), out.size());
        return out.c_str();  // what is behind a zero is no part of it
    }

    std::string path_;
    file_reader file_;
    uint64_t n_left_;
};

}  // namespace

importance_matrix read_legacy_importance(const std::string & path) { return legacy_reader(path).read(); }

}  // namespace overfill
