// A session that is written while its values are still in the cache: the same file as of a copy, in whatever pieces,
// and also where it is put aside meanwhile.
#include "cached_sequence.h"
#include "check.h"
#include "engine_driver.h"
#include "memory_model.h"
#include "pair_identity.h"
#include "saved_session.h"
#include "temp_folder.h"
#include "tiny_model.h"

#include <algorithm>
#include <random>

using namespace overfill;
using namespace overfill::test;

namespace {

const auto never = [] { return false; };

// A pair with one session that has read a prompt, without the engine's thread.
class read_session {
  public:
    explicit read_session(const pair_options & options)
        : options_(options), pair_(
                                 options, [](void *) { return false; }, nullptr, [](float) { return true; }),
          session_(pair_, 0) {
        session::prefill_run run(session_, some_tokens(70), prefill_options{});
        while (!run.done()) run.step();
    }

    saved_session take(bool gradual) {
        saved_session out;
        out.image = session_.take_image(gradual);
        for (const session_image::cache & cache : out.image.caches)
            out.layouts.push_back(state_layout_of(pair_.context(cache.of)));
        out.compressed.resize(out.image.caches.size());
        out.models = identify(options_, pair_.info());
        return out;
    }

    // In pieces of random sizes; `put_aside`: after the first of them.
    std::string write(const saved_session & saved, const std::string & path, uint32_t seed, bool put_aside = false) {
        std::mt19937 random(seed);
        saved_session_writer out(path, saved, never);
        for (size_t i = 0; i < saved.image.caches.size(); i++) {
            const auto & values = saved.image.caches[i].held.values;
            for (size_t at = 0, n = 0; values && at < values->size(); at += n) {
                std::vector<uint8_t> piece(1 + random() % 5000);
                n = std::min(piece.size(), values->size() - at);
                session_.give_values(saved.image, i, at, piece.data(), n);
                out.put(piece.data(), n, never);
                if (put_aside)
                    for (cached_sequence * cache : session_.caches()) cache->put_aside();
            }
        }
        out.finish(never);
        return bytes_of(path);
    }

  private:
    pair_options options_;
    pair pair_;
    session session_;
};

void check_alike(const pair_options & options) {
    const temp_folder folder;
    read_session session(options);
    const saved_session copied = session.take(false), gradual = session.take(true);
    CHECK(copied.image.caches.at(0).held.cells->state.values.size() > 10000);
    CHECK_EQUAL(gradual.image.caches.at(0).held.cells->state.values.size(), 0u);
    const std::string expected = session.write(copied, folder.file("copied"), 0);
    CHECK(session.write(gradual, folder.file("gradual"), 1) == expected);
    CHECK(session.write(gradual, folder.file("again"), 2) == expected);
    CHECK(session.write(gradual, folder.file("aside"), 3, /*put_aside*/ true) == expected);
    CHECK(read_saved_session(folder.file("gradual"), never).image.tokens == some_tokens(70));
}

pair_options small_options(const std::string & path) {
    pair_options options = options_for(path);
    options.context_size = 256;
    options.batch_size = 32;
    options.max_sessions = 2;
    return options;
}

}  // namespace

TEST("a session is written from its caches to the same file as from a copy, with V by rows or by channels") {
    const model_path model{ tiny_model() };
    for (const flash_attention attention : { flash_attention::on, flash_attention::off })
        for (const uint32_t cache_tokens : { 0u, 512u }) {
            pair_options options = small_options(model.str());
            options.attention = attention;
            options.cache_tokens = cache_tokens;
            check_alike(options);
        }
}

TEST("a recurrent state is written with the cells beside it") {
    for (const memory_model::kind kind : { memory_model::kind::recurrent, memory_model::kind::hybrid }) {
        memory_model model;
        model.keeps = kind;
        const memory_model_path path(model);
        check_alike(small_options(path.str()));
    }
}

TEST("more or fewer values than a session has make no file") {
    const model_path model{ tiny_model() };
    const temp_folder folder;
    read_session session(small_options(model.str()));
    const saved_session gradual = session.take(true);
    const auto made_of = [&](size_t n) {
        saved_session_writer out(folder.file("wrong"), gradual, never);
        const std::vector<uint8_t> values(n);
        out.put(values.data(), n, never);
        out.finish(never);
    };
    const size_t n = gradual.image.caches[0].held.values->size();
    CHECK_FAILURE(error_code::internal, made_of(n - 1));
    CHECK_FAILURE(error_code::internal, made_of(n + 1));
    CHECK(!std::filesystem::exists(folder.file("wrong")));
}
