// The full model beside a training: what it hands over is what a pair would, and reading on is reading anew.
#include "cache_rows.h"
#include "check.h"
#include "gguf_metadata.h"
#include "teacher.h"
#include "temp_folder.h"
#include "token_loss.h"
#include "token_reader.h"
#include "train_case.h"
#include "translate_handover.h"
#include "translator_file.h"

#include <ggml-cpp.h>
#include <gguf.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <thread>

using namespace overfill;
using namespace overfill::test;

namespace {

const std::atomic<bool> never{ false };
constexpr uint32_t room = 256;

std::vector<llama_token> random_tokens(size_t n, std::mt19937 & random, uint32_t n_vocab = 269) {
    std::vector<llama_token> out(n);
    for (llama_token & token : out) token = (llama_token) (random() % n_vocab);
    return out;
}

tiny_model small_model(uint32_t seed, uint32_t n_layer = 2) {
    tiny_model shape = all_variants()[0].base;
    shape.seed = seed;
    shape.n_layer = n_layer;
    return shape;
}

// A model and a context as training wants them: f32 throughout.
struct plain_model {
    explicit plain_model(const std::string & path)
        : model(load_model({ path, 0 }, load_depth::weights, [](float) { return true; })),
          reader(model.get(), room, 1, never, { 512, false }) {}
    model_ptr model;
    token_reader reader;
};

cached_prefix rows_of(const token_reader & reader, uint32_t n, const std::vector<uint32_t> & layers) {
    const cache_rows rows(reader.context());
    cached_prefix out;
    out.n = n;
    for (const uint32_t layer : layers) {
        out.k.emplace_back();
        out.v.emplace_back();
        rows.read_k(layer, n, out.k.back());
        rows.read_v(layer, n, out.v.back());
    }
    return out;
}

double difference(const std::vector<float> & a, const std::vector<float> & b) {
    CHECK_EQUAL(a.size(), b.size());
    double worst = 0;
    for (size_t i = 0; i < std::min(a.size(), b.size()); i++) worst = std::max(worst, (double) std::fabs(a[i] - b[i]));
    return worst;
}

double difference(const cached_prefix & a, const cached_prefix & b) {
    CHECK_EQUAL(a.n, b.n);
    CHECK_EQUAL(a.k.size(), b.k.size());
    double worst = 0;
    for (size_t il = 0; il < std::min(a.k.size(), b.k.size()); il++)
        worst = std::max({ worst, difference(a.k[il], b.k[il]), difference(a.v[il], b.v[il]) });
    return worst;
}

bool same_bits(const cached_prefix & a, const cached_prefix & b) { return a.n == b.n && a.k == b.k && a.v == b.v; }

// The mean loss of the tokens behind the first `n_prompt` + 1, by the training graph over the teacher's rows.
double graph_loss(teacher & full, const std::string & student_path, const std::vector<llama_token> & tokens,
                  size_t n_prompt) {
    student s(student_path);
    const std::vector<llama_token> prompt(tokens.begin(), tokens.begin() + (long) n_prompt);
    const uint32_t n = (uint32_t) (tokens.size() - n_prompt - 1);
    train_batch batch;
    for (uint32_t t = 0; t < n; t++) {
        batch.tokens.push_back(tokens[n_prompt + t]);
        batch.targets.push_back(tokens[n_prompt + t + 1]);
        batch.weights.push_back(1.0f / (float) n);
        batch.positions.push_back((llama_pos) (n_prompt + t));
        batch.segments.push_back(0);
    }
    batch.prefixes.push_back(full.read(prompt));
    const auto graph = s.graph({ 1, n, (uint32_t) n_prompt }, false);
    return graph->run(batch).total;
}

// The model's own, by llama.cpp, after it or the reader's cache has the prompt.
double own_loss(token_reader & reader, const std::vector<llama_token> & tokens, size_t n_prompt) {
    const uint32_t n = (uint32_t) (tokens.size() - n_prompt);
    return reader.read_and_score(&tokens[n_prompt], n, (llama_pos) n_prompt) / (n - 1);
}

// A copy of a model with some of its layers only, and with what pruning notes about them.
void keep_layers(const std::string & from, const std::vector<int32_t> & layers, const std::string & to) {
    ggml_context * data = nullptr;
    const gguf_context_ptr old(gguf_init_from_file(from.c_str(), { false, &data }));
    const ggml_context_ptr tensors(data), renamed(ggml_init({ (size_t) 4 << 20, nullptr, false }));
    const gguf_context_ptr out(gguf_init_empty());
    gguf_set_kv(out.get(), old.get());
    gguf_set_val_u32(out.get(), "llama.block_count", (uint32_t) layers.size());
    gguf_set_arr_data(out.get(), "overfill.layer_map", GGUF_TYPE_INT32, layers.data(), layers.size());
    for (const char * name : { "token_embd.weight", "output_norm.weight", "output.weight" })
        gguf_add_tensor(out.get(), ggml_get_tensor(data, name));
    for (size_t i = 0; i < layers.size(); i++) {
        const std::string prefix = "blk." + std::to_string(layers[i]) + ".";
        for (ggml_tensor * t = ggml_get_first_tensor(data); t; t = ggml_get_next_tensor(data, t)) {
            const std::string name = t->name;
            if (name.compare(0, prefix.size(), prefix) != 0) continue;
            ggml_tensor * copy = ggml_dup_tensor(renamed.get(), t);
            std::memcpy(copy->data, t->data, ggml_nbytes(t));
            ggml_set_name(copy, ("blk." + std::to_string(i) + "." + name.substr(prefix.size())).c_str());
            gguf_add_tensor(out.get(), copy);
        }
    }
    gguf_write_to_file(out.get(), to.c_str(), false);
}

std::shared_ptr<linear_map> some_map(uint32_t n_in, uint32_t n_out, uint32_t seed) {
    std::mt19937 random(seed);
    auto map = std::make_shared<linear_map>();
    map->n_in = n_in;
    map->n_out = n_out;
    map->weight = random_values((size_t) n_in * n_out, 1 / std::sqrt((float) n_in), random);
    map->bias = random_values(n_out, 0.2f, random);
    return map;
}

// The teacher against a pair of two plain contexts and the same handover: its rows, and the loss on them.
void compare_translated(const std::string & full_path, const std::string & student_path,
                        const std::string & translator_path, const translator & how, const char * title) {
    std::mt19937 random(7);
    const std::vector<llama_token> tokens = random_tokens(120, random);
    const size_t n_prompt = 70;
    plain_model full(full_path), decode(student_path);
    full.reader.read(tokens.data(), n_prompt, 0);
    translate_handover handover(full.reader.context(), decode.reader.context(),
                                resolve_translation(full.reader.context(), decode.reader.context(), how),
                                implementation_options{ implementation_choice::automatic, 1, "" });
    handover.run(0);
    std::vector<uint32_t> layers((size_t) llama_model_n_layer(decode.model.get()));
    for (size_t il = 0; il < layers.size(); il++) layers[il] = (uint32_t) il;
    const cached_prefix expected = rows_of(decode.reader, n_prompt, layers);

    teacher ours({ full_path, 0 }, student_path, translator_path, room, 1, never);
    const double rows = difference(ours.read({ tokens.begin(), tokens.begin() + n_prompt }), expected);
    const double theirs = own_loss(decode.reader, tokens, n_prompt);
    const double loss = graph_loss(ours, student_path, tokens, n_prompt);
    std::printf("  %s: rows %.1e, loss %.6f and %.6f\n", title, rows, loss, theirs);
    CHECK(rows < 1e-5);
    CHECK(std::fabs(loss - theirs) < 1e-4);
    // The same with the pieces in between read before.
    ours.read(random_tokens(100, random));
    CHECK(difference(ours.read({ tokens.begin(), tokens.begin() + n_prompt }), expected) == rows);
}

}  // namespace

TEST("an identity student gets llama.cpp's own cache and begins at the full model's own loss, for every architecture") {
    const temp_folder folder;
    const std::string copy = folder.file("copy.gguf");
    std::mt19937 random(3);
    for (const variant & v : all_variants()) {
        if (!known(v)) continue;
        const variant_file file(v);
        put_bytes(copy, bytes_of(file.str()));
        plain_model full(file.str());
        const std::vector<llama_token> tokens = random_tokens(140, random), prompt(tokens.begin(), tokens.begin() + 90);
        const model_ptr & model = full.model;
        std::vector<uint32_t> layers((size_t) llama_model_n_layer(model.get()));
        for (size_t il = 0; il < layers.size(); il++) layers[il] = (uint32_t) il;
        full.reader.read(prompt.data(), 90, 0);
        teacher ours({ file.str(), 0 }, copy, "", room, 1, never);
        const double rows = difference(ours.read(prompt), rows_of(full.reader, 90, layers));
        const double own = own_loss(full.reader, tokens, 90), loss = graph_loss(ours, file.str(), tokens, 90);
        std::printf("  %s: rows %.1e, loss %.6f and %.6f\n", v.title, rows, loss, own);
        CHECK(rows < 1e-5);
        CHECK(std::fabs(loss - own) < 1e-4);
    }
}

TEST("logits are the full model's, with and without tokens before them") {
    const model_path file(small_model(1));
    plain_model full(file.str());
    teacher ours({ file.str(), 0 }, "", "", room, 1, never);
    std::mt19937 random(4);
    for (const auto & [n_prefix, n] : { std::pair(0, 5), std::pair(0, 130), std::pair(64, 64), std::pair(100, 90),
                                        std::pair(63, 1), std::pair(10, 0) }) {
        const std::vector<llama_token> all = random_tokens((size_t) (n_prefix + n), random),
                                       prefix(all.begin(), all.begin() + n_prefix),
                                       tokens(all.begin() + n_prefix, all.end());
        const std::vector<float> logits = ours.logits(prefix, tokens);
        CHECK_EQUAL(logits.size(), (size_t) n * 269);
        if (n == 0) continue;
        full.reader.clear();
        const float * expected =
            full.reader.read_with_logits(all.data(), (uint32_t) all.size(), 0, (uint32_t) n_prefix);
        CHECK(difference(logits, { expected, expected + logits.size() }) < 1e-4);
    }
    CHECK_FAILURE(error_code::invalid_argument, ours.read({ 5 }));
}

TEST("what was read before changes no bit") {
    const model_path full_file(small_model(1));
    tiny_model other = small_model(2);
    other.rope_base = 500;
    const model_path student_file(other);
    for (const std::string & student_path : { full_file.str(), student_file.str() }) {
        teacher going_on({ full_file.str(), 0 }, student_path, "", room, 1, never);
        std::mt19937 random(11);
        std::vector<llama_token> tokens = random_tokens(150, random);
        size_t n_equal = 0;
        for (int round = 0; round < 24; round++) {
            // Some of the beginning stays, and the rest is new; now and then a whole beginning or the same again.
            if (round % 6 != 5) {
                tokens.resize(random() % (tokens.size() + 1));
                const auto more = random_tokens(random() % (room - tokens.size()), random);
                if (round % 4 != 3) tokens.insert(tokens.end(), more.begin(), more.end());
            }
            teacher fresh({ full_file.str(), 0 }, student_path, "", room, 1, never);
            if (round % 3 == 2) {
                const size_t n = tokens.empty() ? 0 : random() % tokens.size();
                const std::vector<llama_token> prefix(tokens.begin(), tokens.begin() + (long) n),
                    rest(tokens.begin() + (long) n, tokens.end());
                n_equal += going_on.logits(prefix, rest) == fresh.logits(prefix, rest);
            } else {
                n_equal += same_bits(going_on.read(tokens), fresh.read(tokens));
            }
        }
        CHECK_EQUAL(n_equal, (size_t) 24);
    }
    // That there are bits to change: a token read alone is not one read with others.
    std::mt19937 random(12);
    const std::vector<llama_token> tokens = random_tokens(65, random);
    plain_model at_once(full_file.str());
    at_once.reader.read(tokens.data(), 65, 0);
    teacher ours({ full_file.str(), 0 }, full_file.str(), "", room, 1, never);
    const double bits = difference(ours.read(tokens), rows_of(at_once.reader, 65, { 0, 1 }));
    std::printf("  64 tokens and one, or 65 at once: %.1e\n", bits);
    CHECK(bits < 1e-5);
    std::vector<llama_token> longer = tokens;
    longer.push_back(7);
    teacher fresh({ full_file.str(), 0 }, full_file.str(), "", room, 1, never);
    CHECK(same_bits(ours.read(longer), fresh.read(longer)));
}

TEST("a student of fewer layers reads those that its metadata names, without a copy") {
    const temp_folder folder;
    const std::vector<int32_t> map = { 0, 2, 3, 5 };
    const model_path full_file(small_model(1, 6));
    keep_layers(full_file.str(), map, folder.file("student.gguf"));
    plain_model full(full_file.str());
    std::mt19937 random(5);
    const std::vector<llama_token> tokens = random_tokens(80, random);
    full.reader.read(tokens.data(), 80, 0);
    teacher ours({ full_file.str(), 0 }, folder.file("student.gguf"), "", room, 1, never);
    CHECK(difference(ours.read(tokens), rows_of(full.reader, 80, { 0, 2, 3, 5 })) < 1e-5);

    translator layers;
    layers.layers = map;
    compare_translated(full_file.str(), folder.file("student.gguf"), "", layers, "four of six layers");
    // Which are its parent's: as its own teacher it has them all.
    plain_model alone(folder.file("student.gguf"));
    alone.reader.read(tokens.data(), 80, 0);
    teacher own({ folder.file("student.gguf"), 0 }, folder.file("student.gguf"), "", room, 1, never);
    CHECK(difference(own.read(tokens), rows_of(alone.reader, 80, { 0, 1, 2, 3 })) < 1e-5);
    // A translator file that says otherwise goes before.
    layers.layers = { 1, 1, 4, 4 };
    write_translator(folder.file("t.gguf"), layers, GGML_TYPE_F32);
    teacher told({ full_file.str(), 0 }, folder.file("student.gguf"), folder.file("t.gguf"), room, 1, never);
    CHECK(difference(told.read(tokens), rows_of(full.reader, 80, { 1, 1, 4, 4 })) < 1e-5);
    // Without any layer map there is no way.
    const model_path short_file(small_model(3, 4));
    const std::string why = CHECK_FAILURE(error_code::handover_unavailable,
                                          teacher({ full_file.str(), 0 }, short_file.str(), "", room, 1, never));
    CHECK(why.find("layers differ") != std::string::npos);
}

TEST("linear maps and another RoPE are translated as a pair translates them") {
    const temp_folder folder;
    const model_path full_file(small_model(1, 3));
    tiny_model shape = small_model(2, 2);
    shape.rope_base = 500;
    const model_path based(shape);
    translator none;
    none.layers = { 0, 2 };
    write_translator(folder.file("layers.gguf"), none, GGML_TYPE_F32);
    compare_translated(full_file.str(), based.str(), folder.file("layers.gguf"), none, "RoPE base");

    shape.head_size = 8;
    shape.n_head_kv = 1;
    const model_path narrow(shape);
    for (const bool before_rope : { true, false }) {
        translator maps = none;
        maps.before_rope = before_rope;
        for (uint32_t il = 0; il < 2; il++) {
            maps.k.push_back(some_map(32, 8, 20 + il));
            maps.v.push_back(some_map(32, 8, 30 + il));
        }
        write_translator(folder.file("maps.gguf"), maps, GGML_TYPE_F32);
        compare_translated(full_file.str(), narrow.str(), folder.file("maps.gguf"), maps,
                           before_rope ? "maps before RoPE" : "maps behind RoPE");
    }
    // The same student without a translator, and with one for other shapes.
    CHECK_FAILURE(error_code::handover_unavailable,
                  teacher({ full_file.str(), 0 }, narrow.str(), folder.file("layers.gguf"), room, 1, never));
    CHECK_FAILURE(error_code::translator_mismatch,
                  teacher({ full_file.str(), 0 }, based.str(), folder.file("maps.gguf"), room, 1, never));
    CHECK_FAILURE(error_code::model_not_found,
                  teacher({ full_file.str(), 0 }, narrow.str(), folder.file("none.gguf"), room, 1, never));
}

TEST("models of other vocabularies are no pair, and broken ones none at all") {
    const temp_folder folder;
    const model_path full_file(small_model(1));
    tiny_model odd = small_model(1);
    odd.n_extra_tokens = 60;
    const model_path more(odd);
    odd = small_model(1);
    odd.n_extra_tokens = 60;
    odd.odd_token = "odd";
    const model_path another(odd);
    CHECK_FAILURE(error_code::pair_incompatible, teacher({ full_file.str(), 0 }, more.str(), "", room, 1, never));
    const std::string why =
        CHECK_FAILURE(error_code::pair_incompatible, teacher({ more.str(), 0 }, another.str(), "", room, 1, never));
    CHECK(why.find("odd") != std::string::npos);
    put_bytes(folder.file("broken.gguf"), "GGUF");
    CHECK_FAILURE(error_code::model_invalid, teacher({ folder.file("broken.gguf"), 0 }, "", "", room, 1, never));
    CHECK_FAILURE(error_code::model_invalid,
                  teacher({ full_file.str(), 0 }, folder.file("broken.gguf"), "", room, 1, never));
    CHECK_FAILURE(error_code::model_not_found, teacher({ folder.file("none"), 0 }, "", "", room, 1, never));
}

TEST("tokens that do not fit or do not exist are refused, and a stop ends a reading; later ones are whole again") {
    const model_path file(small_model(1));
    std::atomic<bool> stop{ false };
    teacher ours({ file.str(), 0 }, file.str(), "", room, 1, stop);
    std::mt19937 random(6);
    const std::vector<llama_token> tokens = random_tokens(room, random);
    const cached_prefix expected = ours.read(tokens);
    CHECK_FAILURE(error_code::context_overflow, ours.read(random_tokens(room + 1, random)));
    CHECK_FAILURE(error_code::context_overflow, ours.logits(tokens, { 1 }));
    std::vector<llama_token> bad = tokens;
    bad[150] = 269;
    CHECK_FAILURE(error_code::inference_failed, ours.read(bad));
    CHECK(same_bits(ours.read(tokens), expected));
    CHECK_EQUAL(ours.read({}).n, 0u);

    stop = true;
    bad = random_tokens(room, random);
    CHECK_FAILURE(error_code::aborted, ours.read(bad));
    CHECK_FAILURE(error_code::aborted, ours.logits({}, bad));
    CHECK_FAILURE(error_code::aborted, teacher({ file.str(), 0 }, "", "", room, 1, stop));
    stop = false;
    CHECK(same_bits(ours.read(tokens), expected));

    // In the midst of a reading.
    size_t n_aborted = 0;
    for (int round = 0; round < 20; round++) {
        bad = random_tokens(room, random);
        std::thread other([&] {
            std::this_thread::sleep_for(std::chrono::microseconds(100 * round));
            stop = true;
        });
        try {
            ours.read(bad);
        } catch (const failure & error) {
            CHECK(error.code() == error_code::aborted);
            n_aborted++;
        }
        other.join();
        stop = false;
        bad.resize(100);
        bad.insert(bad.end(), tokens.begin(), tokens.begin() + 100);
        teacher fresh({ file.str(), 0 }, file.str(), "", room, 1, stop);
        CHECK(same_bits(ours.read(bad), fresh.read(bad)));
    }
    CHECK(n_aborted > 0);
}
