#include "heal_case.h"

#include "gguf_metadata.h"

#include <random>

namespace overfill::test {

heal_case::heal_case() : model(all_variants()[0]) {
    options.student = { model.str(), 0 };
    options.data_path = folder.file("data.jsonl");
    options.out_path = folder.file("out.gguf");
    options.sequences.mode = train_mode::full;
    options.context_size = 64;
    options.batch_size = 4;
    options.max_steps = 8;
    options.rate.peak = 1e-2;
    options.shuffle_window = 5;
    options.adam.decay = 0.01;
    write_lines(options.data_path, 12, 1);
}

void heal_case::stop_after(uint64_t n_steps) {
    events.on_progress = [this, n_steps](const heal_progress & progress) {
        if (progress.stage == heal_stage::training && progress.step >= n_steps) stop = true;
    };
}

// Prompts and responses of different lengths, and a plain text now and then.
void heal_case::write_lines(const std::string & path, uint32_t n_lines, uint32_t seed) const {
    std::mt19937 random(seed);
    const auto text = [&](uint32_t n) {
        std::string out;
        for (uint32_t i = 0; i < n; i++) out += (char) ('a' + random() % 26);
        return out;
    };
    std::string lines;
    for (uint32_t i = 0; i < n_lines; i++) {
        const std::string one = text(2 + random() % 8), two = text(3 + random() % 20);
        lines += i % 4 == 3 ? "{\"text\":\"" + one + two + "\"}\n"
                            : "{\"prompt\":\"" + one + "\",\"response\":\"" + two + "\"}\n";
    }
    put_bytes(path, lines);
}

std::vector<float> weights_of(const std::string & path) {
    const gguf_metadata file(path);
    std::vector<float> all;
    for (int64_t i = 0; i < gguf_get_n_tensors(file.get()); i++) {
        const std::vector<float> values = file.tensor(gguf_get_tensor_name(file.get(), i));
        all.insert(all.end(), values.begin(), values.end());
    }
    return all;
}

}  // namespace overfill::test
