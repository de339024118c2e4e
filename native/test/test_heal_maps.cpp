// Trainings with a translator: its linear maps are trained with the student, and a pair of both has the loss that was
// measured.
#include "check.h"
#include "example_stream.h"
#include "fingerprint.h"
#include "maps_case.h"
#include "token_reader.h"
#include "translate_handover.h"
#include "translator_file.h"

#include <algorithm>
#include <cmath>
#include <cstdio>

using namespace overfill;
using namespace overfill::test;

namespace {

const std::atomic<bool> never{ false };

// The loss of a pair of contexts, by llama.cpp and the translate handover, over the file that trainings evaluate on.
double loss_of_pair(const heal_options & options, const std::string & decode_path, const translator & how) {
    const auto load = [](const std::string & path) {
        return load_model({ path, 0 }, load_depth::weights, [](float) { return true; });
    };
    const model_ptr prefill = load(options.full.path), decode = load(decode_path);
    token_reader from(prefill.get(), 64, 1, never, { 64, false }), to(decode.get(), 64, 1, never, { 64, false });
    translate_handover handover(from.context(), to.context(), resolve_translation(from.context(), to.context(), how),
                                implementation_options{ implementation_choice::automatic, 1, "" });
    example_stream lines({ options.eval_path, 64, 1, options.seed }, decode.get(), options.sequences, 0, nullptr);
    double sum = 0;
    uint32_t n = 0;
    for (example_sequences drawn = lines.next(); drawn.epoch == 0; drawn = lines.next())
        for (const train_sequence & sequence : drawn.sequences) {
            CHECK_EQUAL(sequence.first_target, 0u);
            from.clear();
            to.clear();
            from.read(sequence.prefix.data(), (uint32_t) sequence.prefix.size(), 0);
            handover.run(0);
            sum += to.read_and_score(sequence.tokens.data(), (uint32_t) sequence.tokens.size(),
                                     (llama_pos) sequence.prefix.size());
            n += sequence.n_targets();
        }
    CHECK(n > 50);
    return sum / n;
}

}  // namespace

TEST("with maps to be trained a training begins where it begins with the same maps as constants") {
    for (const map_kind & kind : map_kinds()) {
        // A side without a map is handed over as it is, but for RoPE.
        const bool partly = kind.only_k || kind.only_v;
        maps_case work(kind, partly ? maps_case::alike() : maps_case::narrow());
        work.options.max_steps = 1;
        const double trained = work.run().evaluations[0].loss;
        const double pair =
            loss_of_pair(work.options, work.student.str(), read_translator(work.options.translator_path));
        work.options.train_translator = false;
        const double constant = work.run().evaluations[0].loss;
        std::printf("  %s: %.6f, %.6f, a pair %.6f\n", kind.title, trained, constant, pair);
        CHECK(std::fabs(trained - constant) < 1e-5);
        CHECK(std::fabs(trained - pair) < 1e-4);
    }
}

TEST("so it is with other kinds of RoPE, a sliding window and fused weights") {
    for (const size_t i : { 1, 2, 3, 7, 9, 11 }) {
        variant v = all_variants()[i];
        if (!known(v)) continue;
        const variant_file full(v);
        v.base.seed = 9;
        const variant_file student(v);
        const uint32_t n = v.base.n_head_kv * v.base.head_size;
        for (const bool before_rope : { true, false }) {
            maps_case work;
            translator how = random_translator({ "", before_rope }, v.base.n_layer, n, n, work.random);
            write_translator(work.options.translator_path, how, GGML_TYPE_F32);
            work.options.full = { full.str(), 0 };
            work.options.student = { student.str(), 0 };
            work.options.max_steps = 1;
            const double trained = work.run().evaluations[0].loss;
            work.options.train_translator = false;
            const double constant = work.run().evaluations[0].loss;
            std::printf("  %s, %s: %.6f, %.6f\n", v.title, before_rope ? "before" : "behind", trained, constant);
            CHECK(std::fabs(trained - constant) < 1e-5 * constant);
        }
    }
}

TEST("a pair of what was written has the loss of the last evaluation, whatever else was trained") {
    for (const map_kind & kind : map_kinds())
        for (const char * what : { "all", "maps", "factors" }) {
            const bool partly = kind.only_k || kind.only_v;
            maps_case work(kind, partly ? maps_case::alike() : maps_case::narrow());
            work.options.max_steps = 30;
            if (what == std::string("maps")) work.options.freeze = { "*" };
            if (what == std::string("factors")) work.options.lora.rank = 2;
            const heal_result result = work.run();
            const double first = result.evaluations.front().loss, last = result.evaluations.back().loss;
            const translator trained = read_translator(work.options.translator_out_path);
            const double pair = loss_of_pair(work.options, work.options.out_path, trained);
            const double by_name = work.loss_of_written(""),
                         by_path = work.loss_of_written(work.options.translator_out_path);
            std::printf("  %s, %s: %.4f to %.6f, the pair %.6f\n", kind.title, what, first, last, pair);
            CHECK(last < first - 0.1);
            CHECK(std::fabs(pair - last) < 1e-4);
            CHECK(std::fabs(by_path - last) < 1e-5);
            CHECK_EQUAL(by_name, by_path);

            // The file is as the one before, but for what training changes.
            const translator before = read_translator(work.options.translator_path);
            CHECK(trained.before_rope == kind.before_rope && trained.layers == before.layers);
            CHECK_EQUAL(trained.source_fingerprint, before.source_fingerprint);
            CHECK_EQUAL(trained.target_fingerprint, model_fingerprint(work.options.out_path));
            CHECK_EQUAL(trained.source_name, std::string("full"));
            CHECK_EQUAL(trained.n_fit_tokens, 1000u);
            CHECK(trained.error_k.empty() && trained.error_v.empty() && trained.loss.mapped == 0);
            CHECK_EQUAL(trained.k.size(), before.k.size());
            CHECK_EQUAL(trained.v.size(), before.v.size());
            if (kind.common) CHECK(trained.k[0] == trained.v[0]);
            for (size_t il = 0; il < 2; il++) {
                if (!kind.only_v) CHECK(trained.k[il]->weight != before.k[il]->weight);
                if (!kind.only_k) CHECK(trained.v[il]->weight != before.v[il]->weight);
                if (!kind.only_v) CHECK_EQUAL(trained.k[il]->bias == before.k[il]->bias, !kind.biases);
            }
            CHECK_EQUAL(result.translator_path, work.options.translator_out_path);
            CHECK_EQUAL(result.n_translator_bytes, std::filesystem::file_size(result.translator_path));
            if (what == std::string("maps")) CHECK(weights_of(work.options.out_path) == weights_of(work.student.str()));
            CHECK(!work.has(work.checkpoint()));
        }
}

TEST("an interrupted training of maps is resumed without another bit, of another one refused") {
    for (const uint32_t patience : { 0u, 50u }) {
        const auto prepare = [&](maps_case & work) {
            work.options.max_steps = 24;
            work.options.sequences.random_cutoff = 0.4;
            work.options.eval_interval = 3;
            work.options.patience = patience;
        };
        maps_case whole;
        prepare(whole);
        const heal_result expected = whole.run();

        maps_case work;
        prepare(work);
        work.stop_after(10);
        CHECK_FAILURE(error_code::aborted, work.run());
        CHECK(!work.has(work.options.out_path));
        CHECK(!work.has(work.options.translator_out_path));
        work.stop = false;
        work.events = {};
        work.options.resume = true;
        // Of a training that is another one.
        work.options.train_translator = false;
        CHECK(CHECK_FAILURE(error_code::checkpoint_invalid, work.run()).find("trainTranslator") != std::string::npos);
        work.options.train_translator = true;
        const std::string maps = bytes_of(work.options.translator_path);
        translator other = read_translator(work.options.translator_path);
        auto changed = std::make_shared<linear_map>(*other.k[1]);
        changed->weight[5] += 1;
        other.k[1] = changed;
        write_translator(work.options.translator_path, other, GGML_TYPE_F32);
        CHECK(CHECK_FAILURE(error_code::checkpoint_invalid, work.run()).find("trainTranslator") != std::string::npos);
        put_bytes(work.options.translator_path, maps);

        const heal_result result = work.run();
        CHECK_EQUAL(result.first_step, 10u);
        CHECK(result.losses == expected.losses);
        CHECK(work.trained() == whole.trained());
        CHECK(work.trained_maps() == whole.trained_maps());
    }
}

TEST("with patience the maps of the best evaluation are written") {
    maps_case work;
    work.options.freeze = { "*" };
    work.options.eval_interval = 2;
    work.options.patience = 2;
    work.options.max_steps = 400;
    work.options.rate = { 0.3, rate_schedule::constant, 0, 0 };
    const heal_result result = work.run();
    CHECK(result.reason == heal_end::patience);
    const auto less = [](const evaluation & a, const evaluation & b) { return a.loss < b.loss; };
    const auto best = std::min_element(result.evaluations.begin(), result.evaluations.end(), less);
    CHECK(best->loss < result.evaluations.back().loss);
    std::printf("  best %.4f at step %d of %d\n", best->loss, (int) best->step, (int) result.n_steps);
    CHECK(std::fabs(work.loss_of_written(work.options.translator_out_path) - best->loss) < 1e-5);
}
