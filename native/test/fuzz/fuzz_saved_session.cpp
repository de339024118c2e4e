// A saved session, whose checksums are made right first, restored into a pair; one that is accepted goes on.
#include "engine_driver.h"
#include "fuzz_target.h"
#include "saved_session_format.h"
#include "tiny_model.h"
#include "xxh3.h"

#include <algorithm>
#include <cstring>

using namespace overfill;
using namespace overfill::test;
using saved_format::header;

namespace {

tiny_model small_model() {
    tiny_model m;
    m.n_layer = 1;
    m.n_embd = 32;
    m.n_ff = 32;
    m.n_head = m.n_head_kv = 1;
    m.head_size = 32;
    m.n_extra_tokens = 0;
    return m;
}

// Ends with the process: by the time that static objects go, what the engine's threads need has gone.
engine & the_pair() {
    static const model_path model(small_model());
    static const auto & pair = *new std::shared_ptr<engine>([] {
        pair_options options = options_for(model.str(), model.str());
        options.context_size = 256;
        return load(options);
    }());
    return *pair;
}

// The description is as long as the header says, as far as there is so much; the rest are values.
std::string sealed(std::string bytes) {
    header head;
    if (bytes.size() < sizeof head) return bytes;
    std::memcpy(&head, bytes.data(), sizeof head);
    const size_t n_rest = bytes.size() - sizeof head;
    head.n_description = std::min<uint64_t>(head.n_description, n_rest);
    head.n_values = n_rest - head.n_description;
    head.description_hash = xxh3::of(bytes.data() + sizeof head, (size_t) head.n_description);
    head.hash = xxh3::of(&head, saved_format::hashed_header_size);
    std::memcpy(&bytes[0], &head, sizeof head);
    return bytes;
}

std::string saved(bool compress) {
    const auto session = create_session(the_pair());
    prefill(*session, std::vector<llama_token>{ 5, 70, 71, 80 });
    hand_over(*session);
    decode_options options = greedy(3);
    options.sampling.ignore_eos = true;
    decode(*session, options);
    const std::string path = fuzz_folder().file("seed");
    save(*session, path, compress);
    dispose(*session);
    return bytes_of(path);
}

}  // namespace

void overfill::test::fuzz_one(const std::string & bytes) {
    const std::string path = fuzz_file(sealed(bytes));
    const auto session = create_session(the_pair());
    read_or_refuse([&] {
        restore(*session, path);
        decode(*session, greedy(2));
    });
    read_or_refuse([&] { prefill(*session, std::vector<llama_token>{ 5, 70 }, prefill_options{}); });
    dispose(*session);
}

std::vector<std::string> overfill::test::fuzz_seeds() { return { saved(false), saved(true) }; }
