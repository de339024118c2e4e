// An importance matrix of quantising, of both kinds of files.
#include "fuzz_target.h"
#include "importance_matrix.h"

using namespace overfill;

namespace {

template <class Number> void append(std::string & bytes, Number number) {
    bytes.append(reinterpret_cast<const char *>(&number), sizeof number);
}

// llama.cpp's older file: of each tensor the name, the samples and the values; then the samples and the text's name.
std::string old_file() {
    std::string bytes;
    append(bytes, (int32_t) 2);
    for (const std::string name : { "blk.0.ffn_up.weight", "output.weight" }) {
        append(bytes, (int32_t) name.size());
        bytes += name;
        append(bytes, (int32_t) 7);
        append(bytes, (int32_t) 3);
        for (const float value : { 0.0f, 1.5f, 1e6f }) append(bytes, value);
    }
    append(bytes, (int32_t) 7);
    append(bytes, (int32_t) 5);
    return bytes + "a.txt";
}

}  // namespace

void overfill::test::fuzz_one(const std::string & bytes) {
    const std::string path = fuzz_file(bytes), again = fuzz_folder().file("again");
    read_or_refuse([&] {
        importance_matrix read = read_importance_matrix(path);
        merge(read, importance_matrix(read));
        for (const auto & [name, entry] : read.entries) mean_squares(entry);
        write_importance_matrix(again, read);
        demand(read_importance_matrix(again).entries.size() == read.entries.size(), "a matrix comes back");
    });
}

std::vector<std::string> overfill::test::fuzz_seeds() {
    importance_matrix measured;
    measured.entries["blk.0.ffn_up.weight"] = { { 1, 2, 3, 4 }, { 5 } };
    measured.entries["blk.0.ffn_up_exps.weight"] = { { 1, 2, 3, 4, 5, 6 }, { 5, 0, 7 } };
    measured.texts = { "a.txt", "b.txt" };
    measured.n_samples = 3;
    measured.window = 512;
    const std::string path = fuzz_folder().file("seed");
    write_importance_matrix(path, measured);
    return { bytes_of(path), old_file() };
}
