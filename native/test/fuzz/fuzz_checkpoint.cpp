// A training's checkpoint, whose checksum is put behind the input first.
#include "checkpoint.h"
#include "fuzz_target.h"
#include "train_case.h"
#include "word_hash.h"

#include <cmath>

using namespace overfill;
using namespace overfill::test;

namespace {

tiny_model small_model() {
    tiny_model m;
    m.n_layer = 1;
    m.n_embd = 8;
    m.n_ff = 8;
    m.n_head = m.n_head_kv = 1;
    m.head_size = 8;
    m.n_extra_tokens = 0;
    return m;
}

// Of a model one tensor of which is trained.
struct fixture {
    model_path path{ small_model() };
    student model{ path.str(), 1, [](const std::string & name) { return name == "output_norm.weight"; } };
    adamw optimiser{ model.parameters, model.gradients, model.device, adamw_options{} };
    std::vector<std::vector<float>> best;
    run_facts facts = { { "seed", "1" }, { "mode", "full" } };

    trained_values values() { return { model.parameters.trained(), optimiser, best }; }
};

fixture & the_fixture() {
    static fixture f;
    return f;
}

std::string sealed(std::string bytes) {
    bytes.resize((bytes.size() + 7) / 8 * 8);
    word_hash hash;
    hash.add(bytes.data(), bytes.size());
    const uint64_t value = hash.value();
    return bytes.append(reinterpret_cast<const char *>(&value), sizeof value);
}

std::string written(const training_state & state) {
    fixture & f = the_fixture();
    const std::string path = fuzz_folder().file("seed");
    write_checkpoint(path, f.facts, state, f.values());
    const std::string bytes = bytes_of(path);
    return bytes.substr(0, bytes.size() - sizeof(uint64_t));
}

}  // namespace

void overfill::test::fuzz_one(const std::string & bytes) {
    fixture & f = the_fixture();
    const std::string path = fuzz_file(sealed(bytes));
    read_or_refuse([&] {
        const training_state state = read_checkpoint(path, f.facts, f.values());
        demand(state.losses.size() == state.n_steps, "each step has its loss");
        for (const double loss : state.losses) demand(std::isfinite(loss), "a loss is a number");
        write_checkpoint(path, f.facts, state, f.values());
        demand(read_checkpoint(path, f.facts, f.values()).losses == state.losses, "a state comes back");
    });
}

std::vector<std::string> overfill::test::fuzz_seeds() {
    training_state begun, further;
    further.n_steps = 2;
    further.n_examples = 8;
    further.n_tokens = 99;
    further.losses = { 2.5, 2.25 };
    std::vector<std::string> seeds = { written(begun), written(further) };
    the_fixture().best.assign(1, std::vector<float>(8, 0.5f));
    seeds.push_back(written(further));
    the_fixture().best.clear();
    return seeds;
}
