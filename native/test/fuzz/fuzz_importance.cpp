// An importance file of pruning; one that is read is merged with itself, written, and read again.
#include "fuzz_target.h"
#include "importance.h"

using namespace overfill;

void overfill::test::fuzz_one(const std::string & bytes) {
    const std::string path = fuzz_file(bytes), again = fuzz_folder().file("again");
    const bool is_one = is_importance_file(path);
    read_or_refuse([&] {
        importance read = read_importance(path);
        demand(is_one, "what can be read says what it is");
        merge(read, importance(read));
        write_importance(again, read);
        demand(read_importance(again).n_samples == read.n_samples, "an importance comes back");
    });
}

std::vector<std::string> overfill::test::fuzz_seeds() {
    importance measured;
    measured.fingerprint = "llama-0123456789abcdef";
    measured.model_name = "A model";
    measured.architecture = "llama";
    measured.text_name = "a.txt";
    measured.n_embd = 3;
    measured.n_ff = 2;
    measured.n_head = 2;
    measured.n_layer = 2;
    measured.window = 512;
    measured.n_samples = 11;
    measured.n_tokens = 5632;
    measured.n_scored = 5621;
    measured.loss_sum = 12345.5;
    for (size_t mean = 0; mean < n_activation_means; mean++) {
        measured.hidden[mean] = { 1, 2, 3 };
        measured.hidden_layers[mean] = { 1, 2, 3, 4, 5, 6 };
        measured.ffn[mean] = { 1, 2, 3, 4 };
    }
    measured.heads = { 1, 0, 3, 4 };
    measured.influence = { 0.5, 0.25 };
    const std::string path = fuzz_folder().file("seed");
    write_importance(path, measured);
    return { bytes_of(path) };
}
